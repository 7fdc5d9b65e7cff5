"""The short way through HTTP for the form of a call that load brings; aiohttp serves all others.

A POST to a known method with a JSON body of known length is read and answered here, at a quarter of
the cost. A connection on which anything else comes is handed over for good, with what has been
read: there is one truth about odd requests, and it is not here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from kodgate.sandbox import gateway
from kodgate.sandbox.gateway import Reply
from kodgate.sandbox.telegram import BODY_MAX, Said, TelegramGateway, answer, render

HEAD_MAX = 8 * 1024

_START = re.compile(rb"POST /([A-Za-z]{1,64}) HTTP/1\.1\r\n")
_LENGTH = re.compile(r"[0-9]{1,5}")
_HEADERS = frozenset(
    {"host", "authorization", "content-type", "content-length", "accept", "accept-encoding",
     "accept-language", "user-agent"}
)  # fmt: skip
"""What changes nothing but what is read here; any other header makes a request an odd one."""


class Lane(asyncio.Protocol):
    """One connection, one call at a time; what comes early waits."""

    def __init__(
        self,
        telegram: TelegramGateway,
        otherwise: Callable[[], asyncio.Protocol],
        everyone: set[Lane],
    ) -> None:
        self._telegram = telegram
        self._otherwise = otherwise
        self._everyone = everyone
        self._buffer = b""
        self._under_way: asyncio.Future[Any] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._everyone.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._everyone.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._under_way is None:
            self._next()

    async def close(self, within_s: float) -> None:
        """Lets the call under way be answered, for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._under_way is not None:
                    await asyncio.wait({self._under_way})
        if self._under_way is not None:
            self._under_way.cancel()
        self._transport.close()

    def _next(self) -> None:
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark and len(head) <= HEAD_MAX and b"POST /"[: len(head)] == head[:6]:
            return
        start = _START.match(head)
        given = _usual(head[start.end() :]) if mark and start is not None else None
        if start is None or given is None or start[1].lower().decode() not in gateway.METHODS:
            self._hand_over()
            return
        size = int(given["content-length"])
        if len(rest) < size:
            return
        body, self._buffer = rest[:size], rest[size:]
        method, authorization = start[1].decode(), given.get("authorization", "")
        self._under_way = self._telegram.begin(method, authorization, body)
        self._under_way.add_done_callback(self._decided)

    def _decided(self, deciding: asyncio.Future[Reply]) -> None:
        self._under_way = None
        if deciding.cancelled():
            return
        if deciding.exception() is not None:
            self._transport.abort()  # the caller sees a lost answer, the loop tells of the error
        reply = deciding.result()
        if reply.is_plain:
            self._say(answer(reply))
        else:
            self._under_way = asyncio.create_task(self._say_later(reply))

    async def _say_later(self, reply: Reply) -> None:
        said = await render(reply)
        self._under_way = None
        self._say(said)

    def _say(self, said: Said | None) -> None:
        if said is None:
            self._transport.abort()
            return
        self._transport.write(_bytes_of(said))
        if self._buffer:
            self._next()

    def _hand_over(self) -> None:
        self._everyone.discard(self)
        other = self._otherwise()
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(self._buffer)


@lru_cache(256)
def _usual(lines: bytes) -> dict[str, str] | None:
    """The headers by name in lower case; None: there is something odd about them. A client sends
    the same ones again and again."""
    given: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\r\n"):
        name, colon, text = line.partition(":")
        name = name.lower()
        if not colon or name in given or name not in _HEADERS:
            return None
        given[name] = text.strip(" \t")
    length = given.get("content-length", "")
    usual = given.get("content-type") == "application/json" and "host" in given
    if not usual or not _LENGTH.fullmatch(length) or int(length) > BODY_MAX:
        return None
    return given


def _bytes_of(said: Said) -> bytes:
    head = _head(said.status, said.content_type)
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(said.body), said.body)


@lru_cache(64)
def _head(status: int, content_type: str) -> bytes:
    return (
        f"HTTP/1.1 {status} {_phrase(status)}\r\nServer: sandbox\r\n"
        f"Content-Type: {content_type}; charset=utf-8\r\n"
    ).encode("ascii")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
