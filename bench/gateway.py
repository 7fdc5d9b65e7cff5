"""The gateway as a process of its own, for benchmarks and end-to-end tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench.ports import free_ports
from kodgate import testing

WORKERS_MAX = 4
"""Of a gateway here: the metrics of each are on the ports after `metrics`."""

SECRET = "BenchSecretBenchSecret0123456789"


class Gateway(testing.Gateway):
    """`kodgate up`, and what only we want of it: crash points and memory."""

    def __init__(
        self,
        data: Path,
        *,
        balance: str = "1000.00",
        time_scale: float = 1.0,
        environ: dict[str, str] | None = None,
    ) -> None:
        """The KODGATE_ variables of this process are the gateway's too: the same benchmark, on
        other settings."""
        self.database = os.environ.get("KODGATE_DATABASE") or f"sqlite:///{data / 'kodgate.db'}"
        ours = {name: text for name, text in os.environ.items() if name.startswith("KODGATE_")}
        super().__init__(
            data,
            balance=balance,
            time_scale=time_scale,
            secret=SECRET,
            environ={
                **ours,
                "KODGATE_DEMO_SECRET": SECRET,
                "KODGATE_DEMO_BALANCE": balance,
                "KODGATE_LOG__FORMAT": "json",
                **(environ or {}),
            },
        )
        *ports, self.metrics = free_ports(len(testing.PORTS), after=WORKERS_MAX)
        for name, port in zip((n for n in testing.PORTS if n != "metrics"), ports, strict=True):
            setattr(self, name, port)

    def wait_dead(self, seconds: float) -> bool:
        """Whether the gateway ended by itself (at a crash point) in time; ends its group then."""
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.kill_group()
        return True

    def terminate(self) -> float:
        """SIGTERM to the group; seconds until it ended."""
        return self.stop()

    def resident_mib(self) -> float:
        """Resident memory of the gateway process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024
