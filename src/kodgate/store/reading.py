"""What is looked up: packets, due work, timelines, counts, days without need of keys."""

from __future__ import annotations

from collections.abc import Sequence

from kodgate.core.clock import DAY_MS, day_of
from kodgate.core.types import Task
from kodgate.store import Due, PacketRow, TimelineEntry, batches, rows, sql
from kodgate.store.advancing import Loaded
from kodgate.store.program import Program, ask, one

PARKED_DAYS = 3
"""How long a receipt waits for its message."""

UNIQUE_DAYS = 366
"""Longer than any account may look back."""


def packet(query: str, account_id: int, key: str | int | None) -> Program[PacketRow | None]:
    found = yield from packets(query, account_id, key)
    if found and found[0].test and query in sql.REAL_PACKET:
        found = (yield from packets(sql.REAL_PACKET[query], account_id, key)) or found
    return found[0] if found else None


def packets(query: str, *line: object) -> Program[list[PacketRow]]:
    """In the order of the query's ids."""
    ids = [row[0] for row in (yield from ask(query, *line)) if row[0] is not None]
    loaded = Loaded()
    yield from batches.add_packets(loaded, ids)
    return [loaded.packets[id] for id in ids]


def due(*, now: int, until: int, limit: int) -> Program[list[Due]]:
    """As they were before they were reserved."""
    return (yield from reserve((yield from overdue(now=now, limit=limit)), now=now, until=until))


def overdue(*, now: int, limit: int) -> Program[list[rows.Row]]:
    """(message, packet, whether its deadline has come), deadlines first."""
    found = yield from ask(sql.DEADLINES, now, limit)
    ended = {row[0] for row in found}
    for channel in (yield from _channels("poll")):
        room = limit - len(found)
        polls = yield from ask(sql.POLLS, channel, now, limit)
        found += [row for row in polls if row[0] not in ended][: max(room, 0)]
    return [(row[0], row[1], row[0] in ended) for row in found]


def reserve(found: Sequence[rows.Row], *, now: int, until: int) -> Program[list[Due]]:
    if not found:
        return []
    ended = {row[0] for row in found if row[2]}
    unit = yield from batches.lock([row[1] for row in found])
    deadlines = [row[0] for row in found if row[0] in ended and unit.is_decided(row[0], now)]
    asks = [row[0] for row in found if row[0] not in ended and unit.is_due(row[0], Task.POLL, now)]
    if deadlines:
        yield from ask(sql.RESERVE_DEADLINES, until, until, until, deadlines)
    if asks:
        yield from ask(sql.RESERVE_POLLS, until, asks)
    return [
        Due(row=unit.row(id), message=unit.message(id), deadline=id in ended)
        for id in (*deadlines, *asks)
    ]


def next_due() -> Program[int | None]:
    instants = [(yield from one(sql.EARLIEST_DEADLINE))]
    for task in ("poll", "send"):
        for channel in (yield from _channels(task)):
            instants.append((yield from one(sql.EARLIEST_DUE, task, channel)))
    return min((at for at in instants if at is not None), default=None)


def _channels(task: str) -> Program[list[str]]:
    """Channels with something to do: one jump in the index for each."""
    found: list[str] = []
    while True:
        channel = yield from one(sql.NEXT_CHANNEL, task, found[-1] if found else "")
        if channel is None:
            return found
        found.append(channel)


def timeline(packet_id: int) -> Program[list[TimelineEntry]]:
    return [
        TimelineEntry(at=row[0], num=row[1], word=row[2], source=row[3], detail=row[4])
        for row in (yield from ask(sql.TIMELINE, packet_id))
    ]


def counts() -> Program[dict[str, int]]:
    found = {f"{row[0]}.{row[1]}": row[2] for row in (yield from ask(sql.OPEN_COUNTS))}
    oldest = yield from next_due()
    return found if oldest is None else {**found, "oldest_due_at": oldest}


def prune(*, now: int) -> Program[None]:
    """Receipts that never matched, and ids that no account looks back to."""
    yield from ask(sql.PRUNE_PARKED, now - PARKED_DAYS * DAY_MS)
    yield from ask(sql.PRUNE_UNIQUE, now - UNIQUE_DAYS * DAY_MS)


def purgeable_days(*, now: int) -> Program[list[str]]:
    """Days before today whose packets all ended longer ago than their accounts keep codes."""
    retention = {
        row[0]: rows.settings_of(row[1]).code_retention_s * 1000
        for row in (yield from ask(sql.RETENTIONS))
    }
    today = day_of(now)
    days: list[str] = []
    day = yield from one(sql.NEXT_DAY, "")
    while day is not None and day < today:
        if not (yield from _needed(day, retention, now)):
            days.append(day)
        day = yield from one(sql.NEXT_DAY, day)
    return days


def _needed(day: str, retention: dict[int, int], now: int) -> Program[bool]:
    if (yield from ask(sql.DAY_IS_OPEN, day)):
        return True
    since = now - max(retention.values())
    return any(
        ended + retention[account] > now
        for account, ended in (yield from ask(sql.DAY_ENDED_AFTER, day, since))
    )
