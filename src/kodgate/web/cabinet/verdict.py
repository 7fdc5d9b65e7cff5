"""One sentence that tells a packet's story, for a person who knows nothing of gateways."""

from __future__ import annotations

from dataclasses import dataclass

from kodgate.core.types import Message, Reason, State
from kodgate.store import PacketRow
from kodgate.web.cabinet import words
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.words import N_


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    tone: str
    """good, bad or wait."""
    text: str


OPEN = {
    ("telegram", State.QUEUED): N_("Telegram: передаём код"),
    ("telegram", State.SENT): N_("Telegram: код отправлен, ждём прочтения до %(until)s"),
    ("telegram", State.DELIVERED): N_(
        "Telegram: код доставлен, но ещё не прочитан; ждём до %(until)s"
    ),
    ("sms", State.QUEUED): N_("SMS: передаём оператору"),
    ("sms", State.SENT): N_("SMS передано оператору, ждём отчёта о доставке"),
    ("sms", State.DELIVERED): N_("SMS доставлено"),
}

ENDED = {
    ("telegram", State.CONFIRMED): N_("Код доставлен в Telegram и прочитан через %(took)s"),
    ("sms", State.CONFIRMED): N_("SMS доставлено в %(at)s"),
    ("telegram", Reason.UNREAD): N_("Код в Telegram доставлен, но не прочитан за %(wait)s"),
    ("telegram", Reason.UNDELIVERED): N_("Telegram не смог доставить код"),
    ("telegram", Reason.REJECTED): N_("Telegram не принял код для этого номера"),
    ("sms", Reason.REJECTED): N_("Оператор не принял SMS"),
    ("sms", Reason.UNDELIVERED): N_("SMS не доставлено"),
}
"""(channel, how it ended); anything else is said by the reason's own words."""


def of(row: PacketRow, w: Writer) -> Verdict:
    """The packet's story so far, message by message."""
    if row.test:
        return Verdict(tone="good", text=w.text("Проверочный запрос: ничего не отправлено"))
    parts = [_part(row, message, w) for message in row.messages]
    text = "; ".join(parts)
    return Verdict(tone=words.TONES[row.messages[-1].state.value], text=text)


def _part(row: PacketRow, message: Message, w: Writer) -> str:
    text = _text(row, message, w)
    if message.refunded:
        text = w.text("%(what)s, деньги возвращены", what=text)
    return text


def _text(row: PacketRow, message: Message, w: Writer) -> str:
    channel = words.CHANNELS.get(message.channel, message.channel)
    if not message.state.is_final:
        found = OPEN.get((message.channel, message.state))
        if found is None:
            return f"{channel}: {w.text(words.STATES[message.state.value])}"
        return w.text(found, until=w.time(message.ends_at))
    assert message.final_at is not None
    if message.state is State.CONFIRMED:
        return _confirmed(row, message, w)
    assert message.reason is not None
    found = ENDED.get((message.channel, message.reason))
    if found is None:
        return f"{channel}: {w.text(words.REASONS[message.reason.value])}"
    return w.text(found, wait=w.duration(message.ends_at - message.created_at))


def _confirmed(row: PacketRow, message: Message, w: Writer) -> str:
    assert message.final_at is not None
    took = w.duration(message.final_at - message.created_at)
    found = ENDED.get((message.channel, message.state))
    step = row.packet.plan[message.num - 1]
    if message.channel == "telegram" and step.success != "read":
        return w.text("Код доставлен в Telegram через %(took)s", took=took)
    if found is None:
        return f"{message.channel}: {w.text(words.STATES['confirmed'])}"
    return w.text(found, took=took, at=w.time(message.final_at))
