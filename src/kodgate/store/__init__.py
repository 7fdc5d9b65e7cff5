"""Where packets, messages and money live. The only place with SQL.

The contract is set-based (D6): one call, one batch, one durable commit. Decisions are made in
`core`; a store reads rows under lock, asks, writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.binds import Asking, Decided, Lease
from kodgate.core.life import Verdict
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.tariffs import Tariff
from kodgate.core.types import Message, Observation, Packet, Transfer
from kodgate.core.values import quick


class Unavailable(Exception):
    """The database did not do it, and certainly stored nothing: answer 13."""


class AlreadyBooked(Exception):
    """This document, or this form, has moved the account's money before; nothing was stored."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PacketRow:
    """A packet with what is stored beside the rules' view of it."""

    packet: Packet
    messages: tuple[Message, ...]
    zone: int
    ttl_s: int
    created_at: int
    phone: bytes
    phone_digest: bytes
    phone_mask: str
    code: bytes
    code_digest: bytes
    key_day: str
    dialect: str
    user_packet_id: str | None
    user_message_id: str | None
    test: bool
    caller_ip: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message taken for one attempt by this node, with its packet."""

    row: PacketRow
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A message whose poll or deadline is due; reserved for `until` so that others leave it."""

    row: PacketRow
    message: Message
    deadline: bool
    """Its `decide_at` has come: ask once more, then decide."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of one observation."""

    matched: bool
    """False: no such message; a receipt was parked."""
    may_go_on: bool
    """For `prepare`: the claim still holds (core.life.may_go_on)."""
    woken: tuple[str, ...]
    """Channels that got a new message to send."""
    words: tuple[str, ...]
    """The notes of the change, for metrics: sent, confirmed, failed, fallback, late, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A stuck message that an operator ended, its money given back."""

    words: tuple[str, ...]
    account_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    at: int
    num: int
    word: str
    source: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One transfer as a customer sees it."""

    id: int
    at: int
    kind: str
    amount: int
    """Signed: what it did to the balance."""
    balance_after: int
    packet_id: int | None
    message_id: int | None
    document: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An SMPP (or other) route as it is saved: a profile in JSON, without its password."""

    name: str
    channel: str
    profile: str
    created_at: int
    sealed: bytes | None = None
    """Its password, wrapped by the keyring; None: it has none."""


def nothing(_channel: str) -> bool:
    """What a node takes that only accepts."""
    return False


class Store(Protocol):
    """Every database behaves the same; `tests/store/conformance.py` says how."""

    async def open(self) -> None:
        """Connects, checks that the schema is current and that commits are really durable."""

    async def close(self) -> None: ...

    # Accounts, secrets, tariffs

    async def account(self, login: str) -> Account | None: ...

    async def account_by_id(self, account_id: int) -> Account | None: ...

    async def accounts(self) -> list[Account]: ...

    async def create_account(
        self,
        *,
        login: str,
        name: str,
        at: int,
        tariff: str = "default",
        credit_limit: int = 0,
        settings: AccountSettings | None = None,
    ) -> Account:
        """Raises ValueError where the login is taken."""

    async def change_account(
        self,
        account_id: int,
        *,
        status: AccountStatus | None = None,
        settings: AccountSettings | None = None,
        credit_limit: int | None = None,
        tariff: str | None = None,
    ) -> Account: ...

    async def resume_account(self, account_id: int) -> bool:
        """Lets an account take orders again that a broken rule has stopped; False: none had."""

    async def add_secret(
        self, account_id: int, digest: bytes, *, at: int, others_expire_at: int | None
    ) -> None:
        """A new API secret; the older ones end at `others_expire_at` (None: they stay)."""

    async def post(
        self,
        account_id: int,
        transfer: Transfer,
        *,
        at: int,
        document: str,
        comment: str,
        once: str = "",
    ) -> int:
        """A top-up or adjustment; returns the balance after it. Raises AlreadyBooked for a second
        top-up of an account under one document, and for a second call with the same `once`, from
        whatever process; LookupError where there is no such account."""

    async def approve(self, proposal_id: int, *, by: str, wall: int, at: int) -> int:
        """Books a transfer that another operator proposed; the account. `wall`: the decision's
        instant by the wall clock. Raises proposals.NotBooked: nothing was changed then."""

    async def save_tariff(self, tariff: Tariff, *, at: int) -> None: ...

    async def tariffs(self) -> list[Tariff]:
        """All versions of all tariffs."""

    async def save_route(self, route: Route) -> None: ...

    async def remove_route(self, name: str) -> bool:
        """False: there was none."""

    async def routes(self) -> list[Route]: ...

    async def lease_binds(self, asking: Asking) -> Decided:
        """Renews, returns and takes binds for one process (core.binds.decide)."""

    async def binds(self) -> list[Lease]:
        """Who holds, or held, which bind."""

    async def listen(
        self,
        callback: Callable[[str], None] | None,
        *,
        takes: Callable[[str], bool] = nothing,
    ) -> None:
        """Calls back with a channel's name when another node has stored a message for it, and tells
        the others of messages for channels that this node does not take itself. A hint: it may be
        missed, and whoever listens polls as well. `callback` None: only tells."""

    # The hot path: each call is one batch

    async def accept(self, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
        """Places orders in order; a refused or failing one leaves the others untouched."""

    async def claim(
        self, *, channel: str, node: str, now: int, lease_until: int, attempts_max: int, limit: int
    ) -> list[Claimed]:
        """Takes due messages of a channel (core.life.claim). None past handover or end."""

    async def record(self, observations: Sequence[Observation]) -> list[Recorded]:
        """Applies observations in order (core.life.advance), each with its parked receipts."""

    async def due(self, *, now: int, until: int, limit: int) -> list[Due]:
        """Polls and deadlines that are due, deadlines first, reserved until `until`."""

    async def next_due(self) -> int | None:
        """The earliest instant at which `claim` or `due` may find something."""

    async def release(self, node: str) -> int:
        """At start: frees the claims that this node held before it died, keeping their attempt.
        Returns how many."""

    async def confirm(
        self, packet_id: int, *, right: bool, at: int
    ) -> tuple[Verdict, tuple[str, ...]]:
        """core.life.confirm; the words of the change."""

    # What operators do by hand

    async def stuck(self, *, now: int, patience_ms: int, limit: int) -> list[int]:
        """Dead letters (core.life.is_stuck) by message id, the oldest first."""

    async def waiting(self, *, now: int, limit: int) -> list[int]:
        """Messages whose next attempt lies ahead, by id, the next one first."""

    async def retry(self, message_ids: Sequence[int], *, at: int) -> int:
        """core.life.retry of their packets; how many messages it changed."""

    async def discard(self, message_id: int, *, at: int, patience_ms: int) -> Discarded | None:
        """core.life.discard; None: it is not stuck (any more). Raises what the rules of money raise
        where the books do not allow it: nothing was changed then."""

    # Reading

    async def packet(
        self,
        account_id: int,
        *,
        packet_id: int | None = None,
        message_id: int | None = None,
        user_message_id: str | None = None,
        user_packet_id: str | None = None,
    ) -> PacketRow | None:
        """One packet of this account; where a user's id fits several, the newest real one."""

    async def find(
        self, *, account_id: int | None, phone_digest: bytes, limit: int
    ) -> list[PacketRow]: ...

    async def timeline(self, packet_id: int) -> list[TimelineEntry]: ...

    async def ledger(
        self, account_id: int, *, before_id: int | None = None, limit: int = 100
    ) -> list[LedgerEntry]:
        """Newest first."""

    async def purge(self, *, now: int) -> list[str]:
        """Which days' data keys of class `code` nothing needs any more."""

    async def counts(self) -> dict[str, int]:
        """Open messages by channel and state (`sms.queued`, ...) and `oldest_due_at`."""

    async def verify(self) -> list[str]:
        """Invariants I-1..I-5 and the sums of holds over the whole database; what is wrong."""

    # Small durable values: the clock's anchor, ...

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str) -> None: ...


POSTGRES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    return url.startswith(POSTGRES)


def public_url(url: str) -> str:
    """A url for people and logs: without its password and options."""
    if not is_postgres(url):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))


def open_store(url: str) -> Store:
    """The store that a url names: `sqlite:///path` or `postgresql://user@host/name`;
    `await store.open()` connects it.

    Raises ValueError for a url of no known kind.
    """
    if is_postgres(url):
        from kodgate.store.postgres import PostgresStore

        return PostgresStore(url)
    from kodgate.store.sqlite import SqliteStore, path_of

    return SqliteStore(path_of(url))


def migrate(url: str) -> None:
    """Creates the tables, or brings them to the schema of this version."""
    from kodgate.store import migrating

    migrating.migrate(url)
