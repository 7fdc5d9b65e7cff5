"""POST over kept HTTP/1.1 connections: bytes out, bytes in; nothing followed, nothing unpacked.

A connection carries one request at a time. Nothing is ever sent twice: whoever asks must know
whether a request has left (docs/decisions/0006-calls-to-providers.md says why this is ours).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httptools

from kodgate.core.values import quick

KEEPALIVE_S = 15.0
"""Shorter than servers keep idle connections: a request on a dead one is an uncertain one."""
ANSWER_BYTES_MAX = 262_144
"""Head, body and framing; what is longer is broken off."""


class Unreachable(Exception):
    """No connection was made: certainly nothing has left."""


class Broken(Exception):
    """No whole answer came: it may have been done or not."""


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a server."""

    status: int
    headers: Mapping[bytes, bytes]
    """Names in lower case; of a repeated one the last."""
    body: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a URL leads."""

    host: str
    port: int
    tls: bool
    key: tuple[str, int, bool]
    """Of its idle connections."""
    start: bytes
    """Request line and Host."""


@lru_cache(maxsize=256)
def _place(url: str) -> _Place:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.hostname is None or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL is needed")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    port = parts.port or (443 if tls else 80)
    return _Place(
        host=parts.hostname,
        port=port,
        tls=tls,
        key=(parts.hostname, port, tls),
        start=f"POST {target} HTTP/1.1\r\nHost: {host}\r\n".encode(),
    )


class Poster:
    """A pool of connections. In the running loop; `close` ends them all."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        connections_max: int,
        connect_timeout_s: float,
        timeout_s: float,
    ) -> None:
        """`connect_timeout_s`: until there is a free or new connection; `timeout_s`: in all."""
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._room = asyncio.Semaphore(connections_max)
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._idle: dict[tuple[str, int, bool], deque[_Connection]] = {}
        self._open: set[_Connection] = set()

    async def post(self, url: str, head: bytes, body: bytes) -> Answer:
        """`head`: lines of headers, each with its end; Host and Content-Length are added.

        Raises Unreachable, Broken, TimeoutError (it may have left), ValueError (for the URL).
        """
        place = _place(url)
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (place.start, head, len(body), body)
        ends_s = self._loop.time() + self._timeout_s
        connection = await self._take(place)
        try:
            return await connection.ask(request, ends_s)
        finally:
            self._put_back(place, connection)

    def close(self) -> None:
        for connection in list(self._open):
            connection.abort()

    async def _take(self, place: _Place) -> _Connection:
        """The connection used last, or a new one; it has its room. Raises Unreachable."""
        idle = self._idle.get(place.key)
        if idle and not self._room.locked():
            await self._room.acquire()
            if (kept := self._fresh(idle)) is not None:
                return kept
            self._room.release()
        try:
            async with asyncio.timeout(min(self._connect_timeout_s, self._timeout_s)):
                await self._room.acquire()
                return await self._connect(place)
        except TimeoutError as error:
            raise Unreachable("connect timeout") from error

    def _fresh(self, idle: deque[_Connection]) -> _Connection | None:
        """Drops what was idle for too long: the oldest stand first."""
        since_s = self._loop.time() - KEEPALIVE_S
        while idle and idle[0].idle_since_s < since_s:
            idle.popleft().abort()
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, place: _Place) -> _Connection:
        """Raises Unreachable; the room is given back then."""
        tls = self._tls if place.tls else None
        try:
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self._loop, self._open), place.host, place.port, ssl=tls
            )
        except ssl.CertificateError as error:
            self._room.release()
            raise Unreachable("Certificate refused") from error
        except (OSError, UnicodeError) as error:
            self._room.release()
            raise Unreachable(type(error).__name__) from error
        except BaseException:
            self._room.release()
            raise
        return connection

    def _put_back(self, place: _Place, connection: _Connection) -> None:
        self._room.release()
        if not connection.is_reusable:
            connection.abort()
            return
        connection.idle_since_s = self._loop.time()
        self._idle.setdefault(place.key, deque()).append(connection)


class _Connection(asyncio.Protocol):
    """One connection; the parser calls its `on_...`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, everyone: set[_Connection]) -> None:
        self._loop = loop
        self._everyone = everyone
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._headed = False
        """The head of the answer has come."""
        self.idle_since_s = 0.0
        self.closed = False
        self.is_reusable = True

    async def ask(self, request: bytes, ends_s: float) -> Answer:
        """By that time of the loop's clock. Raises Broken, TimeoutError."""
        assert self._transport is not None
        if self.closed:
            raise Broken("closed before the request")
        self._waiter = self._loop.create_future()
        self.is_reusable = False
        self._transport.write(request)
        end = self._loop.call_at(ends_s, self._fail, TimeoutError())  # a third of asyncio.timeout
        try:
            return await self._waiter
        finally:
            end.cancel()
            self._waiter = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._everyone.add(self)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._waiter is None or self._size > ANSWER_BYTES_MAX:
            self._break("too long an answer")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(type(error).__name__)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.is_reusable = False
        self._everyone.discard(self)
        if self._headed and not error and not self._is_framed():
            self._answer()  # its end was the end of the body
        why = "closed without a whole answer" if error is None else type(error).__name__
        self._fail(Broken(why))

    # httptools

    def on_message_begin(self) -> None:
        if self._waiter is None or self._waiter.done():
            self._break("an answer to nothing")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._headed = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._headed:  # 1xx: the answer is still to come
            self._headers = {}
            return
        self.is_reusable = self._parser.should_keep_alive() and not self.closed
        self._answer()

    # Within

    def _is_framed(self) -> bool:
        return b"content-length" in self._headers or b"transfer-encoding" in self._headers

    def _answer(self) -> None:
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._body))
        self._headers, self._body, self._size, self._headed = {}, [], 0, False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    def _break(self, why: str) -> None:
        self.is_reusable = False
        self._fail(Broken(why))
        self.abort()

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
