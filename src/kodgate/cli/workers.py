"""Processes that take requests where one is not enough: started, watched and ended by this one.

They listen on the same ports, and the system spreads connections over them. What else there is to
do (sending, deadlines, SMS) stays in this process. `python -m kodgate.cli.workers` is one of them:
it reads its settings from standard input, which ends when its parent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import sys
from dataclasses import dataclass, field

import structlog
import uvloop

from kodgate.cli.exits import SETUP
from kodgate.cli.signals import stop_signal
from kodgate.config import Config, told
from kodgate.web import app, logs
from kodgate.web.server import bind

log = structlog.get_logger()

READY_S = 30.0
STOP_S = 6.0
AGAIN_S = 1.0
"""Before a worker that ended is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Who does what."""

    own: Config
    workers: tuple[Config, ...] = ()
    held: tuple[socket.socket, ...] = field(default=(), repr=False)
    """Keep the shared ports ours while workers come and go; nothing arrives here."""

    @property
    def fronted(self) -> frozenset[str]:
        """Roles that only the others have; all that comes over the ports of `http` is for them."""
        return frozenset(self.workers[0].roles if self.workers else ()) - {*self.own.roles}


def divide(config: Config) -> Division:
    """By `http.workers`; a process that would have nothing else to do is one of them. Raises
    SetupError where a port is taken."""
    count = config.http.workers
    if not count or "http" not in config.roles:
        return Division(own=config)
    front = [
        role
        for role in config.roles
        if role == "http" or (role == "web" and config.pages.port is None)
    ]
    others = [role for role in config.roles if role not in front]
    config, held = _with_ports(config)
    own = config.model_copy(update={"roles": tuple(others or front)})
    name = config.node or socket.gethostname()
    first = 1 if others else 2
    workers = (
        config.model_copy(
            update={
                "roles": tuple(front),
                "node": f"{name}/http.{number}",
                "metrics": _metrics(config, number + 1 - first),
            }
        )
        for number in range(first, count + 1)
    )
    return Division(own=own, workers=tuple(workers), held=held)


def _metrics(config: Config, after: int) -> object:
    port = config.metrics.port
    return config.metrics.model_copy(update={"port": port + after if port else 0})


def _with_ports(config: Config) -> tuple[Config, tuple[socket.socket, ...]]:
    """The system's choice for ports of 0, the same for all processes."""
    http, held, ports = config.http, [], {}
    for name in ("port", "json_port"):
        port = getattr(http, name)
        try:
            with bind(http.host, port) as alone:  # a second gateway is told, not let in
                port = alone.getsockname()[1]
            held.append(bind(http.host, port, shared=True))
        except OSError as error:
            for one in held:
                one.close()
            raise app.SetupError(
                f"cannot listen on {http.host}:{port} (http.{name}): {error}"
            ) from error
        ports[name] = port
    return config.model_copy(update={"http": http.model_copy(update=ports)}), tuple(held)


class Workers:
    """The other processes of a division."""

    def __init__(self, division: Division, *, inbox_url: str | None = None) -> None:
        self._division = division
        self._inbox_url = inbox_url
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self.metrics: list[int] = []
        """Ports of their metrics."""

    async def start(self) -> None:
        """Returns when all of them listen. Raises SetupError."""
        found = await asyncio.gather(*(self._start(n) for n in range(len(self._division.workers))))
        self.metrics = [ports["metrics"] for ports in found]
        self._keepers = [asyncio.create_task(self._keep(number)) for number in self._running]

    async def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(_end(process) for process in self._running.values()))
        for one in self._division.held:
            one.close()

    async def _start(self, number: int) -> dict[str, int]:
        """Its ports, once it listens. Raises SetupError."""
        process = self._running[number] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kodgate.cli.workers",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None
        given = {"config": told(self._division.workers[number]), "inbox_url": self._inbox_url}
        process.stdin.write(json.dumps(given).encode() + b"\n")
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                line = await process.stdout.readline()
        if not line:
            await _end(process)
            raise app.SetupError("a process that takes requests did not start: see above")
        ports: dict[str, int] = json.loads(line)
        return ports

    async def _keep(self, number: int) -> None:
        """Starts it again whenever it ends."""
        while True:
            status = await self._running[number].wait()
            log.error("worker_ended", action="worker", status=status)
            await asyncio.sleep(AGAIN_S)
            try:
                await self._start(number)
            except (app.SetupError, OSError) as error:
                log.error("worker_not_started", action="worker", error=str(error))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def main() -> int:
    """One worker: until SIGTERM, or until its parent has gone."""
    given = json.loads(sys.stdin.buffer.readline())
    config = Config.model_validate(given["config"])
    logs.configure(config.log.level, config.log.format)
    try:
        uvloop.run(_work(config, given["inbox_url"]))
    except app.SetupError as error:
        log.error("worker_not_started", action="worker", error=str(error))
        return SETUP
    return 0


async def _work(config: Config, inbox_url: str | None) -> None:
    stopped = stop_signal()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _look_after_parent, stopped)
    gateway = app.Gateway(config, inbox_url=inbox_url)
    await gateway.start()
    try:
        sys.stdout.write(json.dumps(dataclasses.asdict(gateway.ports)) + "\n")
        sys.stdout.flush()
        await gateway.run(until=stopped)
    finally:
        await gateway.stop()


def _look_after_parent(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopped.set()


if __name__ == "__main__":
    sys.exit(main())
