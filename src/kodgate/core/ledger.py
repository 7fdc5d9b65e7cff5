"""Who owes whom: transfers, holds and the rule of what a customer can afford (architecture D4).

A transfer takes from its debit account and gives to its credit account, so the sum over all
accounts is zero by construction. A hold is no transfer: it is a number on packet and account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kodgate.core.cascade import is_surely_refunded
from kodgate.core.clock import DAY_MS
from kodgate.core.types import Booking, BookingKind, Message, Plan, Transfer
from kodgate.core.values import quick

REVENUE = "revenue"
TOP_UPS = "top_ups"
ADJUSTMENTS = "adjustments"

SPENDING = ("charge", "refund")
"""What counts as spent, and as spent no more."""

CUSTOMER_KINDS = ("topup", "adjustment", "charge", "refund")
"""What a customer sees in the list of operations; `charge` and `refund` are once per message."""

PROVIDER_MOVES = {
    BookingKind.FEE: ("prepaid", "cost"),
    BookingKind.ORPHAN_FEE: ("prepaid", "cost"),
    BookingKind.RECEIVABLE: ("cost", "receivable"),
    BookingKind.REFUND: ("receivable", "prepaid"),
    BookingKind.WRITE_OFF: ("receivable", "cost"),
}
"""From which to which of a provider's house accounts each kind of booking moves money."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """An account's money at one instant. All in 1/10,000 of the currency unit."""

    balance: int
    held: int
    credit_limit: int = 0
    spent_on: int = 0
    """The day of the newest charge or refund: days of UTC since the epoch."""
    spent: int = 0
    """Charges less refunds of that day."""

    @property
    def spendable(self) -> int:
        """What can still be promised: printed by `http_credit` and with error 3."""
        return self.balance - self.held + self.credit_limit

    def spendable_at(self, at: int, per_day: int) -> int:
        """The same within a limit of the day; 0: none. What is held may be spent today, too."""
        if not per_day:
            return self.spendable
        spent = self.spent if self.spent_on == at // DAY_MS else 0
        return min(self.spendable, per_day - spent - self.held)

    def after(self, transfer: Transfer, at: int, *, held: int = 0) -> Funds:
        """What a transfer of this instant leaves, with `held` more on hold. One of an earlier day
        than the newest counts for no day any more."""
        day = at // DAY_MS
        spent_on, spent = self.spent_on, self.spent
        if transfer.kind in SPENDING and day >= spent_on:
            spent = (spent if day == spent_on else 0) - transfer.customer
            spent_on = day
        return Funds(
            balance=self.balance + transfer.customer,
            held=self.held + held,
            credit_limit=self.credit_limit,
            spent_on=spent_on,
            spent=spent,
        )


def customer(account_id: int) -> str:
    """The ledger account of a customer."""
    return f"customer:{account_id}"


@lru_cache(maxsize=1024)
def dearest(plan: Plan, index: int = 0) -> int:
    """The most that the steps from `index` on can cost: a step's price and the earlier ones' prices
    that are not certain to come back before it."""
    most = kept = 0
    for step in plan[index:]:
        most = max(most, kept + step.price)
        if not is_surely_refunded(step):
            kept += step.price
    return most


def hold(plan: Plan, index: int, *, reserve: bool) -> int:
    """What must stay reserved while the step at `index`, already charged, is open."""
    return dearest(plan, index) - plan[index].price if reserve else 0


def needed(plan: Plan, *, reserve: bool) -> int:
    """What an account must be able to spend so that the packet is accepted."""
    return dearest(plan) if reserve else plan[0].price


def charge(account_id: int, message: Message) -> Transfer:
    return Transfer(
        kind="charge",
        debit=customer(account_id),
        credit=REVENUE,
        amount=message.price,
        num=message.num,
        customer=-message.price,
    )


def refund(account_id: int, message: Message) -> Transfer:
    """The whole charge of the message, never a part of it."""
    return Transfer(
        kind="refund",
        debit=REVENUE,
        credit=customer(account_id),
        amount=message.price,
        num=message.num,
        customer=message.price,
    )


def needs_two(amount: int, alone_max: int | None) -> bool:
    """Whether a transfer by hand waits for a second operator; None: none does."""
    return alone_max is not None and abs(amount) > alone_max


def top_up(account_id: int, amount: int) -> Transfer:
    """Money in. `amount` > 0."""
    assert amount > 0
    return Transfer(
        kind="topup",
        debit=TOP_UPS,
        credit=customer(account_id),
        amount=amount,
        customer=amount,
    )


def adjustment(account_id: int, amount: int) -> Transfer:
    """A correction by the operator, with either sign: entries are never edited."""
    assert amount != 0
    ours, theirs = ADJUSTMENTS, customer(account_id)
    debit, credit = (ours, theirs) if amount > 0 else (theirs, ours)
    return Transfer(
        kind="adjustment", debit=debit, credit=credit, amount=abs(amount), customer=amount
    )


def booking(num: int, entry: Booking) -> Transfer:
    """Money between us and a provider, in the provider's own currency and accounts."""
    assert entry.amount >= 0
    source, target = PROVIDER_MOVES[entry.kind]
    return Transfer(
        kind=entry.kind.value,
        debit=f"{entry.provider}:{source}",
        credit=f"{entry.provider}:{target}",
        amount=entry.amount,
        num=num,
        attempt=entry.attempt,
    )
