"""The result table: what a message's state is called on the wire (protocol.md 4.3, 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from kodgate.core.types import Event, Message, Reason, State

CORRECTION_MS = 72 * 3_600_000
"""How long after an end `unknown` a receipt may still correct what is reported (D2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row: `id` in http_out5, `word` in the JSON service, `ru` for people."""

    id: int
    word: str
    en: str
    ru: str
    final: bool


def _row(id: int, word: str, en: str, ru: str, final: bool) -> Result:
    return Result(id=id, word=word, en=en, ru=ru, final=final)


TABLE: tuple[Result, ...] = (
    _row(1, "Unknown", "outcome unknown", "неизвестный результат", False),
    _row(2, "Ready", "ready to be sent", "готово к отправке", False),
    _row(3, "Spooled", "queued", "поставлено в очередь", False),
    _row(4, "Sent", "handed to the provider", "передано оператору", False),
    _row(5, "Rejected", "rejected by the provider", "отказано оператором", True),
    _row(6, "Delivered", "delivered", "доставлено", True),
    _row(7, "Undeliverable", "not delivered", "не доставлено", True),
    _row(8, "Enroute", "being delivered", "в процессе доставки", False),
    _row(9, "Deleted", "cancelled", "удалено пользователем", True),
    _row(10, "Expired", "time is over", "время доставки истекло", True),
    _row(11, "Delayed", "delayed", "отложено системой", False),
    _row(12, "Restricted", "direction closed", "закрытое направление", True),
    _row(13, "Unroutable", "no route", "неизвестное направление", True),
)

BY_ID = {row.id: row for row in TABLE}

OPEN = {State.QUEUED: 3, State.SENT: 4, State.DELIVERED: 8, State.CONFIRMED: 6}

ENDED = {
    ("messenger", Reason.REJECTED): 7,
    ("sms", Reason.REJECTED): 5,
    ("messenger", Reason.CLOSED): 12,
    ("sms", Reason.CLOSED): 12,
    ("messenger", Reason.NO_ROUTE): 13,
    ("sms", Reason.NO_ROUTE): 13,
    ("messenger", Reason.UNDELIVERED): 7,
    ("sms", Reason.UNDELIVERED): 7,
    ("messenger", Reason.UNREAD): 7,
    ("sms", Reason.UNREAD): 7,
    ("messenger", Reason.CANCELLED): 9,
    ("sms", Reason.CANCELLED): 9,
    ("messenger", Reason.DISCARDED): 10,
    ("sms", Reason.DISCARDED): 10,
}
"""(channel family, reason) of failed messages; `unknown` has its own rule, and an SMS whose time
is over (expired, undelivered) is 10."""

CORRECTED = {
    ("messenger", Event.ACCEPTED): 6,
    ("sms", Event.ACCEPTED): 6,
    ("messenger", Event.DELIVERED): 6,
    ("sms", Event.DELIVERED): 6,
    ("messenger", Event.READ): 6,
    ("sms", Event.READ): 6,
    ("messenger", Event.UNDELIVERED): 7,
    ("sms", Event.UNDELIVERED): 7,
    ("messenger", Event.REJECTED): 7,
    ("sms", Event.REJECTED): 5,
    ("messenger", Event.TIMED_OUT): 7,
    ("sms", Event.TIMED_OUT): 10,
}
"""(channel family, first final receipt) of messages that had ended `unknown`."""


def of(family: str, message: Message, now: int) -> Result:
    """The result that is reported for a message at an instant.

    `family`: messenger or sms. An end `unknown` reports 1 for 72 h, within which the first final
    receipt corrects it once; after that 10 (D2).
    """
    if message.corrected is not None:
        return BY_ID[CORRECTED[family, message.corrected]]
    if message.state in OPEN:
        return BY_ID[OPEN[message.state]]
    assert message.reason is not None and message.final_at is not None
    if message.reason is Reason.UNKNOWN:
        return BY_ID[1 if now - message.final_at <= CORRECTION_MS else 10]
    if message.state is State.EXPIRED and family == "sms":
        return BY_ID[10]
    return BY_ID[ENDED[family, message.reason]]


def delivered_at(message: Message) -> int | None:
    """When it was delivered in the customer's sense; None until then (D-8)."""
    if message.state is State.CONFIRMED:
        return message.final_at
    if message.corrected in (Event.ACCEPTED, Event.DELIVERED, Event.READ):
        return message.corrected_at
    return None
