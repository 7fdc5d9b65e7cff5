"""Placing an order: the one decision of accept, item by item within a batch (D4, D6, D14)."""

from __future__ import annotations

from dataclasses import dataclass

from kodgate.core import ledger
from kodgate.core.types import Plan
from kodgate.core.values import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that passed every check which needs no lock; what accept stores of it."""

    account_id: int
    at: int
    plan: Plan
    reserve: bool
    """The account's `fallback_funds` is reserve."""
    zone: int
    ttl_s: int
    phone: bytes
    """Encrypted (D5)."""
    phone_digest: bytes
    """Keyed: phones are found by it."""
    phone_mask: str
    """What people without the right to see more see: 7912***4567."""
    code: bytes
    """Encrypted (D5)."""
    code_digest: bytes
    """Keyed over account, phone and code: finds live equals, checks a confirm."""
    code_generated: bool
    """Ours: may be drawn again if it equals a live one; the customer's own is never changed."""
    key_day: str
    """The day of the data keys that `phone` and `code` are encrypted under, YYYY-MM-DD."""
    dialect: str
    user_packet_id: str | None = None
    user_message_id: str | None = None
    unique_days: int | None = None
    """How far the uniqueness check looks back; None: off."""
    test: bool = False
    """test=1: every check, nothing consumed (O-31)."""
    caller_ip: str = ""
    per_phone_10min: int = 0
    per_phone_day: int = 0
    """Limits of the account's packets to one phone; 0: none."""
    all_per_phone_10min: int = 0
    all_per_phone_day: int = 0
    """The same over all accounts (S-122)."""
    spend_per_day: int = 0
    """What the account may spend in a day of UTC; 0: no limit."""

    @property
    def is_limited(self) -> bool:
        """Whether earlier packets to the phone must be known."""
        return bool(
            self.per_phone_10min
            or self.per_phone_day
            or self.all_per_phone_10min
            or self.all_per_phone_day
        )


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Durable: the packet exists and is paid."""

    packet_id: int
    message_id: int
    balance_before: int
    balance_after: int
    """As printed; with test=1 as if it had been charged."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlaced:
    """Nothing was stored. `error` is a name of the error table, or CODE_CLASH: draw again."""

    error: str
    packet_id: int | None = None
    """With DUPLICATE: the first packet's."""
    balance: int | None = None
    spendable: int | None = None
    """With NO_FUNDS: what can be spent."""


CODE_CLASH = "CODE_CLASH"
"""The generated code equals a live one of the same phone and account (O-23)."""


def refusal(
    order: Order,
    funds: ledger.Funds,
    *,
    first_packet_id: int | None,
    code_is_live: bool,
    recent_10min: int = 0,
    recent_day: int = 0,
    all_recent_10min: int = 0,
    all_recent_day: int = 0,
) -> NotPlaced | None:
    """Why the order cannot be placed, by the error table's precedence; None: it can.

    `first_packet_id`: the packet that already has this user message id within the look-back.
    `recent_...`: the account's packets to the phone; `all_recent_...`: those of all accounts.
    """
    limits = (
        (order.per_phone_10min, recent_10min),
        (order.per_phone_day, recent_day),
        (order.all_per_phone_10min, all_recent_10min),
        (order.all_per_phone_day, all_recent_day),
    )
    if order.is_limited and any(0 < limit <= recent for limit, recent in limits):
        return NotPlaced(error="FLOOD", balance=funds.balance)
    if first_packet_id is not None:
        return NotPlaced(error="DUPLICATE", packet_id=first_packet_id, balance=funds.balance)
    spendable = funds.spendable_at(order.at, order.spend_per_day)
    if spendable < ledger.needed(order.plan, reserve=order.reserve):
        return NotPlaced(error="NO_FUNDS", balance=funds.balance, spendable=spendable)
    if order.code_generated and code_is_live:
        return NotPlaced(error=CODE_CLASH)
    return None
