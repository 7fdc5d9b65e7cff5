"""The operator console's rows: pace, queues, dead letters, house accounts and providers' money.

Plain SQL with `?` marks for every database, like the cabinet's. Periods go by the acceptance of a
packet, account by account: so every query walks an index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kodgate.store import rows, sql
from kodgate.store.tables import Tables

NODE_PREFIX = "node "
"""Of the small values in which every node says that it is there."""

_PERIOD = (
    " from account a cross join packet p{joins} where p.account_id = a.id"
    " and p.created_at >= ? and p.created_at < ? and p.test = 0"
)
_MESSAGES = " join message m on m.packet_id = p.id"
_BOOKINGS = f"{_MESSAGES} join transfer t on t.message_id = m.id and t.customer = 0"
_NEWEST = " and m.num = (select max(n.num) from message n where n.packet_id = p.id)"
RECENT_MAX = 10_000
"""Dead letters are looked for among so many packets: the page costs the same on any database."""

_RECENT = (
    f" from (select * from packet order by id desc limit {RECENT_MAX}) p"
    " join message m on m.packet_id = p.id join account a on a.id = p.account_id"
    " where p.created_at >= ? and p.created_at < ? and p.test = 0 and m.state in"
    " ('failed', 'expired')"
)
_LETTER = (
    "m.id, m.packet_id, m.channel, m.state, m.reason, m.created_at, m.final_at, m.due_at, m.task,"
    " m.attempts, m.node, m.refunded, p.phone_mask, p.test, a.login, a.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Open messages of one channel and state. Instants in business ms."""

    channel: str
    state: str
    count: int
    oldest_at: int
    """When the oldest one was created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one channel has to do. Instants in business ms."""

    channel: str
    open: int
    in_hand: int
    """Claimed by a node right now."""
    due: int
    """To be sent, and nobody has taken it yet."""
    later: int
    """To be sent later: put off, or tried before."""
    oldest_at: int
    """When the oldest open one was created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Messages of one channel that came to one state (and reason) in a period."""

    channel: str
    state: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as the queue and the dead letters list it; the code is never read."""

    id: int
    packet_id: int
    channel: str
    state: str
    reason: str | None
    created_at: int
    final_at: int | None
    due_at: int | None
    task: str | None
    attempts: int
    node: str | None
    refunded: bool
    phone_mask: str
    test: bool
    login: str
    account_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What was booked with one provider in a period, in 1/10,000 of *its* currency."""

    provider: str
    account_id: int
    kind: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """Messages that the customer was given back and a provider keeps money for."""

    account_id: int
    channel: str
    reason: str
    count: int
    refunded: int
    """1/10,000 of our currency."""
    kept: int
    """1/10,000 of the provider's."""


class ConsoleStore:
    """Over all accounts, read only."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def pace(self, *, since: int, until: int, bucket_ms: int) -> dict[int, int]:
        """Start of a bucket -> packets accepted in it, tests left out."""
        query = f"select p.created_at / ?, count(*){_PERIOD.format(joins='')} group by 1"
        found = await self._tables.fetch(query, bucket_ms, since, until)
        return {row[0] * bucket_ms: row[1] for row in found}

    async def outcomes(self, *, since: int, until: int) -> list[Outcome]:
        query = (
            f"select m.channel, m.state, m.reason, count(*){_PERIOD.format(joins=_MESSAGES)}"
            " group by 1, 2, 3 order by 1, 2, 3"
        )
        return [
            Outcome(channel=row[0], state=row[1], reason=row[2], count=row[3])
            for row in await self._tables.fetch(query, since, until)
        ]

    async def waiting(self) -> list[Waiting]:
        query = (
            "select channel, state, count(*), min(created_at) from message"
            " where decide_at is not null group by channel, state order by channel, state"
        )
        return [
            Waiting(channel=row[0], state=row[1], count=row[2], oldest_at=row[3])
            for row in await self._tables.fetch(query)
        ]

    async def overdue(self, *, now: int) -> tuple[int, int | None]:
        """How many messages are due to be sent, and since when the first of them."""
        query = (
            "select count(*), min(due_at) from message"
            " where task = 'send' and due_at is not null and due_at <= ?"
        )
        found = (await self._tables.fetch(query, now))[0]
        return found[0], found[1]

    async def nodes(self) -> dict[str, str]:
        """Node -> the mark that it left last (JSON, see the engine's housekeeping)."""
        # Not `like`: it knows no case on one database and does on the other.
        start = f"substr(key, 1, {len(NODE_PREFIX)})"
        query = f"select key, value from value where {start} = ? order by key"
        found = await self._tables.fetch(query, NODE_PREFIX)
        return {row[0].removeprefix(NODE_PREFIX): row[1] for row in found}

    async def stopped(self) -> list[str]:
        """Logins of the accounts that a broken rule has stopped."""
        query = "select login from account where stopped_at is not null order by login"
        return [row[0] for row in await self._tables.fetch(query)]

    # Queue and dead letters

    async def open_letters(self, *, limit: int) -> list[Letter]:
        """The oldest first."""
        query = (
            f"select {_LETTER} from message m join packet p on p.id = m.packet_id"
            " join account a on a.id = p.account_id where m.decide_at is not null"
            " order by m.created_at, m.id limit ?"
        )
        return [_letter(row) for row in await self._tables.fetch(query, limit)]

    async def letters(self, message_ids: Sequence[int]) -> list[Letter]:
        """The oldest first."""
        query = (
            f"select {_LETTER} from message m join packet p on p.id = m.packet_id"
            " join account a on a.id = p.account_id where m.id in :ids order by m.created_at, m.id"
        )
        return [_letter(row) for row in await self._tables.fetch(query, list(message_ids))]

    async def lanes(self, *, now: int) -> list[Lane]:
        query = (
            "select channel, count(*), sum(case when lease_until > ? then 1 else 0 end),"
            " sum(case when task = 'send' and due_at <= ?"
            " and coalesce(handover_at, ends_at) > ? then 1 else 0 end),"
            " sum(case when task = 'send' and due_at > ? and coalesce(lease_until, 0) <= ?"
            " then 1 else 0 end), min(created_at)"
            " from message where decide_at is not null group by channel order by channel"
        )
        return [
            Lane(
                channel=row[0],
                open=row[1],
                in_hand=int(row[2]),
                due=int(row[3]),
                later=int(row[4]),
                oldest_at=row[5],
            )
            for row in await self._tables.fetch(query, now, now, now, now, now)
        ]

    async def dead_letters(self, *, since: int, until: int, limit: int) -> list[Letter]:
        """Recent packets that ended without success, by their last message; the newest first."""
        query = f"select {_LETTER}{_RECENT}{_NEWEST} order by p.created_at desc, p.id desc limit ?"
        return [_letter(row) for row in await self._tables.fetch(query, since, until, limit)]

    async def dead_counts(self, *, since: int, until: int) -> list[Outcome]:
        """By channel and reason of the last message."""
        query = (
            f"select m.channel, m.reason, count(*){_RECENT}{_NEWEST}"
            " group by 1, 2 order by 3 desc, 1, 2"
        )
        return [
            Outcome(channel=row[0], state="failed", reason=row[1], count=row[2])
            for row in await self._tables.fetch(query, since, until)
        ]

    # Money

    async def house(self) -> dict[str, int]:
        """What every house account has got less what it gave; customers as one. All transfers are
        read: this takes a while."""
        sums: Counter[str] = Counter()
        for column, sign in (("debit", -1), ("credit", 1)):
            query = (
                f"select case when {column} like 'customer:%' then 'customers' else {column} end,"
                " sum(amount) from transfer group by 1"
            )
            for name, amount in await self._tables.fetch(query):
                sums[name] += sign * int(amount)
        return dict(sorted(sums.items()))

    async def booked(self, *, since: int, until: int) -> list[Booked]:
        query = (
            f"select t.debit, a.id, t.kind, count(*), sum(t.amount)"
            f"{_PERIOD.format(joins=_BOOKINGS)} group by 1, 2, 3 order by 1, 2, 3"
        )
        return [
            Booked(
                provider=row[0].rpartition(":")[0],
                account_id=row[1],
                kind=row[2],
                count=row[3],
                amount=int(row[4]),
            )
            for row in await self._tables.fetch(query, since, until)
        ]

    async def exposed(self, *, since: int, until: int) -> list[Exposed]:
        """By account, channel and reason; the dearest first."""
        kept = (
            "(select coalesce(sum(case when t.credit like '%:cost' then t.amount"
            " when t.debit like '%:cost' then -t.amount else 0 end), 0)"
            " from transfer t where t.message_id = m.id and t.customer = 0)"
        )
        messages = (
            f"select a.id as account_id, m.channel, m.reason, m.price, {kept} as kept"
            f"{_PERIOD.format(joins=_MESSAGES)} and m.refunded = 1"
        )
        query = (
            "select account_id, channel, reason, count(*), sum(price), sum(kept)"
            f" from ({messages}) as given_back where kept > 0"
            " group by 1, 2, 3 order by 6 desc, 1, 2, 3"
        )
        return [
            Exposed(
                account_id=row[0],
                channel=row[1],
                reason=row[2],
                count=row[3],
                refunded=int(row[4]),
                kept=int(row[5]),
            )
            for row in await self._tables.fetch(query, since, until)
        ]

    async def has_document(self, account_id: int, document: str) -> bool:
        """Whether a top-up of this account was made under this document before."""
        return bool(await self._tables.fetch(sql.TOPPED_UP, account_id, document))

    async def revision(self) -> str:
        """The schema that the database is at."""
        return str((await self._tables.fetch("select version_num from alembic_version"))[0][0])


def _letter(row: rows.Row) -> Letter:
    return Letter(
        id=row[0],
        packet_id=row[1],
        channel=row[2],
        state=row[3],
        reason=row[4],
        created_at=row[5],
        final_at=row[6],
        due_at=row[7],
        task=row[8],
        attempts=row[9],
        node=row[10],
        refunded=bool(row[11]),
        phone_mask=row[12],
        test=bool(row[13]),
        login=row[14],
        account_id=row[15],
    )
