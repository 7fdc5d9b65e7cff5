"""The short way through HTTP for the form of a call that load brings; aiohttp serves all others.

A POST to a known method with a JSON body of known length is read and answered here, at a quarter of
the cost. A connection on which anything else comes is handed over for good, with what has been
read: there is one truth about odd requests, and it is not here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus

from kodgate.sandbox import gateway
from kodgate.sandbox.telegram import BODY_MAX, Said, TelegramGateway

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
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._everyone.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._everyone.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    async def close(self, within_s: float) -> None:
        """Lets the call under way be answered, for so long."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
            self._task.cancel()
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
        answering = self._answer(start[1].decode(), given.get("authorization", ""), body)
        self._task = asyncio.create_task(answering)

    async def _answer(self, method: str, authorization: str, body: bytes) -> None:
        try:
            said = await self._telegram.told(method, authorization, body)
        except BaseException:  # told by the loop; the caller sees a lost answer
            self._transport.abort()
            raise
        self._task = None
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


def _usual(lines: bytes) -> dict[str, str] | None:
    """The headers by name in lower case; None: there is something odd about them."""
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
    head = (
        f"HTTP/1.1 {said.status} {_phrase(said.status)}\r\nContent-Type: {said.content_type};"
        f" charset=utf-8\r\nContent-Length: {len(said.body)}\r\nServer: sandbox\r\n\r\n"
    )
    return head.encode("ascii") + said.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
