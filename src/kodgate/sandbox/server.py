"""One sandbox process: opens the state, listens, runs the workers, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from kodgate.sandbox import ca, deeds, outcomes, proxy
from kodgate.sandbox.config import Ports, SandboxConfig
from kodgate.sandbox.control import Control
from kodgate.sandbox.inbox import Inbox
from kodgate.sandbox.lane import Lane
from kodgate.sandbox.reports import Reporter
from kodgate.sandbox.smsc import Smsc
from kodgate.sandbox.state import Durable, Tx
from kodgate.sandbox.telegram import BODY_MAX, TelegramGateway
from kodgate.sandbox.timing import Clock, keep

STOP_S = 1.0
"""What requests under way get when the process is told to end; slow answers are cut off."""
TRIM_S = 0.5
"""Between two looks at the log's length; a slice each is more than a busy sandbox writes."""


async def run(
    config: SandboxConfig,
    *,
    ready: Callable[[Ports], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until `stop` is set, SIGTERM or SIGINT comes, or (if asked) the parent is gone.

    `ready` gets the ports once everything listens. Raises OSError if a port is taken.
    """
    stop = stop or asyncio.Event()
    with _signals(stop), _parent(stop, watch=config.watch_parent):
        async with sandbox(config) as running:
            _announce(config.ready_file, running.ports)
            if ready is not None:
                ready(running.ports)
            await _first(stop, running.workers)
    if config.ready_file is not None:
        config.ready_file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sandbox that listens. None of its workers ends before it does."""

    ports: Ports
    workers: tuple[asyncio.Task[None], ...]


@asynccontextmanager
async def sandbox(config: SandboxConfig) -> AsyncIterator[Running]:
    """The running sandbox, for a process of its own or inside a test."""
    config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = Clock(anchor=config.anchor)
    state = Durable(config.folder / "sandbox.sqlite")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(state.close)
        await state.do(lambda tx: _begin(tx, config.credit, clock.now()))
        smsc = Smsc(config, state, clock)
        reporter = Reporter(config.token, state, clock)
        telegram = TelegramGateway(config, state, clock)
        inbox = Inbox(state, clock)
        workers = tuple(
            asyncio.create_task(one)
            for one in (smsc.run(), reporter.run(), inbox.run(), _steps(state, clock), _trim(state))
        )
        stack.push_async_callback(_cancel, workers)
        telegram_port = await _serve(
            stack,
            _app(*Control(config, state, clock, smsc).routes(), *inbox.routes(),
                 *telegram.routes(), closing=inbox.close),
            telegram,
            config.host,
            config.telegram_port,
        )  # fmt: skip
        tls = ca.server_context(config.folder, proxy.HOST)
        tls_port = await _serve(stack, _app(*telegram.routes()), telegram, "127.0.0.1", 0, tls)
        listener = proxy.ConnectProxy(tls_port)
        stack.push_async_callback(listener.stop)
        stack.push_async_callback(smsc.stop)
        ports = Ports(
            telegram=telegram_port,
            proxy=await listener.start(config.host, config.proxy_port),
            smsc=await smsc.start(config.host, config.smsc_port),
        )
        yield Running(ports=ports, workers=workers)


def _begin(tx: Tx, credit: int, now: int) -> None:
    deeds.forget_old(tx, now)
    if tx.fact("credit") is None:
        tx.settle("credit", credit)


async def _steps(state: Durable, clock: Clock) -> None:
    """Lets scripted outcomes happen when they are due."""

    async def due() -> int | None:
        return await state.do(lambda tx: outcomes.advance(tx, clock.now(), clock.real()))

    await keep(state.event("steps"), due, clock.until)


async def _trim(state: Durable) -> None:
    """Keeps the log at its size."""
    while True:
        await asyncio.sleep(TRIM_S)
        await state.do(deeds.trim_log)


async def _first(stop: asyncio.Event, workers: tuple[asyncio.Task[None], ...]) -> None:
    """Waits for the end. Raises what a worker died of: half a sandbox is worse than none."""
    ending = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({ending, *workers}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    for one in done - {ending}:
        one.result()


async def _cancel(workers: tuple[asyncio.Task[None], ...]) -> None:
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def _app(*routes: web.RouteDef, closing: Callable[[], None] | None = None) -> web.Application:
    app = web.Application(client_max_size=BODY_MAX)
    app.add_routes(routes)
    if closing is not None:

        async def close(_: web.Application) -> None:
            closing()

        app.on_shutdown.append(close)
    return app


async def _serve(
    stack: contextlib.AsyncExitStack,
    app: web.Application,
    telegram: TelegramGateway,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Listens for as long as the stack is open; returns the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    otherwise = runner.server
    assert otherwise is not None
    lanes: set[Lane] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Lane(telegram, otherwise, lanes), host, port, ssl=tls, backlog=1024
    )
    stack.push_async_callback(_end, lanes)
    stack.callback(server.close)
    listening: int = server.sockets[0].getsockname()[1]
    return listening


async def _end(lanes: set[Lane]) -> None:
    await asyncio.gather(*(lane.close(STOP_S) for lane in list(lanes)))


def _announce(path: Path | None, ports: Ports) -> None:
    """Writes the ports in one step: whoever sees the file sees all of it."""
    if path is None:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(ports)))
    fresh.replace(path)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _parent(stop: asyncio.Event, *, watch: bool) -> Iterator[None]:
    """Standard input is a pipe from the parent: its end is the parent's."""
    if not watch:
        yield
        return
    loop = asyncio.get_running_loop()
    pipe = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(pipe, 1024):
            loop.remove_reader(pipe)
            stop.set()

    loop.add_reader(pipe, readable)
    try:
        yield
    finally:
        loop.remove_reader(pipe)
