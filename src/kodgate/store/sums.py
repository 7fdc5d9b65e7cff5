"""Sums over packets and money for reports: past hours are summed once, the rest is counted live.

An hour is *settled* when it is over and every packet accepted in it has ended: then no sum of it
changes any more, whatever comes late. Up to the account's mark all hours are settled and stand in
the `hour_...` tables; a period is put together from them and, at its ends, from the rows
themselves. Plain SQL with `?` marks for every database, like the cabinet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kodgate.store import LedgerEntry, rows, sql
from kodgate.store.tables import Tables

HOUR_MS = 3_600_000
LAG_MS = HOUR_MS
"""An hour that ended so long ago gets no new packets and transfers."""
STEP_MS = 24 * HOUR_MS
"""How much is summed at once."""

EVER = 2**62
"""An end that is never reached."""

CLASSES = ((2_000, 100), (10_000, 500), (60_000, 2_000), (600_000, 10_000))
"""(below ms, width): times to arrival are counted in classes of at most a tenth of their size."""
WIDEST_MS = 60_000

_PERIOD = "p.account_id = ? and p.created_at >= ? and p.created_at < ? and p.test = 0"
_MESSAGES = f"from packet p join message m on m.packet_id = p.id where {_PERIOD}"
_SPAN = "where account_id = ? and hour >= ? and hour < ?"
_OWN = "account_id = ? and at >= ? and at < ? and id >= ? and id <= ? and balance_after is not null"


@dataclass(frozen=True, slots=True)
class Slots:
    """How finely a period is told: slots of whole hours, or shorter ones that divide an hour."""

    length_ms: int = HOUR_MS
    shift_ms: int = 0
    """By how much slots of days begin before those of UTC."""

    def of(self, column: str) -> str:
        """SQL: the begin of the slot that an instant is in."""
        length, shift = int(self.length_ms), int(self.shift_ms)
        return f"({column} + {shift}) / {length} * {length} - {shift}"

    def begin(self, at: int) -> int:
        """Of the slot that an instant is in."""
        return (at + self.shift_ms) // self.length_ms * self.length_ms - self.shift_ms


HOURS = Slots()
ALL = Slots(2**50)
"""One slot, which begins at 0."""


class Sum(NamedTuple):
    """Live messages of one kind. Money in 1/10,000 of the currency unit."""

    at: int
    """Begin of the slot in which their packets were accepted, business ms."""
    zone: int
    channel: str
    num: int
    state: str
    arrived: bool
    """On the phone, read or not."""
    total: int
    charged: int
    refunded: int


class Arrivals(NamedTuple):
    """Codes that took about the same time from their acceptance to the phone."""

    at: int
    """Like a sum's."""
    channel: str
    ms: int
    """The middle of their class."""
    total: int


def _class_of(ms: str) -> str:
    """SQL: the middle of the class that a time falls into."""
    cases = " ".join(
        f"when {ms} < {below} then {ms} / {width} * {width} + {width // 2}"
        for below, width in CLASSES
    )
    return f"case {cases} else {ms} / {WIDEST_MS} * {WIDEST_MS} + {WIDEST_MS // 2} end"


_TRANSFERS_OF = (
    f"select {HOURS.of('at')}, kind, count(*), sum(customer), max(id)"
    f" from transfer where {_OWN} group by 1, 2"
)

_FIRST_PACKET = (
    "select created_at from packet where account_id = ? and created_at >= ?"
    " order by created_at limit 1"
)
_FIRST_TRANSFER = (
    "select at from transfer where account_id = ? and id >= ? and at >= ?"
    " and balance_after is not null order by id limit 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One table of sums, and how its rows are counted live."""

    key: str
    sums: str
    """Both are columns, after the hour."""
    live: str

    def counted(self, slots: Slots) -> str:
        return f"select {slots.of('p.created_at')}, {self.live}"

    def summed(self, table: str, slots: Slots) -> str:
        sums = ", ".join(f"sum({name})" for name in self.sums.split(", "))
        group = ", ".join(str(n + 1) for n in range(1 + len(self.key.split(", "))))
        return (
            f"select {slots.of('hour')}, {self.key}, {sums} from {table} {_SPAN} group by {group}"
        )


_KINDS = {
    "hour_message": _Kind(
        key="zone, channel, num, state, arrived",
        sums="count, charged, refunded",
        live="p.zone, m.channel, m.num, m.state,"
        " case when m.delivered_at is null and m.state <> 'confirmed' then 0 else 1 end,"
        " count(*), sum(m.price), sum(m.price * m.refunded)"
        f" {_MESSAGES} group by 1, 2, 3, 4, 5, 6",
    ),
    "hour_arrival": _Kind(
        key="channel, ms",
        sums="count",
        live=f"m.channel, {_class_of('(coalesce(m.delivered_at, m.final_at) - p.created_at)')},"
        f" count(*) {_MESSAGES} and (m.delivered_at is not null or m.state = 'confirmed')"
        " group by 1, 2, 3",
    ),
}


class Sums:
    """Sums of any period, and the work that makes them cheap."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # What pages ask; `since` inclusive, `until` exclusive, business ms

    async def messages(
        self, account_id: int, *, since: int, until: int, slots: Slots = HOURS
    ) -> list[Sum]:
        """A slot may come in several parts."""
        found = await self._rows("hour_message", account_id, since, until, slots)
        return [_sum(row) for row in found]

    async def arrivals(
        self, account_id: int, *, since: int, until: int, slots: Slots = HOURS
    ) -> list[Arrivals]:
        """From the acceptance of a packet to the first sign that its code is on the phone."""
        found = await self._rows("hour_arrival", account_id, since, until, slots)
        return [Arrivals(row[0], row[1], int(row[2]), int(row[3])) for row in found]

    async def pace(
        self, account_id: int, *, since: int, until: int, slots: Slots
    ) -> list[tuple[int, str, int]]:
        """(begin of the slot of acceptance, channel, messages): short slots of a day or so."""
        query = f"select {slots.of('p.created_at')}, m.channel, count(*) {_MESSAGES} group by 1, 2"
        found = await self._tables.fetch(query, account_id, since, until)
        return [(row[0], row[1], row[2]) for row in found]

    async def transfers(
        self, account_id: int, *, since: int | None, until: int | None
    ) -> dict[str, tuple[int, int]]:
        """Kind -> (how many, what they did to the balance)."""
        begin, end = since or 0, EVER if until is None else until
        first, last = await self._settled(account_id, begin, end)
        query = f"select kind, sum(count), sum(amount) from hour_transfer {_SPAN} group by kind"
        found = await self._tables.fetch(query, account_id, first, last)
        for span in _around(begin, end, first, last):
            found = [*found, *(row[1:4] for row in await self._moved(account_id, *span))]
        sums: dict[str, tuple[int, int]] = {}
        for kind, count, amount in found:
            counted, summed = sums.get(kind, (0, 0))
            sums[kind] = (counted + int(count), summed + int(amount))
        return sums

    async def ids(self, account_id: int, since: int, until: int) -> tuple[int, int]:
        """Between which ids (both inclusive) the transfers of a period must be looked for.

        One hour more than the period's own is looked through: two nodes number their transfers in
        nearly the order of their instants, no more.
        """
        query = f"select max(last_id) from hour_transfer {_SPAN}"
        low = (await self._tables.fetch(query, account_id, 0, _hour(since) - HOUR_MS))[0][0]
        end = _hour(until) + HOUR_MS
        if end > (await self.mark(account_id) or 0):
            return low or 0, EVER
        high = (await self._tables.fetch(query, account_id, 0, end))[0][0]
        return low or 0, high or 0

    async def last_before(self, account_id: int, at: int) -> LedgerEntry | None:
        """The last operation before an instant."""
        query = (
            f"select {rows.LEDGER} from transfer where account_id = ? and at < ?"
            " and id >= ? and id <= ? and balance_after is not null order by id desc limit 1"
        )
        found = await self._tables.fetch(query, account_id, at, *await self.ids(account_id, at, at))
        return rows.ledger_of(found[0]) if found else None

    # Settled hours

    async def mark(self, account_id: int) -> int | None:
        """Up to here every hour is settled and summed, business ms; None: none is."""
        found = await self._tables.fetch(sql.GET, _key(account_id))
        return int(found[0][0]) if found else None

    async def settle(self, account_id: int, *, now: int) -> bool:
        """Sums the next settled hours, a day of them at most; False: there are none."""
        mark = await self._begin(account_id)
        if mark is None:
            return False
        over = (now - LAG_MS) // HOUR_MS * HOUR_MS
        # an hour less, since the operations of two nodes are numbered in nearly their order only
        begin = max(mark, min(over, await self._busy_hour(account_id, mark) - HOUR_MS))
        end = min(begin + STEP_MS, over)
        end = min(end, await self._open_hour(account_id, begin, end))
        if end <= mark:
            return False
        lines = {
            f"{table} (account_id, hour, {kind.key}, {kind.sums})": await self._tables.fetch(
                kind.counted(HOURS), account_id, begin, end
            )
            for table, kind in _KINDS.items()
        }
        lines["hour_transfer (account_id, hour, kind, count, amount, last_id)"] = await self._moved(
            account_id, begin, end
        )
        statements: list[tuple[str, Sequence[Any]]] = [
            (_insert(target, row), (account_id, *map(_plain, row)))
            for target, found in lines.items()
            for row in found
        ]
        await self._tables.run([*statements, (sql.PUT, (_key(account_id), str(end)))])
        return True

    async def _begin(self, account_id: int) -> int | None:
        """The mark, else the hour in which it all began."""
        mark = await self.mark(account_id)
        if mark is not None:
            return mark
        first = await self._busy_hour(account_id, 0)
        return None if first == _hour(EVER) else first

    async def _busy_hour(self, account_id: int, since: int) -> int:
        """The first hour in which anything happened: quiet ones are passed at once."""
        low, _ = await self.ids(account_id, since, since)
        firsts = [
            row[0]
            for query, line in (
                (_FIRST_PACKET, (account_id, since)),
                (_FIRST_TRANSFER, (account_id, low, since)),
            )
            for row in await self._tables.fetch(query, *line)
        ]
        return _hour(min(firsts, default=EVER))

    async def _open_hour(self, account_id: int, begin: int, end: int) -> int:
        """The first hour in which a packet is still open."""
        query = (
            "select min(created_at) from packet where account_id = ? and created_at >= ?"
            " and created_at < ? and final_at is null"
        )
        first = (await self._tables.fetch(query, account_id, begin, end))[0][0]
        return end if first is None else int(first) // HOUR_MS * HOUR_MS

    async def _moved(self, account_id: int, since: int, until: int) -> list[rows.Row]:
        """Transfers counted live: (hour, kind, count, amount, last id)."""
        ids = await self.ids(account_id, since, until)
        return await self._tables.fetch(_TRANSFERS_OF, account_id, since, until, *ids)

    async def _rows(
        self, table: str, account_id: int, since: int, until: int, slots: Slots
    ) -> list[rows.Row]:
        """Whole settled hours from their sums; what is before and after them counted live."""
        kind = _KINDS[table]
        first, last = await self._settled(account_id, since, until)
        if last <= first or slots.length_ms < HOUR_MS:
            return await self._tables.fetch(kind.counted(slots), account_id, since, until)
        found = await self._tables.fetch(kind.summed(table, slots), account_id, first, last)
        for begin, end in _around(since, until, first, last):
            live = await self._tables.fetch(kind.counted(slots), account_id, begin, end)
            found = [*found, *live]
        return found

    async def _settled(self, account_id: int, since: int, until: int) -> tuple[int, int]:
        """The whole settled hours of a period; none: both ends are its begin."""
        first = _hour(since + HOUR_MS - 1)
        last = min(_hour(until), await self.mark(account_id) or 0)
        return (first, last) if first < last else (since, since)


def _around(since: int, until: int, first: int, last: int) -> list[tuple[int, int]]:
    """What of a period is not in its middle."""
    return [(begin, end) for begin, end in ((since, first), (last, until)) if begin < end]


def _hour(at: int) -> int:
    """The begin of the hour that an instant is in."""
    return at // HOUR_MS * HOUR_MS


def _sum(row: rows.Row) -> Sum:
    at, zone, channel, num, state, arrived, total, charged, refunded = row
    return Sum(
        at, zone, channel, num, state, bool(arrived), int(total), int(charged), int(refunded)
    )


def _key(account_id: int) -> str:
    return f"summed {account_id}"


def _insert(target: str, row: Sequence[Any]) -> str:
    """Another node may have summed the same hours: the sums are the same."""
    marks = ", ".join("?" for _ in range(1 + len(row)))
    return f"insert into {target} values ({marks}) on conflict do nothing"


def _plain(value: Any) -> Any:
    """A database's decimal is our whole number."""
    return value if isinstance(value, int | str) else int(value)
