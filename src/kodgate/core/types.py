"""The values that every layer shares: steps and plans, packets and messages, what providers say.

Units, everywhere: instants (`..._at`, `now`) are integer milliseconds since the Unix epoch on the
business clock; durations (`..._s`) are seconds; money is in integer 1/10,000 of the currency unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kodgate.core.values import quick


class State(StrEnum):
    """Where one message is. The last three are final: no event changes them (architecture D2)."""

    QUEUED = "queued"
    """Stored and paid; no provider has taken it yet, as far as we know."""
    SENT = "sent"
    """A provider has taken it."""
    DELIVERED = "delivered"
    """The provider reports it on the phone; for Telegram that is not yet success."""
    CONFIRMED = "confirmed"
    """It reached its step's success word. The customer pays."""
    FAILED = "failed"
    """It ended because a provider, or we, gave it up."""
    EXPIRED = "expired"
    """It ended because its time was over."""

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({State.CONFIRMED, State.FAILED, State.EXPIRED})


class Event(StrEnum):
    """What happened to a message, in our words. Channels translate provider words into these."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    REJECTED = "rejected"
    """The provider never took it."""
    UNDELIVERED = "undelivered"
    """The provider took it and gave up."""
    TIMED_OUT = "timed_out"


class Success(StrEnum):
    """The event at which a step has done its work and the customer pays."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"


class RefundWord(StrEnum):
    """How much bad luck gives the money back; each word contains the one before it."""

    NEVER = "never"
    REJECTED = "rejected"
    UNDELIVERED = "undelivered"
    UNREAD = "unread"


class Reason(StrEnum):
    """Why a message ended without success."""

    REJECTED = "rejected"
    CLOSED = "closed"
    """Rejected: the direction is closed."""
    NO_ROUTE = "no_route"
    """Rejected: nobody carries this direction."""
    UNKNOWN = "unknown"
    """Somebody may have it, nobody says so; refunded as a rejection."""
    UNDELIVERED = "undelivered"
    UNREAD = "unread"
    CANCELLED = "cancelled"
    """Its packet was answered before any attempt; always refunded."""
    DISCARDED = "discarded"
    """An operator ended it, since it was stuck past its decision; always refunded."""


class FallbackFunds(StrEnum):
    """How the price of later steps is secured (D4)."""

    RESERVE = "reserve"
    OVERDRAFT = "overdraft"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a cascade, as data (D1)."""

    channel: str
    wait_s: int
    """From the message's creation to `timed_out`."""
    handover_s: int | None
    """A step that no provider has taken by then has failed; None: only `wait_s` counts."""
    success: Success
    refund: RefundWord


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep(Step):
    """A step with the price that was quoted, and fixed, when its packet was accepted."""

    price: int
    cost: int = 0
    """What the provider is expected to take, where its answer does not say."""

    def __hash__(self) -> int:
        """Of what tells most steps apart: plans are looked up by it, and words hash slowly."""
        return hash((self.channel, self.wait_s, self.price))


Plan = tuple[PlannedStep, ...]


class Task(StrEnum):
    """What is to be done with a message at its `due_at`."""

    SEND = "send"
    POLL = "poll"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One channel's attempt in a packet, with its own id and price."""

    id: int | None
    """None: not stored yet, the store gives the id."""
    num: int
    """1 for the first step, 2 for its fallback, ..."""
    channel: str
    state: State
    price: int
    created_at: int
    ends_at: int
    """`created_at` + the step's wait."""
    decide_at: int | None
    """When the deadline is decided (D9: after `settles_at`, with a grace); None once final."""
    due_at: int | None
    """When `task` is due; while claimed, the lease's end; None: nothing is due."""
    task: Task | None
    handover_at: int | None = None
    reason: Reason | None = None
    attempts: int = 0
    """Claims on record: how often a provider may have been asked to take it."""
    epoch: int = 0
    """Grows with each claim; an answer that carries an older one is fenced."""
    lease_until: int | None = None
    provider_id: str | None = None
    settles_at: int | None = None
    """The provider's own end of the message; set before the first send: a send was attempted."""
    refunded: bool = False
    delivered_at: int | None = None
    final_at: int | None = None
    corrected: Event | None = None
    """The first final receipt after an end `unknown`: changes what is reported, never money."""
    corrected_at: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One verification: one phone, one code, one plan of steps."""

    id: int
    account_id: int
    plan: Plan
    held: int
    """Reserved for later steps; never a transfer."""
    reserve: bool
    """The account's `fallback_funds` when the packet was accepted: reserve, or overdraft."""
    answered_at: int | None = None
    """When a read (or the success word of an earlier message, or a right confirm) became known."""
    confirm_tries: int = 0
    confirmed_at: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Money between us and a provider, in 1/10,000 of *the provider's* currency."""

    kind: BookingKind
    provider: str
    amount: int
    attempt: int
    """Unique per (message, kind, attempt): a repeated report books nothing."""


class BookingKind(StrEnum):
    FEE = "provider_fee"
    """The provider took its price: prepaid -> cost."""
    ORPHAN_FEE = "provider_orphan_fee"
    """An answer was lost: the provider may have taken its price and nothing was sent."""
    RECEIVABLE = "provider_receivable"
    """Not delivered: the provider owes it back: cost -> receivable."""
    REFUND = "provider_refund"
    """The provider says that it gave it back: receivable -> prepaid."""
    WRITE_OFF = "provider_write_off"
    """It never came: receivable -> cost."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one call, poll, callback, receipt or deadline says of one message.

    Which message: by `message_id`, else by `channel` and the first of `keys` that a message of
    that channel has as its `provider_id`; a receipt that matches nothing is parked.
    """

    at: int
    source: str
    """send, prepare, poll, callback, receipt, deadline, confirm: for the packet's timeline."""
    message_id: int | None = None
    channel: str | None = None
    keys: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    """In any order; applied by rank."""
    epoch: int | None = None
    """The claim that speaks; None: evidence that needs no claim (receipt, poll, callback)."""
    reason: Reason | None = None
    """Refines `rejected`: closed or no_route."""
    provider_id: str | None = None
    settles_at: int | None = None
    retry_at: int | None = None
    """The outcome is not known: try (or look) again then. The attempt stays on record."""
    later_at: int | None = None
    """The provider definitely said "later": the claim is given back, its attempt with it."""
    poll_at: int | None = None
    """When the channel wants to look again; None: as it was, or never if the message ended."""
    bookings: tuple[Booking, ...] = ()
    detail: str = ""
    """The provider's own words, secrets removed, for the timeline."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One immutable move of money from the debit to the credit account (D4)."""

    kind: str
    debit: str
    credit: str
    amount: int
    num: int | None = None
    """The message of the packet it belongs to; None: none (a top-up)."""
    attempt: int = 0
    customer: int = 0
    """What it does to the customer's balance: -amount, +amount or 0."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Everything one decision does, to be written in one transaction (D3)."""

    packet: Packet
    messages: tuple[Message, ...]
    """The messages that changed, or are new (`id` None)."""
    transfers: tuple[Transfer, ...] = ()
    held_delta: int = 0
    """Added to the account's `held`."""
    aliases: tuple[Alias, ...] = ()
    notes: tuple[Note, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A provider id that is not, or no longer, the message's own: its receipts still count."""

    num: int
    provider_id: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line of the packet's timeline: sent, delivered, confirmed, failed, late, ..."""

    num: int
    word: str
