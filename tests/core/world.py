"""The world around one packet, for the explorer: time, what providers say, what still matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from kodgate.core.types import (
    Booking,
    BookingKind,
    Event,
    Message,
    Observation,
    Packet,
    Reason,
    State,
)

from .kit import NOW

TICK = 2_000
"""One step of time; the rules' own grace is one tick."""
TTL = 2 * TICK
"""The provider's own end, after a send."""

Reports = dict[int, dict[str, tuple[Event, ...]]]

TELEGRAM_REPORTS: Reports = {
    0: {},
    1: {"sent": (Event.ACCEPTED,)},
    2: {"sent": (Event.ACCEPTED,), "delivered": (Event.DELIVERED,)},
    3: {"sent": (Event.ACCEPTED,), "delivered": (Event.DELIVERED,), "read": (Event.READ,)},
    4: {"sent": (Event.ACCEPTED,), "gave_up": (Event.ACCEPTED, Event.UNDELIVERED)},
}
"""What Telegram may report, at any later time and any number of times, by how far it has come."""

TELEGRAM_MOVES = {1: (2, 4), 2: (3,)}
"""sent -> delivered -> read, or sent -> expired."""

SMS_REPORTS: Reports = {
    0: {},
    1: {
        "sent": (Event.ACCEPTED,),
        "delivered": (Event.ACCEPTED, Event.DELIVERED),
        "gave_up": (Event.ACCEPTED, Event.UNDELIVERED),
        "too_late": (Event.ACCEPTED, Event.TIMED_OUT),
    },
}
"""An SMSC that took it may send any receipt, contradictory ones too."""

REPORT_NAMES = {"sent", "delivered", "read", "gave_up", "too_late", "look", "deadline"}

REPORTS = {"telegram": TELEGRAM_REPORTS, "sms": SMS_REPORTS}
MOVES: dict[str, dict[int, tuple[int, ...]]] = {"telegram": TELEGRAM_MOVES, "sms": {}}


LATE_WORDS = {
    "telegram": (
        *("sent", "delivered", "read", "gave_up", "look", "poll:0", "poll:2", "poll:3", "poll:4"),
        *("accepted", "rejected", "later", "retry", "poll", "deadline"),
    ),
    "sms": (
        *("sent", "delivered", "gave_up", "too_late", "look", "poll:0", "deadline"),
        *("accepted", "rejected", "later", "retry", "poll", "nothing"),
    ),
}
"""All that may be heard of a message that has ended."""


class Core(NamedTuple):
    """What a database holds of the packet."""

    packet: Packet
    messages: tuple[Message, ...]
    moves: tuple[tuple[str, int | None, int], ...]
    """Customer transfers so far: kind, message number, what it did to the balance."""
    given: tuple[int, ...]
    """Epochs of the open message whose claim was given back."""


def observation(message: Message, name: str, epoch: int | None) -> Observation:
    """What a worker, a provider or the clock says, by its name here."""
    kind, _, rest = name.partition(":")
    reports = REPORTS[message.channel]
    telegram = message.channel == "telegram"
    if kind in ("deadline", "poll"):
        events = tuple(e for es in reports[int(rest[:1] or 0)].values() for e in es)
        last = (Event.TIMED_OUT,) if kind == "deadline" else ()
        retry = NOW if rest.endswith("retry") else None
        open_poll = kind == "poll" and not message.state.is_final and retry is None
        return Observation(
            at=NOW,
            source=kind,
            events=(*last, *events),
            retry_at=retry,
            poll_at=NOW + TICK if open_poll else None,
        )
    if kind == "look":
        return Observation(at=NOW, source="callback", poll_at=NOW)
    for events_by_name in reports.values():
        if kind in events_by_name:
            return Observation(at=NOW, source="receipt", events=events_by_name[kind])
    known = message.settles_at is not None and message.provider_id is not None
    provider_id = message.provider_id if known else f"p{epoch}"
    answers: dict[str, dict[str, Any]] = {
        "prepare": {
            "source": "prepare",
            "provider_id": provider_id,
            "settles_at": NOW + TTL,
            "bookings": (
                Booking(kind=BookingKind.FEE, provider="telegram", amount=1, attempt=epoch or 0),
            ),
        },
        "accepted": {
            "events": (Event.ACCEPTED,),
            "provider_id": provider_id if telegram else f"p{epoch}",
            "poll_at": NOW + TICK if telegram else None,
        },
        "rejected": {"events": (Event.REJECTED,)},
        "later": {"later_at": NOW + TICK},
        "retry": {"retry_at": NOW},
        "poll": {"poll_at": NOW + TICK},
        "nothing": {},
    }
    return Observation(at=NOW, epoch=epoch, **({"source": "send"} | answers[kind]))


def older(message: Message) -> Message:
    """The message one tick later: all its instants are one tick further in the past."""
    if message.state.is_final:
        return message

    def shift(instant: int | None) -> int | None:
        return None if instant is None else instant - TICK

    return replace(
        message,
        ends_at=message.ends_at - TICK,
        handover_at=shift(message.handover_at),
        decide_at=shift(message.decide_at),
        due_at=shift(message.due_at),
        lease_until=shift(message.lease_until),
        settles_at=shift(message.settles_at),
    )


def canonical(core: Core) -> Core:
    """Without what no rule looks at any more."""
    packet = core.packet
    packet = replace(
        packet,
        answered_at=_blank(packet.answered_at),
        confirmed_at=_blank(packet.confirmed_at),
    )
    *earlier, newest = core.messages
    messages = (*(_canonical_past(m) for m in earlier), _canonical_message(newest))
    given = () if newest.state.is_final else core.given
    return Core(packet, messages, core.moves, given)


def _canonical_past(message: Message) -> Message:
    """An ended message before the newest: all that still counts is whether it was refunded."""
    message = _canonical_message(message)
    end = (State.FAILED, Reason.REJECTED) if message.refunded else (State.EXPIRED, Reason.UNREAD)
    return replace(
        message,
        state=end[0],
        reason=end[1],
        attempts=0,
        provider_id=None,
        delivered_at=None,
        corrected=None,
        corrected_at=None,
        due_at=None,
        task=None,
    )


def _canonical_message(message: Message) -> Message:
    message = replace(
        message,
        created_at=NOW,
        delivered_at=_blank(message.delivered_at),
        corrected_at=_blank(message.corrected_at),
        final_at=_blank(message.final_at),
        due_at=None if message.due_at is None else max(message.due_at, NOW),
    )
    if message.state.is_final:
        return replace(
            message,
            ends_at=NOW,
            handover_at=None,
            due_at=_blank(message.due_at),
            epoch=0,
            attempts=min(message.attempts, 1),
            provider_id=None if message.provider_id is None else "p",
            settles_at=None,
        )
    if message.state is not State.QUEUED:
        return replace(message, handover_at=None)
    return message


def _blank(instant: int | None) -> int | None:
    return None if instant is None else NOW
