"""The one table that decides: message states x events x success words (architecture D2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kodgate.core.types import Event, Reason, RefundWord, State, Step, Success

RANK = {State.QUEUED: 0, State.SENT: 1, State.DELIVERED: 2}
"""How far an open message has come; `confirmed` is reached from any of them."""

PROGRESS = {
    Event.ACCEPTED: State.SENT,
    Event.DELIVERED: State.DELIVERED,
    Event.READ: State.DELIVERED,
}
"""Good news and the open state that it proves."""

ORDER = (
    Event.ACCEPTED,
    Event.DELIVERED,
    Event.READ,
    Event.REJECTED,
    Event.UNDELIVERED,
    Event.TIMED_OUT,
)
"""Stored events are applied in this order, so that good news comes before the deadline."""

_SUCCESS_RANK = {Event.ACCEPTED: 0, Event.DELIVERED: 1, Event.READ: 2}
_SUCCESS_NEEDS = {Success.ACCEPTED: 0, Success.DELIVERED: 1, Success.READ: 2}

_REFUND_RANK = {
    RefundWord.NEVER: 0,
    RefundWord.REJECTED: 1,
    RefundWord.UNDELIVERED: 2,
    RefundWord.UNREAD: 3,
}
_REASON_RANK = {
    Reason.REJECTED: 1,
    Reason.CLOSED: 1,
    Reason.NO_ROUTE: 1,
    Reason.UNKNOWN: 1,
    Reason.UNDELIVERED: 2,
    Reason.UNREAD: 3,
}
ALWAYS_REFUNDED = frozenset({Reason.CANCELLED, Reason.DISCARDED})
"""Ends that give the money back whatever the refund word, and have no fallback."""

# A receipt `undelivered` may beat the answer, so that even `accepted` can be missed that way.
_WORST_REASON = {
    Success.ACCEPTED: Reason.UNDELIVERED,
    Success.DELIVERED: Reason.UNDELIVERED,
    Success.READ: Reason.UNREAD,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What an event does to a message in a state."""

    state: State
    reason: Reason | None = None
    """Set where the state is failed or expired."""
    reason_attempted: Reason | None = None
    """Replaces `reason` where an attempt is on record."""


_BAD_NEWS = {
    (State.QUEUED, Event.REJECTED): Cell(State.FAILED, Reason.REJECTED),
    (State.QUEUED, Event.UNDELIVERED): Cell(State.FAILED, Reason.UNDELIVERED),
    (State.QUEUED, Event.TIMED_OUT): Cell(State.FAILED, Reason.REJECTED, Reason.UNKNOWN),
    (State.SENT, Event.REJECTED): Cell(State.SENT),
    (State.SENT, Event.UNDELIVERED): Cell(State.FAILED, Reason.UNDELIVERED),
    (State.SENT, Event.TIMED_OUT): Cell(State.EXPIRED, Reason.UNDELIVERED),
    (State.DELIVERED, Event.REJECTED): Cell(State.DELIVERED),
    (State.DELIVERED, Event.UNDELIVERED): Cell(State.DELIVERED),
    (State.DELIVERED, Event.TIMED_OUT): Cell(State.EXPIRED, Reason.UNREAD),
}


def _cell(state: State, event: Event, success: Success) -> Cell:
    if state.is_final:
        return Cell(state)
    if event not in PROGRESS:
        return _BAD_NEWS[state, event]
    if _SUCCESS_RANK[event] >= _SUCCESS_NEEDS[success]:
        return Cell(State.CONFIRMED)
    return Cell(max(state, PROGRESS[event], key=RANK.__getitem__))


TABLE = {
    (state, event, success): _cell(state, event, success)
    for state in State
    for event in Event
    for success in Success
}
"""Every cell is filled: 6 states x 6 events x 3 success words."""


def step(
    state: State, event: Event, success: Success, *, attempted: bool
) -> tuple[State, Reason | None]:
    """The state that follows, and why the message ended if it did."""
    cell = TABLE[state, event, success]
    if attempted and cell.reason_attempted is not None:
        return cell.state, cell.reason_attempted
    return cell.state, cell.reason


def is_refunded(refund: RefundWord, reason: Reason) -> bool:
    """Whether a message that ended for `reason` gives the money back (D1)."""
    if reason in ALWAYS_REFUNDED:
        return True
    return _REFUND_RANK[refund] >= _REASON_RANK[reason]


def is_surely_refunded(step: Step) -> bool:
    """Whether every failure of this step gives the money back, so that no hold is needed for it."""
    return is_refunded(step.refund, _WORST_REASON[step.success])


def answers(event: Event, success: Success) -> bool:
    """Whether this event, even a late one, shows that the person has the code."""
    return event is Event.READ or (event is Event.DELIVERED and success is not Success.READ)


@lru_cache(maxsize=1024)
def tele(ttl_s: int, *, success: Success = Success.READ) -> tuple[Step, ...]:
    """Telegram only (W-6): refunded when it is not read in `ttl_s` seconds (W-19)."""
    return (
        Step(
            channel="telegram",
            wait_s=ttl_s,
            handover_s=None,
            success=success,
            refund=RefundWord.UNREAD,
        ),
    )


SMS_WAIT_S = 86_400
SMS_HANDOVER_S = 120

SMS_STEP = Step(
    channel="sms",
    wait_s=SMS_WAIT_S,
    handover_s=SMS_HANDOVER_S,
    success=Success.DELIVERED,
    refund=RefundWord.REJECTED,
)


@lru_cache(maxsize=1024)
def tele_to_sms(ttl_s: int, *, success: Success = Success.READ) -> tuple[Step, ...]:
    """Telegram first, SMS when it is not read in time (W-7, W-18..W-20)."""
    return (*tele(ttl_s, success=success), SMS_STEP)


def sms(ttl_s: int) -> tuple[Step, ...]:
    """SMS at once: for accounts that may not use Telegram, and for `missing_mode = sms`."""
    return (SMS_STEP,)


def mermaid() -> str:
    """The state diagram of the docs, drawn from the table."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event, success), cell in TABLE.items():
        if cell.state is not state:
            word = event.value
            if cell.state is State.CONFIRMED:
                word = f"{event.value} (success: {success.value})"
            words = arrows.setdefault((state, cell.state), [])
            if word not in words:
                words.append(word)
    lines = ["stateDiagram-v2", "  [*] --> queued : charged and stored"]
    for (source, target), words in arrows.items():
        plain = [w for w in words if "(" not in w]
        success_words = [w for w in words if "(" in w]
        label = ", ".join(plain) or ", ".join(success_words)
        lines.append(f"  {source.value} --> {target.value} : {label}")
    lines += [f"  {state.value} --> [*]" for state in State if state.is_final]
    return "\n".join(lines) + "\n"
