"""One connection: bytes to PDUs, answers to the requests that wait for them, time limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from kodgate.channels.smpp.names import Status
from kodgate.channels.smpp.pdu import (
    RESPONSES,
    FrameError,
    Framer,
    Garbled,
    GenericNack,
    Pdu,
    encode,
    is_response,
    next_sequence,
)

GARBLED_MAX = 3
"""Unreadable PDUs that are answered with a nack; the next one resets the connection (S-97)."""

LATE_MAX = 10_000
"""Requests whose answer is still listened for after its time."""


class NotSent(Exception):
    """The request was certainly not written."""


class Unanswered(Exception):
    """The request was written, and whether it was taken is not known."""


class Unfit(Exception):
    """The request cannot be written at all: a value does not fit its field."""


class _Waiting:
    """A request on its way."""

    __slots__ = ("command", "future", "late", "timer")

    def __init__(
        self, command: int, future: asyncio.Future[Pdu], late: Callable[[Pdu], None] | None
    ) -> None:
        self.command = command
        self.future = future
        self.late = late
        self.timer: asyncio.TimerHandle | None = None


class Session(asyncio.Protocol):
    """An ESME's end of a connection; whoever makes it binds it.

    `on_request(session, pdu)` gets what the peer asks (never answers); it must not block.
    """

    def __init__(self, on_request: Callable[[Session, Pdu], None], *, answer_timeout_s: float):
        self._on_request = on_request
        self._answer_timeout_s = answer_timeout_s
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._sequence = 0
        self._waiting: dict[int, _Waiting] = {}
        self._late: dict[int, _Waiting] = {}
        self._garbled = 0
        self._held = self._unread = False
        self._loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        self.suspect = asyncio.Event()
        """Set when an answer did not come in time: the link ought to be checked now."""
        self.why = ""
        """Why it was closed."""
        self.heard_at = self._loop.time()
        """When the peer last sent something, on the loop's clock."""
        self.strays = 0
        """Answers that nothing waited for."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            for pdu in self._framer.feed(data):
                self._take(pdu)
        except FrameError as error:
            for pdu in error.before:
                self._take(pdu)
            self.send(GenericNack(sequence=0, status=Status.ESME_RINVCMDLEN))
            self.close(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.why = self.why or (type(exc).__name__ if exc else "closed by the peer")
        self._fail(self.why)

    def pause_writing(self) -> None:
        """A peer that does not read what we answer is not read either."""
        self._unread = True
        self._read_on()

    def resume_writing(self) -> None:
        self._unread = False
        self._read_on()

    # For the link

    @property
    def is_open(self) -> bool:
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and not self.closed.is_set()
        )

    @property
    def under_way(self) -> tuple[asyncio.Future[Pdu], ...]:
        """The requests that wait for an answer."""
        return tuple(waiting.future for waiting in self._waiting.values())

    def next_sequence(self) -> int:
        self._sequence = next_sequence(self._sequence)
        return self._sequence

    def send(self, pdu: Pdu) -> bool:
        """Writes a PDU for which no answer is awaited; False: the connection is gone."""
        if not self.is_open:
            return False
        assert self._transport is not None
        self._transport.write(encode(pdu))
        return True

    async def request(self, pdu: Pdu, *, late: Callable[[Pdu], None] | None = None) -> Pdu:
        """Writes a request and waits for its answer, or for a generic_nack of it.

        `late` gets an answer that comes after the time limit. Raises NotSent, Unanswered, Unfit.
        """
        try:
            written = self.send(pdu)
        except ValueError as error:
            raise Unfit(str(error)) from None
        if not written:
            raise NotSent(self.why or "not connected")
        waiting = _Waiting(pdu.command, self._loop.create_future(), late)
        waiting.timer = self._loop.call_later(self._answer_timeout_s, self._expire, pdu.sequence)
        self._waiting[pdu.sequence] = waiting
        try:
            return await waiting.future
        finally:
            waiting.timer.cancel()
            if self._waiting.get(pdu.sequence) is waiting:
                del self._waiting[pdu.sequence]

    def close(self, why: str) -> None:
        """Flushes what is written and closes; what waits for an answer is Unanswered."""
        self.why = self.why or why
        if self._transport is not None:
            self._transport.close()
        self._fail(self.why)

    def abort(self, why: str) -> None:
        """Closes at once, for a peer that does not listen any more."""
        self.why = self.why or why
        if self._transport is not None:
            self._transport.abort()
        self._fail(self.why)

    def pause_reading(self, paused: bool) -> None:
        """Lets the peer wait, by TCP, until what it sent is dealt with."""
        self._held = paused
        self._read_on()

    def _read_on(self) -> None:
        if not self.is_open or self._transport is None:
            return
        reads, shall = self._transport.is_reading(), not (self._held or self._unread)
        if reads and not shall:
            self._transport.pause_reading()
        elif shall and not reads:
            self._transport.resume_reading()

    def _take(self, pdu: Pdu) -> None:
        if isinstance(pdu, Garbled):
            self._refuse(pdu)
        elif is_response(pdu):
            self._answer(pdu)
        else:
            self._on_request(self, pdu)

    def _refuse(self, pdu: Garbled) -> None:
        waiting = self._waiting.get(pdu.sequence) if is_response(pdu) else None
        if waiting is not None and not waiting.future.done():
            # An answer that cannot be read: the request was taken, or not.
            waiting.future.set_exception(Unanswered(pdu.why))
        if not is_response(pdu):
            self.send(GenericNack(sequence=pdu.sequence, status=pdu.answer))
        self._garbled += 1
        if self._garbled > GARBLED_MAX:
            self.close(f"unreadable PDUs, the last: {pdu.why}")

    def _answer(self, pdu: Pdu) -> None:
        waiting = self._waiting.get(pdu.sequence) or self._late.get(pdu.sequence)
        if waiting is None or not _fits(waiting.command, pdu):
            self.strays += 1
            return
        if self._late.pop(pdu.sequence, None) is not None:
            if waiting.late is not None:
                waiting.late(pdu)
        elif not waiting.future.done():
            waiting.future.set_result(pdu)

    def _expire(self, sequence: int) -> None:
        waiting = self._waiting.pop(sequence, None)
        if waiting is None or waiting.future.done():
            return
        if waiting.late is not None:
            self._late[sequence] = waiting
            if len(self._late) > LATE_MAX:
                del self._late[next(iter(self._late))]
        self.suspect.set()
        waiting.future.set_exception(Unanswered("no answer in time"))

    def _fail(self, why: str) -> None:
        """Nothing that was written can be answered any more."""
        self.closed.set()
        for waiting in self._waiting.values():
            if not waiting.future.done():
                waiting.future.set_exception(Unanswered(why))
        self._late.clear()


def _fits(command: int, answer: Pdu) -> bool:
    return isinstance(answer, GenericNack | RESPONSES[command])
