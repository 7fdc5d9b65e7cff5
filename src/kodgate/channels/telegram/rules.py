"""What Telegram's words mean to us: events, provider money, when to send and when to look. Pure."""

from __future__ import annotations

from kodgate.channels import Delivery
from kodgate.channels.telegram.api import Status
from kodgate.core.types import Booking, BookingKind, Event

PROVIDER = "telegram"

TTL_S_MIN = 30
TTL_S_MAX = 3_600
LATE_START_MS = 5_000
"""A first send may settle this much after the message's end, not more (D9)."""

CHECKS_MAX = 2
"""Per message: a check whose answer is lost may have cost a fee (telegram.md 2.4)."""

FIRST_LOOKS_S = (1, 2, 4, 8, 15, 30)
LOOK_EVERY_S = 30
LOOKS_AFTER_END_S = (5, 60, 600, 86_400)
WRITE_OFF_MS = 86_400_000

EVENTS = {
    "sent": (Event.ACCEPTED,),
    "delivered": (Event.ACCEPTED, Event.DELIVERED),
    "read": (Event.ACCEPTED, Event.DELIVERED, Event.READ),
    "expired": (Event.ACCEPTED, Event.UNDELIVERED),
    "revoked": (),
}
"""DeliveryStatus words. An unknown word is shown in the timeline and moves nothing."""

REFUNDABLE = frozenset({"sent", "delivered", "expired"})
"""Words after which Telegram may still give the fee back: also asked for unread messages (D9)."""

SENT_REQUEST = 1
"""At most one request of a message is ever sent, so its money after the fee is booked once."""
ORPHAN = 0
"""At most one orphan fee a message."""


def events(word: str | None) -> tuple[Event, ...]:
    """No word: no message was sent with this id, as far as Telegram knows."""
    return EVENTS.get(word or "", ())


def ttl_s(ends_at: int, now: int) -> int:
    """The time left in whole seconds, within what Telegram takes: 30 to 3600."""
    return min(TTL_S_MAX, max(TTL_S_MIN, (ends_at - now) // 1000))


def settles_at(ends_at: int, now: int) -> int:
    """When Telegram gives up a message that is sent now."""
    return now + ttl_s(ends_at, now) * 1000


def in_time(ends_at: int, now: int) -> bool:
    """Whether a send may still start at `now`."""
    return settles_at(ends_at, now) <= ends_at + LATE_START_MS


def fee(amount: int, *, claim: int) -> tuple[Booking, ...]:
    """The price of a positive check, once a claim."""
    return _book(BookingKind.FEE, amount, claim)


def orphan_fee(amount: int) -> tuple[Booking, ...]:
    """A check was answered to nobody: it may have cost this much."""
    return _book(BookingKind.ORPHAN_FEE, amount, ORPHAN)


def later_money(
    status: Status, amount: int, *, ended: bool = False, overdue: bool = False
) -> tuple[Booking, ...]:
    """What a look at a sent message says of its fee. `ended`: it has ended, undelivered so far.

    Owed back: Telegram says expired, or our end has passed and it is still only `sent`. Booked as
    a refund when `is_refunded` is seen and only then. Written off when it never came (`overdue`),
    or when the message arrived after its end after all.
    """
    owed = status.word == "expired" or (ended and status.word == "sent")
    arrived_late = ended and status.word in {"delivered", "read"}
    if status.word is None or not (owed or arrived_late or status.refunded):
        return ()
    kinds = [BookingKind.RECEIVABLE]
    if status.refunded:
        kinds.append(BookingKind.REFUND)
    elif overdue or arrived_late:
        kinds.append(BookingKind.WRITE_OFF)
    return tuple(b for kind in kinds for b in _book(kind, amount, SENT_REQUEST))


def _book(kind: BookingKind, amount: int, attempt: int) -> tuple[Booking, ...]:
    """A message to oneself costs nothing, and nothing is not booked."""
    if amount == 0:
        return ()
    return (Booking(kind=kind, provider=PROVIDER, amount=amount, attempt=attempt),)


def next_look(delivery: Delivery, now: int) -> int | None:
    """The next poll of an open message, counted from its creation; None: the deadline's own poll
    comes first."""
    age_ms = now - delivery.created_at
    ages = (s * 1000 for s in FIRST_LOOKS_S if s * 1000 > age_ms)
    every = LOOK_EVERY_S * 1000
    at = delivery.created_at + next(ages, (age_ms // every + 1) * every)
    return before_decision(delivery, at)


def before_decision(delivery: Delivery, at: int) -> int | None:
    """The poll at the deadline is the engine's own, so none is planned after it."""
    if not delivery.final and delivery.decide_at is not None and at >= delivery.decide_at:
        return None
    return at


def look_after_end(final_at: int | None, now: int) -> int | None:
    """The next poll about the fee of a message that has ended; None: that was the last one."""
    if final_at is None:
        return now + LOOKS_AFTER_END_S[0] * 1000
    ends = (final_at + s * 1000 for s in LOOKS_AFTER_END_S)
    return next((at for at in ends if at > now), None)


def look_without_answer(delivery: Delivery, now: int, *, last: bool) -> int | None:
    """The next poll where this one was not answered; the last one is repeated for a day."""
    if not (delivery.final or last):
        return next_look(delivery, now)
    at = look_after_end(delivery.final_at, now)
    if at is None and delivery.final_at is not None and now - delivery.final_at < 2 * WRITE_OFF_MS:
        return now + LOOKS_AFTER_END_S[-2] * 1000
    return at


def is_overdue(delivery: Delivery, now: int) -> bool:
    """A day after the end, what is owed is written off."""
    return delivery.final_at is not None and now - delivery.final_at >= WRITE_OFF_MS
