"""What customers ask and what they are told, free of any dialect's spelling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kodgate.core.errors import ErrorCode
from kodgate.core.results import Result
from kodgate.core.values import quick

TTL_MIN_S = 30
TTL_MAX_S = 36_000
TTL_DEFAULT_S = 300
SIMULATED_PHONES_MAX = 10


class Mode(StrEnum):
    """Which cascade is asked for."""

    TELE = "tele"
    TELE_TO_SMS = "tele_to_sms"
    SMS = "sms"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """As they came; empty text: missing. `password` never reaches a log."""

    login: str
    password: str
    in_query: bool
    """They stood in the URL: an account may forbid that."""

    def __repr__(self) -> str:
        return f"Credentials(login={self.login!r})"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """One code to one phone, checked and normalised."""

    phone: str
    """E.164 digits."""
    mode: Mode
    ttl_s: int = TTL_DEFAULT_S
    code: str | None = None
    """None: ours to generate (W-23)."""
    user_packet_id: str | None = None
    user_message_id: str | None = None
    test: bool = False
    """test=1 (W-14)."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """test=-1 (W-15): nothing is looked up, stored or sent."""

    phones: tuple[str, ...]
    """1 to 10, normalised."""
    code: str | None
    user_packet_id: str | None = None
    user_message_id: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuery:
    """Which packet or message is asked for; the first that is set counts: packet, message, user's
    message id (W-48, O-17)."""

    packet_id: int | None = None
    message_id: int | None = None
    user_message_id: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmRequest:
    """The code that the person typed (D15)."""

    query: StatusQuery
    code: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    message_id: int
    phone: str
    code: str
    zone: int
    cost: int
    parts: int = 1


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request was accepted. `messages` holds one message, or one a number with test=-1."""

    packet_id: int
    messages: tuple[SentMessage, ...]
    balance_before: int
    balance_after: int
    caller_ip: str
    user_packet_id: str | None = None
    user_message_id: str | None = None

    @property
    def packet_cost(self) -> int:
        return sum([message.cost for message in self.messages])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request was not accepted: what a dialect needs to say so."""

    error: ErrorCode
    caller_ip: str
    packet_id: int | None = None
    """With error 19: the first packet's."""
    balance: int | None = None
    """Printed only where `error.shows_balance` (O-28); with error 3 it is what can be spent."""
    user_message_id: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    num: int
    message_id: int
    channel: str
    phone: str
    code: str
    """Stars after the code's retention."""
    zone: int
    result: Result
    delivered_at: int | None
    """Business-clock milliseconds; printed in the account's time zone."""
    cost: int
    """What the customer paid and keeps paying: 0 once refunded."""
    parts: int = 1


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PacketStatus:
    """The answer to a status query."""

    packet_id: int
    messages: tuple[MessageStatus, ...]
    """All messages of the packet, or the one that was asked for by its id."""
    asked: MessageStatus
    """The message asked for, or the newest of the packet."""
    caller_ip: str
    user_packet_id: str | None = None
    user_message_id: str | None = None

    @property
    def packet_cost(self) -> int:
        return sum([message.cost for message in self.messages])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A confirm was right."""

    packet_id: int
    user_message_id: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Answer of `http_credit`: what can be spent."""

    spendable: int
