"""What is looked up in SQLite: packets, due work, timelines, counts, days without need of keys."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from kodgate.store import Due, PacketRow, TimelineEntry, batches, rows, sql
from kodgate.store.advancing import Loaded, Unit
from kodgate.store.placing import DAY_MS

PARKED_DAYS = 3
"""How long a receipt waits for its message."""

UNIQUE_DAYS = 366
"""Longer than any account may look back."""


def packet(
    db: sqlite3.Connection, query: str, account_id: int, key: str | int | None
) -> PacketRow | None:
    found = packets(db, query, (account_id, key))
    return found[0] if found else None


def packets(db: sqlite3.Connection, query: str, line: tuple[Any, ...]) -> list[PacketRow]:
    """In the order of the query's ids."""
    ids = [row[0] for row in db.execute(query, line) if row[0] is not None]
    if not ids:
        return []
    loaded = Loaded(message_id=0)
    batches.add_packets(db, loaded, ids)
    return [loaded.packets[id] for id in ids]


def due(db: sqlite3.Connection, *, now: int, until: int, limit: int) -> list[Due]:
    """As they were before they were reserved."""
    deadlines = db.execute(sql.DEADLINES, (now, limit)).fetchall()
    ended = {row[0] for row in deadlines}
    polls: list[rows.Row] = []
    for channel in _channels(db, "poll"):
        room = limit - len(deadlines) - len(polls)
        found = db.execute(sql.POLLS, (channel, now, limit)).fetchall()
        polls += [row for row in found if row[0] not in ended][: max(room, 0)]
    if not (deadlines or polls):
        return []
    unit = Unit(batches.load(db, [row[1] for row in (*deadlines, *polls)]))
    deadline_ids = json.dumps([row[0] for row in deadlines])
    db.execute(sql.RESERVE_DEADLINES, (until, until, until, deadline_ids))
    db.execute(sql.RESERVE_POLLS, (until, json.dumps([row[0] for row in polls])))
    return [
        Due(row=unit.row(row[0]), message=unit.message(row[0]), deadline=row[0] in ended)
        for row in (*deadlines, *polls)
    ]


def next_due(db: sqlite3.Connection) -> int | None:
    instants = [db.execute(sql.EARLIEST_DEADLINE).fetchone()[0]]
    for task in ("poll", "send"):
        for channel in _channels(db, task):
            instants.append(db.execute(sql.EARLIEST_DUE, (task, channel)).fetchone()[0])
    return min((at for at in instants if at is not None), default=None)


def _channels(db: sqlite3.Connection, task: str) -> list[str]:
    """Channels with something to do: one jump in the index for each."""
    found: list[str] = []
    while True:
        channel = db.execute(sql.NEXT_CHANNEL, (task, found[-1] if found else "")).fetchone()[0]
        if channel is None:
            return found
        found.append(channel)


def timeline(db: sqlite3.Connection, packet_id: int) -> list[TimelineEntry]:
    return [
        TimelineEntry(at=row[0], num=row[1], word=row[2], source=row[3], detail=row[4])
        for row in db.execute(sql.TIMELINE, (packet_id,))
    ]


def counts(db: sqlite3.Connection) -> dict[str, int]:
    found = {f"{row[0]}.{row[1]}": row[2] for row in db.execute(sql.OPEN_COUNTS)}
    oldest = next_due(db)
    return found if oldest is None else {**found, "oldest_due_at": oldest}


def value(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute(sql.GET, (key,)).fetchone()
    return None if row is None else row[0]


def prune(db: sqlite3.Connection, *, now: int) -> None:
    """Receipts that never matched, and ids that no account looks back to."""
    db.execute(sql.PRUNE_PARKED, (now - PARKED_DAYS * DAY_MS,))
    db.execute(sql.PRUNE_UNIQUE, (now - UNIQUE_DAYS * DAY_MS,))


def purgeable_days(db: sqlite3.Connection, *, now: int) -> list[str]:
    """Days before today whose packets all ended longer ago than their accounts keep codes."""
    retention = {
        row[0]: rows.settings_of(row[1]).code_retention_s * 1000
        for row in db.execute(sql.RETENTIONS)
    }
    today = datetime.fromtimestamp(now / 1000, tz=UTC).date().isoformat()
    days: list[str] = []
    day = _next_day(db, "")
    while day is not None and day < today:
        if not _needed(db, day, retention, now):
            days.append(day)
        day = _next_day(db, day)
    return days


def _next_day(db: sqlite3.Connection, day: str) -> str | None:
    found: str | None = db.execute(sql.NEXT_DAY, (day,)).fetchone()[0]
    return found


def _needed(db: sqlite3.Connection, day: str, retention: dict[int, int], now: int) -> bool:
    if db.execute(sql.DAY_IS_OPEN, (day,)).fetchone() is not None:
        return True
    since = now - max(retention.values())
    return any(
        ended + retention[account] > now
        for account, ended in db.execute(sql.DAY_ENDED_AFTER, (day, since))
    )
