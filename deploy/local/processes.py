"""Starts processes on loopback and ends them again: those that it started, by their id."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

STOP_S = 15.0
LOOK_S = 0.1

PORTS = range(20_000, 32_000)
_given: set[int] = set()

Found = TypeVar("Found")


class Process:
    """One program in a session of its own, its output in a file; it can be started again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environ: Callable[[], Mapping[str, str]] = os.environ.copy,
        also: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`environ`: asked at every start. `also`: a process that it started and let go."""
        self.name = name
        self.log = log
        self._command = list(command)
        self._environ = environ
        self._also = also
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.name} was not started"
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ(),
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """The process and all that it started."""
        roots = [self.pid if self.alive else None, self._also()]
        return [pid for root in roots if root is not None for pid in family(root)]

    def signal(self, number: signal.Signals) -> None:
        """To all of them."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """kill -9, as when the machine vanishes."""
        if self._running is None:
            return
        self.signal(signal.SIGSTOP)  # nobody starts another while we count them
        self.signal(signal.SIGKILL)
        self._running.wait(STOP_S)
        until(f"{self.name} gone", lambda: self._also() is None, STOP_S)

    def stop(self) -> None:
        """SIGTERM to the process alone; kill -9 of the family when that takes too long."""
        if self._running is None or not self.pids():
            return
        self.signal(signal.SIGCONT)
        self._running.terminate()
        try:
            self._running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        if self.pids():
            self.kill()

    def tail(self) -> str:
        """The last lines of its output."""
        return self.log.read_text("utf-8", "replace")[-2000:]


def family(pid: int) -> list[int]:
    """A process and its descendants, itself first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError):
                status = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2]
                children.setdefault(int(status.split()[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found


def free_port() -> int:
    """One that nobody has and that is given to nobody else: below those that the system gives to
    connections, so that it stays free until it is used."""
    for port in random.sample(PORTS, 200):
        if port in _given:
            continue
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _given.add(port)
            return port
    raise OSError("no free port")


def until(what: str, look: Callable[[], Found | None], seconds: float) -> Found:
    """The first thing found. Raises TimeoutError after `seconds`, saying what was awaited."""
    ends_at = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(LOOK_S)
