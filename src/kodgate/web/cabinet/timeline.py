"""A packet's story in steps: what happened, when, and what it did to the money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kodgate.core.types import Message
from kodgate.store import LedgerEntry, PacketRow, TimelineEntry
from kodgate.web.cabinet import words
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.words import N_

SEEN = "seen"
"""The provider said what was known already: polls, repeated reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    at: int
    tone: str
    what: str
    more: tuple[str, ...] = ()
    detail: str = ""
    """The provider's own words, secrets removed."""
    amount: int | None = None
    balance_after: int | None = None


WORDS = {
    "sent": ("info", N_("%(channel)s: передано")),
    "delivered": ("wait", N_("%(channel)s: доставлено на телефон")),
    "confirmed": ("good", N_("%(channel)s: доставлено")),
    "failed": ("bad", N_("%(channel)s: не доставлено")),
    "expired": ("bad", N_("%(channel)s: время вышло")),
    "fallback": ("info", N_("Переотправка: %(channel)s, новое сообщение")),
    "cancelled": ("bad", N_("%(channel)s: отменено, код уже введён или прочитан")),
    "discarded": ("bad", N_("%(channel)s: снято оператором шлюза")),
    "late": ("info", N_("%(channel)s: пришло после конца, на деньги не влияет")),
    "corrected": ("info", N_("%(channel)s: поставщик уточнил результат")),
    "confirmed_late": ("info", N_("Код введён верно, но с опозданием")),
    SEEN: ("info", N_("%(channel)s: ответ поставщика")),
}

_ORDER = {
    "fallback": 0,
    "charge": 1,
    "refund": 4,
    "expired": 3,
    "failed": 3,
    "confirmed": 3,
    "discarded": 3,
}
"""Of what happened in one transaction; everything else stands between."""


def steps(
    row: PacketRow,
    events: Sequence[TimelineEntry],
    entries: Sequence[LedgerEntry],
    w: Writer,
) -> tuple[list[Step], list[Step]]:
    """(the story, what the provider repeated), each in order."""
    story = [((row.created_at, 0, 0, 0), _accepted(row, w))]
    repeated = []
    by_num = {message.num: message for message in row.messages}
    for place, event in enumerate(events):
        step = _of_event(row, event, by_num, w)
        if event.word == SEEN:
            repeated.append(step)
        else:
            story.append(((event.at, event.num, _ORDER.get(event.word, 2), place), step))
    numbers = {message.id: message.num for message in row.messages}
    for place, entry in enumerate(entries):
        num = numbers.get(entry.message_id, 0)
        key = (entry.at, num, _ORDER.get(entry.kind, 2), place)
        story.append((key, _of_entry(entry, by_num.get(num), w)))
    return [step for _, step in sorted(story, key=lambda pair: pair[0])], repeated


def _accepted(row: PacketRow, w: Writer) -> Step:
    more = [w.text("протокол %(name)s", name=row.dialect), row.caller_ip]
    if row.user_message_id is not None:
        more.append(w.text("свой ID %(id)s", id=row.user_message_id))
    return Step(at=row.created_at, tone="good", what=w.text("Запрос принят"), more=tuple(more))


def _of_event(row: PacketRow, event: TimelineEntry, by_num: dict[int, Message], w: Writer) -> Step:
    tone, text = WORDS.get(event.word, ("info", event.word))
    message = by_num.get(event.num)
    channel = "" if message is None else words.CHANNELS.get(message.channel, message.channel)
    what = w.text(text, channel=channel)
    if event.word == "confirmed" and message is not None and message.channel == "telegram":
        what = w.text("%(channel)s: прочитано", channel=channel)
    more = [w.text(words.SOURCES.get(event.source, event.source))]
    if event.word in ("failed", "expired") and message is not None and message.reason is not None:
        more.insert(0, w.text(words.REASONS[message.reason.value]))
    if event.word in ("sent", "fallback") and message is not None:
        more.append(w.text("сообщение %(id)s", id=message.id))
        if event.word == "sent" and message.provider_id is not None:
            more.append(w.text("ID у поставщика %(id)s", id=message.provider_id))
    return Step(at=event.at, tone=tone, what=what, more=tuple(more), detail=event.detail)


def _of_entry(entry: LedgerEntry, message: Message | None, w: Writer) -> Step:
    channel = "" if message is None else words.CHANNELS.get(message.channel, message.channel)
    kind = w.text(words.KINDS.get(entry.kind, entry.kind))
    return Step(
        at=entry.at,
        tone="money",
        what=f"{kind[:1].upper()}{kind[1:]}: {channel}",
        amount=entry.amount,
        balance_after=entry.balance_after,
    )
