"""The request log: what programs asked and were answered, and exact counts of it by the minute.

Rows are a bounded sample in which refusals go before the rest, their texts sealed; counts are of
everything. Plain SQL with `?` marks for every database, like the cabinet's. Business ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kodgate.store import rows, sql
from kodgate.store.program import Line, Program, ask, many, one
from kodgate.store.sums import Slots
from kodgate.store.tables import Tables

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

SPANS = {MINUTE_MS: 2 * DAY_MS, HOUR_MS: 62 * DAY_MS}
"""How finely requests are counted -> how long such counts are kept."""

PIECE = 1_000
"""Rows that one transaction removes: nobody waits long behind it."""
PIECES_MAX = 100
"""Of one kind at one time; the rest has time until the next one."""
SHARE = 20
"""One account holds at most one part in so many of the rows, once of each `HALVES`."""
HALVES = ("error = 0", "error <> 0")
"""What was done never pushes out what was refused."""

_ROW = (
    "request_id, at, account_id, path, dialect, ip, error, why, took_us, in_query, packet_id,"
    " purge_at, sealed"
)
_COUNT = "account_id, span_ms, at, error, count, dropped"
_ADD = (
    "on conflict (account_id, span_ms, at, error) do update set"
    " count = request_count.count + excluded.count,"
    " dropped = request_count.dropped + excluded.dropped"
)
_MARK = "requests "
"""Of the small values that say which batch of a node was stored last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request as it is stored."""

    request_id: str
    at: int
    account_id: int
    path: str
    dialect: str
    ip: str
    error: int
    why: str
    took_us: int
    in_query: bool
    """The password stood in the URL."""
    packet_id: int | None
    """The packet that it made."""
    purge_at: int | None
    """When the texts must be gone; None: they are."""
    sealed: bytes = field(repr=False)
    """Parameters and answer."""


class Counted(NamedTuple):
    """Requests of one account with one outcome, in one minute, hour or slot."""

    account_id: int
    at: int
    error: int
    total: int
    dropped: int
    """Of these, how many are in no row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which requests a list shows."""

    since: int
    until: int
    error: int | None = None
    refused: bool | None = None
    """Any error; None: all."""
    path: str | None = None
    ip: str | None = None
    request_id: str | None = None
    before: tuple[int, int] | None = None
    """Instant and row of the last one of the page before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What must be known of an account to write down its requests."""

    id: int
    code_retention_s: int


class RequestStore:
    """The log's tables. Its calls raise Unavailable, and InDoubt where they write."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # Writing

    async def known(self, logins: Iterable[str]) -> dict[str, Known]:
        """Those of the logins that exist."""
        query = "select login, id, settings from account where login in :texts"
        found = await self._tables.fetch(query, sorted(logins))
        return {
            row[0]: Known(id=row[1], code_retention_s=rows.settings_of(row[2]).code_retention_s)
            for row in found
        }

    async def save(
        self, requests: Sequence[RequestRow], counts: Sequence[Counted], *, node: str, batch: str
    ) -> None:
        """All in one transaction; the same batch of a node again does nothing."""
        lines, sums = [_line(row) for row in requests], _spread(counts)
        await self._tables.change(lambda: _save(lines, sums, node=node, batch=batch))

    # Reading

    async def requests(
        self, account_id: int, chosen: Chosen, *, limit: int
    ) -> list[tuple[int, RequestRow]]:
        """Newest first, each with the number of its row."""
        where, line = _where(account_id, chosen)
        query = f"select {_ROW}, id from request_log{where} order by at desc, id desc limit ?"
        return [(row[-1], _row(row)) for row in await self._tables.fetch(query, *line, limit)]

    async def of_packet(self, account_id: int, packet_id: int) -> RequestRow | None:
        """The request that made it."""
        query = f"select {_ROW} from request_log where packet_id = ? and account_id = ? limit 1"
        found = await self._tables.fetch(query, packet_id, account_id)
        return _row(found[0]) if found else None

    async def tally(self, account_id: int, chosen: Chosen, *, by: str) -> list[tuple[Any, int]]:
        """`by`: error, path or ip -> how many rows, most first."""
        assert by in ("error", "path", "ip")
        where, line = _where(account_id, chosen)
        query = f"select {by}, count(*) from request_log{where} group by 1 order by 2 desc, 1"
        return [(row[0], row[1]) for row in await self._tables.fetch(query, *line)]

    async def in_url(self, account_id: int, chosen: Chosen) -> int:
        """How many of them had the password in the URL."""
        where, line = _where(account_id, chosen)
        query = f"select count(*) from request_log{where} and in_query = 1"
        found: int = (await self._tables.fetch(query, *line))[0][0]
        return found

    async def last_done(self, account_id: int) -> tuple[int, str] | None:
        """Instant and address of the last request that was not refused."""
        query = (
            "select at, ip from request_log where account_id = ? and error = 0"
            " order by at desc limit 1"
        )
        found = await self._tables.fetch(query, account_id)
        return (found[0][0], found[0][1]) if found else None

    async def counts(
        self, account_id: int, *, since: int, until: int, slots: Slots
    ) -> list[Counted]:
        """By slot and error; a period that is longer than minutes are kept begins at an hour."""
        span = MINUTE_MS if until - since < SPANS[MINUTE_MS] else HOUR_MS
        query = (
            f"select {slots.of('at')}, error, sum(count), sum(dropped) from request_count"
            " where account_id = ? and span_ms = ? and at >= ? and at < ?"
            " group by 1, 2 order by 1, 2"
        )
        first = since // span * span
        found = await self._tables.fetch(query, account_id, span, first, until)
        return [Counted(account_id, row[0], row[1], int(row[2]), int(row[3])) for row in found]

    async def oldest_text(self) -> int | None:
        """The instant of the oldest request whose texts are still there."""
        query = "select at from request_log where purge_at is not null order by at limit 1"
        found = await self._tables.fetch(query)
        return found[0][0] if found else None

    # Removing

    async def prune(self, *, now: int, days: int, rows_max: int, accounts: Iterable[int]) -> None:
        """What is too old, or too much; `accounts`: those that have got new rows."""
        await self._in_pieces(
            "update request_log set sealed = ?, purge_at = null where id in (select id"
            " from request_log where purge_at is not null and purge_at <= ?"
            " order by purge_at limit ?) returning id",
            b"",
            now,
        )
        await self._remove("at < ? order by at", now - days * DAY_MS)
        await self._remove("id <= (select max(id) from request_log) - ? order by id", rows_max)
        for account_id in accounts:
            for half in HALVES:
                await self._prune_account(account_id, half, most=rows_max // SHARE)
        for span, kept in SPANS.items():
            await self._prune_counts(span, now - kept)

    async def _prune_account(self, account_id: int, half: str, *, most: int) -> None:
        own = f"account_id = ? and {half}"
        query = f"select at from request_log where {own} order by at desc limit 1 offset ?"
        found = await self._tables.fetch(query, account_id, most)
        if found:
            await self._remove(f"{own} and at <= ? order by at", account_id, found[0][0])

    async def _prune_counts(self, span: int, before: int) -> None:
        """An hour of them at a time."""
        for _ in range(PIECES_MAX):
            query = "select min(at) from request_count where span_ms = ?"
            oldest = (await self._tables.fetch(query, span))[0][0]
            if oldest is None or oldest >= before:
                return
            statement = "delete from request_count where span_ms = ? and at < ?"
            end = min(before, oldest + HOUR_MS)
            await self._tables.run([(statement, (span, end))])

    async def _remove(self, condition: str, *line: Any) -> None:
        await self._in_pieces(
            "delete from request_log where id in"
            f" (select id from request_log where {condition} limit ?) returning id",
            *line,
        )

    async def _in_pieces(self, statement: str, *line: Any) -> None:
        for _ in range(PIECES_MAX):
            if len(await self._tables.run([(statement, (*line, PIECE))])) < PIECE:
                return


def _save(
    requests: Sequence[Line], counts: Sequence[Line], *, node: str, batch: str
) -> Program[None]:
    key = f"{_MARK}{node}"
    if (yield from one(sql.GET, key)) == batch:
        return
    yield from many(f"insert into request_log ({_ROW}) values", requests, sql.OR_IGNORE)
    yield from many(f"insert into request_count ({_COUNT}) values", counts, _ADD)
    yield from ask(sql.PUT, key, batch)


def _line(row: RequestRow) -> Line:
    values = (getattr(row, name) for name in _ROW.split(", "))
    return [int(value) if isinstance(value, bool) else value for value in values]


def _spread(counts: Iterable[Counted]) -> list[Line]:
    """The rows of every span, in one order everywhere: two nodes never wait for each other."""
    sums: dict[tuple[int, ...], tuple[int, int]] = {}
    for counted in counts:
        for span in SPANS:
            key = (counted.account_id, span, counted.at // span * span, counted.error)
            total, dropped = sums.get(key, (0, 0))
            sums[key] = (total + counted.total, dropped + counted.dropped)
    return [(*key, *sums[key]) for key in sorted(sums)]


def _where(account_id: int, chosen: Chosen) -> tuple[str, list[Any]]:
    given: list[tuple[str, Any]] = [
        ("account_id = ?", account_id),
        ("at >= ?", chosen.since),
        ("at < ?", chosen.until),
        ("error = ?", chosen.error),
        ("path = ?", chosen.path),
        ("ip = ?", chosen.ip),
        ("request_id = ?", chosen.request_id),
    ]
    given = [(text, value) for text, value in given if value is not None]
    text, line = " and ".join(text for text, _ in given), [value for _, value in given]
    if chosen.refused is not None:
        text += f" and {HALVES[chosen.refused]}"
    if chosen.before is not None:
        text += " and (at, id) < (?, ?)"
        line += chosen.before
    return f" where {text}", line


def _row(row: rows.Row) -> RequestRow:
    return RequestRow(
        request_id=row[0],
        at=row[1],
        account_id=row[2],
        path=row[3],
        dialect=row[4],
        ip=row[5],
        error=row[6],
        why=row[7],
        took_us=row[8],
        in_query=bool(row[9]),
        packet_id=row[10],
        purge_at=row[11],
        sealed=bytes(row[12]),
    )
