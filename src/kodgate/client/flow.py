"""The course of every call as a generator: requests out, answers in. No I/O, no clock.

Both clients drive these: what is yielded is done, what came of it is sent back in. The rules of
repeating stand here alone: a request that may have been taken is never blindly sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from kodgate.client import errors
from kodgate.client.asking import Asking, Order, Question
from kodgate.client.errors import (
    ApiError,
    ConnectionFailed,
    ConnectionLost,
    Duplicate,
    KodgateError,
    NotFound,
    OutcomeUnknown,
    RequestTimeout,
    TransportError,
    Unavailable,
    UnexpectedAnswer,
    UnreadableAnswer,
    WaitTimeout,
)
from kodgate.client.results import Confirmation, PacketStatus, SentCode
from kodgate.core.requests import StatusQuery
from kodgate.wire import ApiFailure, Unreadable

T = TypeVar("T")

BACKOFF_S = 0.4
BACKOFF_MAX_S = 5.0
POLL_FIRST_S = 0.25
POLL_GROWTH = 1.5
POLL_MAX_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing is done for so long."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A status that the caller of `watch` gets to see."""

    status: PacketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No HTTP answer."""

    why: str
    never_left: bool = False
    """No connection was made."""
    timed_out: bool = False


Effect = Question[Any] | Pause
Flow = Generator[Effect, Reply | Lost | None, T]
Watch = Generator[Effect | Shown, Reply | Lost | None, None]


class Flows:
    """The courses of one client. `steady_s`: a clock that never jumps; `random`: 0 to 1."""

    def __init__(
        self,
        asking: Asking,
        *,
        retries_max: int,
        steady_s: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._asking = asking
        self._retries_max = retries_max
        self._steady_s = steady_s
        self._random = random

    def send(self, order: Order) -> Flow[SentCode]:
        """Repeated only where nothing was taken, or where the caller's own message id keeps a
        repetition from being taken twice. Raises KodgateError; OutcomeUnknown: it may be sent."""
        question = self._asking.send(order)
        if order.is_test:
            return (yield from self._read(question))
        doubt: KodgateError | None = None
        reached = False
        for number in range(self._retries_max + 1):
            if number:
                yield self._back_off(number)
            found = yield from _try(question)
            if isinstance(found, SentCode):
                return found
            error = found
            if isinstance(error, Duplicate) and reached:
                return (yield from self._first(order, error))
            if _is_open(error):
                settled = yield from self._settle(order, error)
                if isinstance(settled, SentCode):
                    return settled
                doubt = settled
            elif not _may_repeat(error):
                break
            reached = reached or not isinstance(error, ConnectionFailed)
        if doubt is None and not _is_open(error):
            raise error
        raise _unknown(order, doubt or error) from error

    def _settle(self, order: Order, lost: KodgateError) -> Flow[SentCode | KodgateError | None]:
        """What became of a send whose answer was lost, asked by the caller's own id (6.4).

        None: it never arrived. `lost` itself: this address cannot say; a repetition is safe where
        the account checks message ids. Raises OutcomeUnknown: better not sent again.
        """
        if order.user_message_id is None:
            raise _unknown(order, lost) from lost
        yield self._back_off(1)
        question = self._asking.status(StatusQuery(user_message_id=order.user_message_id))
        try:
            status = yield from self._read(question)
        except NotFound:
            return None
        except (UnexpectedAnswer, ApiError) as error:
            if error.retryable:
                raise _unknown(order, lost) from error
            return lost
        except TransportError as error:
            raise _unknown(order, lost) from error
        sent = _recovered(order, status)
        if sent is None:
            raise _unknown(order, "this message id was used for another message")
        return sent

    def _first(self, order: Order, duplicate: Duplicate) -> Flow[SentCode]:
        """The packet that error 19 points to, as the answer that was lost (D14). Raises Duplicate:
        it is another message's."""
        if duplicate.packet_id is None:
            raise duplicate
        query = StatusQuery(packet_id=duplicate.packet_id)
        try:
            status = yield from self._read(self._asking.status(query))
        except TransportError as error:
            raise _unknown(order, error) from error
        sent = _recovered(order, status)
        if sent is None:
            raise duplicate
        return sent

    def status(self, query: StatusQuery) -> Flow[PacketStatus]:
        """Raises KodgateError."""
        return self._read(self._asking.status(query))

    def balance(self) -> Flow[Decimal]:
        """What can be spent. Raises KodgateError."""
        return self._read(self._asking.balance())

    def confirm(self, query: StatusQuery, code: str) -> Flow[Confirmation]:
        """Repeated only where it was certainly not judged: tries are counted (D15). Raises
        KodgateError."""
        question = self._asking.confirm(query, code)
        for number in range(self._retries_max + 1):
            if number:
                yield self._back_off(number)
            found = yield from _try(question)
            if isinstance(found, Confirmation):
                return found
            error = found
            if _is_open(error):
                raise OutcomeUnknown(f"the code may have been judged: {error}") from error
            if not _may_repeat(error):
                break
        raise error

    def watch(self, query: StatusQuery, *, timeout_s: float) -> Watch:
        """Shows the first status and each that differs, the last one final. Failures that may pass
        are waited out. Raises WaitTimeout, other KodgateErrors at once."""
        question = self._asking.status(query)
        ends_at = self._steady_s() + timeout_s
        last: PacketStatus | None = None
        trouble: KodgateError | None = None
        for pause_s in _poll_pauses():
            found = yield from _try(question)
            if isinstance(found, PacketStatus):
                if found != last:
                    yield Shown(status=found)
                last = found
                if found.is_final:
                    return
            elif not _may_repeat(found):
                raise found
            else:
                trouble = found
            left_s = ends_at - self._steady_s()
            if left_s <= 0:
                raise WaitTimeout(last) from trouble
            yield Pause(seconds=min(left_s, pause_s * (0.8 + 0.4 * self._random())))

    def _read(self, question: Question[T]) -> Flow[T]:
        """A question that changes nothing: repeated whatever was lost."""
        for number in range(self._retries_max + 1):
            if number:
                yield self._back_off(number)
            found = yield from _try(question)
            if not isinstance(found, KodgateError):
                return found
            error = found
            if not _may_repeat(error):
                break
        raise error

    def _back_off(self, number: int) -> Pause:
        """Doubling, with jitter, so that many clients do not come back together."""
        longest = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** (number - 1))
        return Pause(seconds=longest * (0.5 + 0.5 * self._random()))


def _try(question: Question[T]) -> Flow[T | KodgateError]:
    """One request; what went wrong is returned, for the caller to judge."""
    reply = yield question
    assert reply is not None
    if isinstance(reply, Lost):
        return _lost(question, reply)
    try:
        return question.read(reply.body)
    except ApiFailure as failure:
        return errors.of(failure.number, failure.text, failure.packet_id)
    except Unreadable as unreadable:
        if 300 <= reply.status < 500 and reply.status != 408:
            return UnexpectedAnswer(f"{question.url} answered HTTP {reply.status}")
        return UnreadableAnswer(f"{question.url} answered HTTP {reply.status}: {unreadable}")


def _lost(question: Question[T], lost: Lost) -> TransportError:
    text = f"{question.url}: {lost.why}"
    if lost.never_left:
        return ConnectionFailed(text)
    return RequestTimeout(text) if lost.timed_out else ConnectionLost(text)


def _may_repeat(error: KodgateError) -> bool:
    """Lost answers, and 13 and 17; a limit on a number is not overcome by insisting."""
    return isinstance(error, TransportError | Unavailable) and error.retryable


def _is_open(error: KodgateError) -> bool:
    """The request may have been taken."""
    return isinstance(error, RequestTimeout | ConnectionLost | UnreadableAnswer)


def _unknown(order: Order, why: object) -> OutcomeUnknown:
    return OutcomeUnknown(f"the code may have been sent: {why}", order.user_message_id)


def _recovered(order: Order, status: PacketStatus) -> SentCode | None:
    """The lost answer out of a status; None: it is not the message that was ordered."""
    message = status.messages[0]
    known_code = "" if message.code.startswith("*") else message.code
    other_code = order.code and known_code and order.code != known_code
    if other_code or message.phone not in ("", order.phone):
        return None
    return SentCode(
        packet_id=status.packet_id,
        message_id=message.message_id,
        phone=order.phone,
        code=order.code or message.code,
        cost=status.cost,
        parts=message.parts,
        zone=message.zone,
        user_packet_id=order.request.user_packet_id,
        user_message_id=order.user_message_id,
        recovered=True,
    )


def _poll_pauses() -> Iterator[float]:
    pause_s = POLL_FIRST_S
    while True:
        yield pause_s
        pause_s = min(POLL_MAX_S, pause_s * POLL_GROWTH)
