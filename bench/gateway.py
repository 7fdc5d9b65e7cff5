"""The gateway as a process of its own, for benchmarks and end-to-end tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

SECRET = "BenchSecretBenchSecret0123456789"
READY_S = 40.0
STOP_S = 10.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Gateway:
    """`kodgate up` on ports of its own; keeps them, and the data, over restarts."""

    def __init__(
        self,
        data: Path,
        *,
        balance: str = "1000.00",
        time_scale: float = 1.0,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.secret = SECRET
        self.time_scale = time_scale
        ports = free_ports(6)
        self.wire, self.json, self.metrics, self.telegram, self.proxy, self.smsc = ports
        self._environ = {
            "KODGATE_DEMO_SECRET": SECRET,
            "KODGATE_DEMO_BALANCE": balance,
            "KODGATE_LOG__FORMAT": "json",
            **(environ or {}),
        }
        self.log = data.parent / f"{data.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        """Returns when it is ready. Raises RuntimeError with its last lines if it is not."""
        ready = self.data / "ready.json"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "kodgate",
            "up",
            "--data",
            str(self.data),
            "--time-scale",
            str(self.time_scale),
            "--port",
            str(self.wire),
            "--json-port",
            str(self.json),
            "--metrics-port",
            str(self.metrics),
            "--telegram-port",
            str(self.telegram),
            "--proxy-port",
            str(self.proxy),
            "--smsc-port",
            str(self.smsc),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environ, **environ},
                start_new_session=True,
            )
        ends_at = time.monotonic() + READY_S
        while time.monotonic() < ends_at:
            if ready.exists():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        tail = self.log.read_text("utf-8", "replace")[-3000:]
        self.kill()
        raise RuntimeError(f"kodgate up was not ready:\n{tail}")

    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.data / "ready.json").read_text("ascii"))
        return found

    def wait_dead(self, seconds: float) -> bool:
        """Whether the gateway ended by itself (at a crash point) in time; ends its group then."""
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._kill_group()
        return True

    def kill(self) -> None:
        """kill -9 of the whole group: gateway and sandbox."""
        if self.process is not None:
            self._kill_group()
            self.process.wait()
            self.process = None

    def _kill_group(self) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def terminate(self) -> float:
        """SIGTERM to the group; seconds until it ended. Raises TimeoutExpired, after a kill."""
        assert self.process is not None
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        return time.monotonic() - began

    def resident_mib(self) -> float:
        """Resident memory of the gateway process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None:
            self.terminate()
