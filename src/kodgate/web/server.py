"""HTTP servers inside the process: sockets, connection caps, the sweep of deadlines, the stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import traceback
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from kodgate.web.addresses import Networks
from kodgate.web.asgi import App, Receive, Scope, Send, answer_text, drop
from kodgate.web.connection import Connection
from kodgate.web.requirements import Limits

BACKLOG = 2048
GRACE_S = 5.0
SWEEP_S = 0.25

log = structlog.get_logger("kodgate.web")


class Roster:
    """Who is connected: in total and per source. Full: the longest idle one has to go."""

    def __init__(self, limits: Limits, exempt: Networks) -> None:
        self._limits = limits
        self._exempt = exempt
        self._sources: Counter[str] = Counter()
        self._members: set[Connection] = set()
        self._idle: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, connection: Connection) -> bool:
        """False: there is no room."""
        source = connection.source
        if self._sources[source] >= self._limits.per_source_max and source not in self._exempt:
            return False
        if len(self._members) >= self._limits.connections_max and not self._evict():
            return False
        self._sources[source] += 1
        self._members.add(connection)
        self._idle[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        if connection not in self._members:
            return
        self._members.discard(connection)
        self._idle.pop(connection, None)
        self._sources[connection.source] -= 1
        if self._sources[connection.source] <= 0:
            del self._sources[connection.source]

    def busy(self, connection: Connection) -> None:
        """It has a whole request: it is not thrown out."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        if connection in self._members:
            self._idle[connection] = None

    def _evict(self) -> bool:
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.transport.abort()
        return True


class HttpServer:
    """One ASGI app on one or several sockets, in the running loop.

    `exempt` from the cap per source: our proxies (their users share an address), loopback.
    """

    def __init__(
        self,
        app: App,
        sockets: Sequence[socket.socket],
        *,
        limits: Limits | None = None,
        exempt: Networks | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.roster = Roster(self.limits, exempt or Networks())
        self.state = ServerState()
        self._app = app
        self._sockets = tuple(sockets)
        self._tls = tls
        self._config = _uvicorn_config()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    @property
    def ports(self) -> list[int]:
        return [int(each.getsockname()[1]) for each in self._sockets]

    async def start(self) -> None:
        """Listens. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._set_date()
        for each in self._sockets:
            server = await loop.create_server(
                lambda: Connection(self._config, self),
                sock=each,
                ssl=self._tls,
                backlog=BACKLOG,
                ssl_handshake_timeout=self.limits.handshake_s if self._tls else None,
            )
            self._servers.append(server)
        self._sweeper = loop.create_task(self._sweep())

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Takes nothing new. Streams end at once, answers within `grace_s` seconds."""
        for server in self._servers:
            server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self.state.connections:
                    self._left.clear()
                    await self._left.wait()
        await self._cut()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self.roster.leave(connection)
        self._left.set()

    async def _cut(self) -> None:
        for connection in list(self.state.connections):
            connection.transport.abort()
        tasks = list(self.state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app; its accidents are logged without any value and answered without a word."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            drop(scope)
        except Exception as error:
            log.error("app_failed", error=type(error).__name__, at=frames(error))
            await _answer_500(scope, send)

    async def _sweep(self) -> None:
        limits = self.limits
        shortest = min(limits.head_s, limits.idle_s, limits.write_s, limits.linger_s)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(SWEEP_S, shortest / 4))
            self._set_date()
            now = loop.time()
            for connection in list(self.state.connections):
                connection.sweep(now)  # type: ignore[union-attr]

    def _set_date(self) -> None:
        self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


async def serve(servers: Sequence[HttpServer], stop: asyncio.Event) -> None:
    """Runs several servers until `stop` is set, then ends all of them within five seconds."""
    try:
        for server in servers:
            await server.start()
        await stop.wait()
    finally:
        await asyncio.gather(*(server.stop() for server in servers))


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket to listen on; port 0: the system chooses. Raises OSError.

    `shared`: other processes bind the same port too, and the system spreads connections over those
    that listen; this one does not yet.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if shared:
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    else:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Inherited by what is accepted; event loops do not set it on sockets made this way, and an
    # answer in two segments would wait 40 ms for the caller's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 only (S-60). Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context


def frames(error: BaseException) -> list[str]:
    """Where it happened. Neither the message nor any variable: both may hold what was sent."""
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-8:]
    ]


def _uvicorn_config() -> Config:
    async def unused(scope: object, receive: object, send: object) -> None:
        raise AssertionError("the connection has the app")

    config = Config(
        app=unused,
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    return config


async def _answer_500(scope: Scope, send: Send) -> None:
    try:
        await answer_text(send, 500, "Internal error\n", [(b"connection", b"close")])
    except RuntimeError:  # the app had begun to answer
        drop(scope)
