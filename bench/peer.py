"""`--against`: another gateway that takes HTTP and sends over SMPP, measured in the same run."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.home import smsc
from bench.load import Plan, run
from bench.machine import cpu_s, resident_mib
from bench.scenes import CALLERS, Effort, Row

HELP = (
    "a command that starts a peer; it finds the SMSC at BENCH_SMSC_PORT, and answers good forms at"
    " BENCH_PEER_PORT, BENCH_PEER_PATH. What it is sent: BENCH_PEER_BODY with {phone} and"
    " {number}, or a GET where these stand in the path; what a good answer holds: BENCH_PEER_GOOD"
)
READY_S = 60.0
STOP_S = 10.0


def measured(command: str, effort: Effort) -> Iterator[Row]:
    """Accepts of the peer at 1, 16 and 64 callers. Raises TimeoutError if it does not listen."""
    port = int(os.environ.get("BENCH_PEER_PORT", "13013"))
    with smsc() as smsc_port:
        process = subprocess.Popen(
            shlex.split(command),
            env={**os.environ, "BENCH_SMSC_PORT": str(smsc_port)},
            start_new_session=True,
        )
        try:
            _await_listening(port)
            for callers in CALLERS:
                yield _accepts(process.pid, port, callers, effort)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _accepts(pid: int, port: int, callers: int, effort: Effort) -> Row:
    before = _of_all(pid, cpu_s)
    result = run(
        Plan(
            port=port,
            callers=callers,
            seconds=effort.seconds,
            path=os.environ.get("BENCH_PEER_PATH", "/"),
            body=os.environ.get("BENCH_PEER_BODY", "to={phone}&text=code+{number}"),
            good=os.environ.get("BENCH_PEER_GOOD", "Accepted"),
        )
    )
    used = _of_all(pid, cpu_s) - before
    size = _of_all(pid, resident_mib)
    return Row(
        what="peer: accept",
        load=f"{callers} caller{'s' * (callers > 1)}",
        per_second=result.per_second,
        p50=result.p50,
        p99=result.p99,
        cpu_us=used / max(1, result.good) * 1e6,
        note=f"{size:.0f} MiB in all of its processes; {result.errors or 'none'} refused",
    )


def _of_all(pid: int, figure: Callable[[int], float]) -> float:
    """The sum over all processes in the peer's session."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) == pid:
                total += figure(int(path.name))
        except OSError:
            continue
    return total


def _await_listening(port: int) -> None:
    ends_at = time.monotonic() + READY_S
    while time.monotonic() < ends_at:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on {port}")
