"""An account and its settings: what the cabinet's Security and Compatibility pages hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kodgate.core.ledger import Funds
from kodgate.core.money import SCALE
from kodgate.core.pumping import AntiPumping
from kodgate.core.types import FallbackFunds, Success


class AccountStatus(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"


class MissingMode(StrEnum):
    """What a request without `mode` means (D-9): the document says it is mandatory."""

    REJECT = "reject"
    TELE = "tele"
    TELE_TO_SMS = "tele_to_sms"
    SMS = "sms"


class TxtStyle(StrEnum):
    """`kodgate`: `key = value` (read by every known client); `seed`: `key=value`, as printed."""

    KODGATE = "kodgate"
    SEED = "seed"


class Charset(StrEnum):
    UTF_8 = "utf-8"
    CP1251 = "cp1251"


class DecimalSeparator(StrEnum):
    """`seed`: as the document shows it (O-4); otherwise one sign everywhere."""

    SEED = "seed"
    COMMA = "comma"
    POINT = "point"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Each field is one setting of an account; its docstring is its line in the docs."""

    missing_mode: MissingMode = MissingMode.REJECT
    """What a request without `mode` is taken for: reject, tele, tele_to_sms, sms."""
    txt_style: TxtStyle = TxtStyle.KODGATE
    """Shape of the txt answers: kodgate (`key = value`) or seed (`key=value`)."""
    charset: Charset = Charset.UTF_8
    """Charset of the txt answers: utf-8 or cp1251."""
    decimal_separator: DecimalSeparator = DecimalSeparator.SEED
    """Of money on the wire: seed (comma or point as documented), comma, point."""
    emit_message_text: bool = False
    """Adds the key `message_text` that the document's table names (O-6)."""
    accept_user_packet_id: bool = False
    """Status by the caller's own packet id where no system id fits (O-13)."""
    unique_message_ids: bool = False
    """The uniqueness check of message_id (W-12): a repeat is error 19."""
    unique_days: int = 7
    """How many days the uniqueness check looks back, 1..365."""
    code_length: int = 6
    """Digits of a generated code, 4..8."""
    timezone: str = "Europe/Moscow"
    """IANA zone of `delivered_date`, which says none itself."""
    telegram_success: Success = Success.READ
    """What counts as success in Telegram: read (the document's rule) or delivered."""
    telegram_allowed: bool = True
    """No: this sender may not use foreign messengers; tele_to_sms starts at SMS, tele is 109."""
    fallback_funds: FallbackFunds = FallbackFunds.RESERVE
    """reserve: the dearest path is held at accept; overdraft: a fallback may pass the limit."""
    sender: str = ""
    """The registered SMS sender name; empty: `to_sms=1` answers 23."""
    template: str = ""
    """SMS text, one part, with `{code}` exactly once."""
    http_enabled: bool = True
    """No: every request over HTTP answers 5."""
    ip_allow: tuple[str, ...] = ()
    """Addresses or networks that may call; empty: all."""
    post_only: bool = False
    """Refuse credentials in the query string."""
    code_retention_s: int = 86_400
    """How long after the packet's end its code can still be read, 0..2592000 seconds."""
    packets_per_phone_10min: int = 0
    """At most so many packets to one phone in ten minutes (error 24); 0: no limit."""
    packets_per_phone_day: int = 0
    """At most so many packets to one phone in a day (error 24); 0: no limit."""
    packets_per_ip_10min: int = 0
    """At most so many packets asked for by one address in ten minutes (error 24), counted by each
    process; 0: no limit."""
    zones_allowed: tuple[str, ...] = ()
    """Tariff zones that may be sent to, others are 109; empty: all that have a price."""
    prefixes_allowed: tuple[str, ...] = ()
    """First digits of numbers that may be sent to, as country codes; empty: all."""
    anti_pumping: AntiPumping = AntiPumping.WATCH
    """What happens to prefixes whose codes do not arrive: off, watch (they are only told), standard
    or strict (blocked for a while, error 109)."""
    spend_per_day: int = 0
    """At most so much is spent in a day of UTC, whole currency units (error 3); 0: no limit."""

    @property
    def can_send_sms(self) -> bool:
        """Whether a sender name and a template are registered (D10)."""
        return bool(self.sender and self.template)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One API secret (`http_password`): only its keyed digest is stored (D13)."""

    id: int
    digest: bytes
    created_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who sends. `login` is ASCII lower case."""

    id: int
    login: str
    name: str
    status: AccountStatus
    tariff: str
    credit_limit: int
    balance: int
    held: int
    created_at: int
    spent_on: int = 0
    spent: int = 0
    """Charges less refunds of the day `spent_on` (core.ledger.Funds)."""
    stopped_at: int | None = None
    """Since when it takes no orders, because its books or a message broke a rule (D16); None: it
    does. An operator resumes it."""
    stopped_why: str = ""
    settings: AccountSettings = field(default_factory=AccountSettings)
    secrets: tuple[Secret, ...] = ()

    @property
    def funds(self) -> Funds:
        return Funds(
            balance=self.balance,
            held=self.held,
            credit_limit=self.credit_limit,
            spent_on=self.spent_on,
            spent=self.spent,
        )

    def spendable_at(self, at: int) -> int:
        """What can be spent at an instant, within the limit of its day."""
        return self.funds.spendable_at(at, self.settings.spend_per_day * SCALE)


DEFAULTS = AccountSettings()
"""Of a new account, and for a caller who is not known."""
