"""One request and its answer: uvicorn's cycle, except that a whole answer leaves in one write."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

    from kodgate.web.asgi import Header

LENGTH = b"content-length"
MEANINGFUL = frozenset({b"connection", b"transfer-encoding"})
"""Headers that change how the connection goes on: uvicorn sees to them."""


class Cycle(RequestResponseCycle):
    """Holds the head of an answer back until its body, or the first piece of it, is there."""

    _start: dict[str, Any] | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Raises RuntimeError where the messages are not an answer."""
        if self._start is None and not self.response_started:
            if message["type"] != "http.response.start":
                raise RuntimeError("an answer begins with http.response.start")
            self._start = cast(dict[str, Any], message)
            return
        start, self._start = self._start, None
        if start is not None and not self._write_whole(start, cast(dict[str, Any], message)):
            await super().send(cast("ASGISendEvent", start))
        if start is None or not self.response_complete:
            await super().send(message)

    def _write_whole(self, start: dict[str, Any], message: dict[str, Any]) -> bool:
        """False: this answer is not a plain one with its length, and nothing was written."""
        body = message.get("body", b"")
        usual = not (self.disconnected or self.flow.write_paused or message.get("more_body"))
        if not usual or self.scope["method"] == "HEAD":
            return False
        length = b"%d" % len(body)
        lines = [STATUS_LINE[start["status"]]]
        for header in (*self.default_headers, *start["headers"]):
            if header[0] in MEANINGFUL or (header[0] == LENGTH and header[1] != length):
                return False
            lines.append(_line(header))
        if (LENGTH, length) not in start["headers"]:
            return False
        lines += (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n", body)
        self.transport.write(b"".join(lines))
        self._finish()
        return True

    def _finish(self) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


@lru_cache(maxsize=1024)
def _line(header: Header) -> bytes:
    """Raises RuntimeError for what is no header."""
    name, value = header
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("not a header")
    return b"%b: %b\r\n" % (name.lower(), value)
