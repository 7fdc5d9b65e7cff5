"""What the calls return: frozen values; money as `Decimal`, instants aware of their zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from kodgate.core import money, requests
from kodgate.core.results import Result
from kodgate.wire.json_service import Accepted

DELIVERED = 6
"""`result_id` of a message that did its work."""
ON_THE_PHONE = 8
HANDED_OVER = 4

CHANNELS = {"telegram": "Telegram", "sms": "SMS"}


class Until(StrEnum):
    """How far `wait` follows a packet; one that is final ends every wait."""

    SENT = "sent"
    """A provider has taken it."""
    DELIVERED = "delivered"
    """It is on the phone, though perhaps not read."""
    FINAL = "final"


class Verdict(StrEnum):
    """What a typed code came to."""

    RIGHT = "right"
    WRONG = "wrong"
    USED = "used"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCode:
    """A code that was accepted. Its repr shows neither the code nor the phone."""

    packet_id: int
    message_id: int
    phone: str = field(repr=False)
    code: str = field(repr=False)
    cost: Decimal
    parts: int = 1
    zone: int | None = None
    """None: the JSON service does not tell it."""
    balance_before: Decimal | None = None
    balance_after: Decimal | None = None
    user_packet_id: str | None = None
    user_message_id: str | None = None
    recovered: bool = False
    """The answer was lost, and this was looked up; `cost` is then what the packet costs so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """One channel's message of a packet."""

    num: int
    """1 for the first channel, 2 for its fallback."""
    message_id: int
    channel: str | None
    """telegram, sms; None: the HTTP interface does not tell it."""
    phone: str = field(repr=False)
    code: str = field(repr=False)
    """Stars once its retention is over."""
    result: Result
    delivered_at: datetime | None
    cost: Decimal
    """What it costs after all: 0 once refunded."""
    parts: int = 1
    zone: int | None = None

    @property
    def is_final(self) -> bool:
        return self.result.final

    @property
    def is_delivered(self) -> bool:
        return self.result.id == DELIVERED

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        name = CHANNELS.get(self.channel or "", self.channel or f"Message {self.num}")
        at = f" at {self.delivered_at:%Y-%m-%d %H:%M:%S %Z}" if self.delivered_at else ""
        if self.is_final and not self.is_delivered and not self.cost:
            return f"{name}: {self.result.en}, nothing charged."
        return f"{name}: {self.result.en}{at}, {self.cost} charged."


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketStatus:
    """Where a packet is. Asked by message id, it holds that message only."""

    packet_id: int
    messages: tuple[MessageStatus, ...]
    """In the order of the cascade, never empty."""
    user_message_id: str | None = None

    @property
    def newest(self) -> MessageStatus:
        """The last message of the cascade so far: the packet's state is its state."""
        return self.messages[-1]

    @property
    def result(self) -> Result:
        return self.newest.result

    @property
    def is_final(self) -> bool:
        return self.newest.is_final

    @property
    def is_delivered(self) -> bool:
        return self.newest.is_delivered

    @property
    def delivered_at(self) -> datetime | None:
        return self.newest.delivered_at

    @property
    def channel(self) -> str | None:
        return self.newest.channel

    @property
    def cost(self) -> Decimal:
        """What the packet costs after all refunds."""
        return sum((message.cost for message in self.messages), Decimal("0.00"))

    @property
    def verdict(self) -> str:
        """What happened, in one sentence a message."""
        return " ".join(message.verdict for message in self.messages)

    def has_reached(self, until: Until) -> bool:
        """Whether a wait `until` this is over."""
        return self.is_final or self.result.id in _REACHED[until]

    def __str__(self) -> str:
        return self.verdict


_REACHED: dict[Until, tuple[int, ...]] = {
    Until.SENT: (HANDED_OVER, ON_THE_PHONE),
    Until.DELIVERED: (ON_THE_PHONE,),
    Until.FINAL: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What `confirm` came to; true where the code was right."""

    verdict: Verdict
    packet_id: int | None = None
    """Known where the code was right."""

    def __bool__(self) -> bool:
        return self.verdict is Verdict.RIGHT


def currency(amount: int) -> Decimal:
    """1/10,000 -> currency units, with two decimals or as many as are needed."""
    return Decimal(money.text(amount, money.decimals(amount)))


def from_http(sent: requests.Sent, user_message_id: str | None) -> SentCode:
    """The HTTP interface does not echo the message id: the caller's own is put in."""
    message = sent.messages[0]
    return SentCode(
        packet_id=sent.packet_id,
        message_id=message.message_id,
        phone=message.phone,
        code=message.code,
        cost=currency(message.cost),
        parts=message.parts,
        zone=message.zone,
        balance_before=currency(sent.balance_before),
        balance_after=currency(sent.balance_after),
        user_packet_id=sent.user_packet_id,
        user_message_id=user_message_id,
    )


def from_json(sent: Accepted) -> SentCode:
    return SentCode(
        packet_id=sent.packet_id,
        message_id=sent.message_id,
        phone=sent.phone,
        code=sent.code,
        cost=currency(sent.cost),
        parts=sent.parts,
        user_message_id=sent.user_message_id,
    )


def from_wire(status: requests.PacketStatus, timezone: ZoneInfo) -> PacketStatus:
    return PacketStatus(
        packet_id=status.packet_id,
        messages=tuple(_message(message, timezone) for message in status.messages),
        user_message_id=status.user_message_id,
    )


def _message(message: requests.MessageStatus, timezone: ZoneInfo) -> MessageStatus:
    at = message.delivered_at
    return MessageStatus(
        num=message.num,
        message_id=message.message_id,
        channel=message.channel or None,
        phone=message.phone,
        code=message.code,
        result=message.result,
        delivered_at=None if at is None else datetime.fromtimestamp(at / 1000, timezone),
        cost=currency(message.cost),
        parts=message.parts,
        zone=message.zone or None,
    )
