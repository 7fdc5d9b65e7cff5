"""What the sandbox remembers: one SQLite file, durable before an answer leaves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

BATCH_MAX = 512
"""Decisions in one transaction; what has queued behind them goes into the next."""
GATHER_S = 0.006
"""Between the beginnings of two transactions: a second one takes what came in this time."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
  name TEXT PRIMARY KEY, value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  id INTEGER PRIMARY KEY, phone TEXT NOT NULL, script TEXT NOT NULL, cost INTEGER NOT NULL,
  created INTEGER NOT NULL, checked_real INTEGER NOT NULL, refunded INTEGER NOT NULL DEFAULT 0,
  sent INTEGER, ttl INTEGER, code TEXT, payload TEXT, callback_url TEXT,
  status TEXT, status_at INTEGER,
  verification TEXT, verification_at INTEGER, entered TEXT, wrong INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS requests_phone ON requests (phone, sent);
CREATE TABLE IF NOT EXISTS steps (
  id INTEGER PRIMARY KEY, request INTEGER NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS steps_at ON steps (at);
CREATE INDEX IF NOT EXISTS steps_request ON steps (request);
CREATE TABLE IF NOT EXISTS reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL, url TEXT NOT NULL,
  body TEXT NOT NULL, due_real INTEGER NOT NULL, stale_s INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS reports_due ON reports (due_real);
CREATE TABLE IF NOT EXISTS sms (
  id INTEGER PRIMARY KEY AUTOINCREMENT, phone TEXT NOT NULL, sender TEXT NOT NULL,
  text TEXT NOT NULL, system_id TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
  done_at INTEGER, addresses TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sms_phone ON sms (phone, at);
CREATE TABLE IF NOT EXISTS receipts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, sms INTEGER NOT NULL, at INTEGER NOT NULL,
  state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS receipts_at ON receipts (at);
CREATE TABLE IF NOT EXISTS scripts (
  phone TEXT NOT NULL, channel TEXT NOT NULL, once INTEGER NOT NULL, script TEXT NOT NULL,
  PRIMARY KEY (phone, channel, once)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
  phone TEXT NOT NULL, word TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (phone, word)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (
  id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, method TEXT NOT NULL,
  phone TEXT NOT NULL, kind TEXT NOT NULL, arg ANY, remaining INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
  phone TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS log_phone ON log (phone, kind, id);
"""

FORGOTTEN = ("requests", "steps", "reports", "sms", "receipts", "scripts", "marks", "faults", "log")
"""What a reset empties. Counters of ids go on: an id is never used twice."""


text_of: Callable[[object], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode
"""A value as JSON without spaces."""


def _line_of(data: dict[str, object]) -> str:
    """The same of a flat object with plain names, in half of the time."""
    return "{" + ",".join([f'"{name}":{_flat(value)}' for name, value in data.items()]) + "}"


def _flat(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else text_of(value)


@dataclass(slots=True)
class Known:
    """What is known of the file without a look at it; nobody else writes to it."""

    facts: dict[str, Any] = field(default_factory=dict)
    """Those that were read or written; None: not there."""
    empty: set[str] = field(default_factory=set)
    """Tables without a row."""


class Tx:
    """One decision inside a group's transaction: reads, writes, and whom to wake after it."""

    def __init__(self, db: sqlite3.Connection, known: Known, wakes: set[str]) -> None:
        self._db = db
        self._known = known
        self._wakes = wakes
        self._settled: set[str] = set()
        self._lines: list[tuple[int, str, str, str]] = []
        """Of the log: written together."""

    def run(self, sql: str, *values: object) -> int:
        """Executes; returns the id of an inserted row."""
        return self._execute(sql, values).lastrowid or 0

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._execute(sql, values).fetchone()
        return row

    def row(self, sql: str, *values: object) -> sqlite3.Row:
        """The row that must be there; of a change, what `RETURNING` tells."""
        row = self.one(sql, *values)
        assert row is not None
        return row

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._execute(sql, values).fetchall()

    def _execute(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        if self._lines and " log" in sql:  # whoever looks at the log finds all of it
            self._write_log()
        return self._db.execute(sql, values)

    def many(self, sql: str, lines: Iterable[tuple[object, ...]]) -> None:
        """Executes once for each line."""
        self._db.executemany(sql, lines)

    def holds(self, table: str) -> bool:
        """Whether a table has any row; one that has none is looked at once until it is filled."""
        if table in self._known.empty:
            return False
        if self.one(f"SELECT 1 FROM {table} LIMIT 1") is None:  # noqa: S608 -- names of our own
            self._known.empty.add(table)
            return False
        return True

    def filled(self, table: str) -> None:
        """A row was put into a table that `holds` is asked of."""
        self._known.empty.discard(table)

    def fact(self, name: str) -> Any:
        facts = self._known.facts
        if name not in facts:
            row = self.one("SELECT value FROM facts WHERE name = ?", name)
            facts[name] = None if row is None else row["value"]
        return facts[name]

    def settle(self, name: str, value: object) -> None:
        """Writes a fact; None: forgets it."""
        self._known.facts[name] = value
        self._settled.add(name)

    def finish(self) -> None:
        """Writes the log, and the facts that were settled, once each."""
        self._write_log()
        for name in self._settled:
            value = self._known.facts[name]
            if value is None:
                self.run("DELETE FROM facts WHERE name = ?", name)
            else:
                self.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def wake(self, name: str) -> None:
        """Once this is durable, wake the worker that waits for `name`."""
        self._wakes.add(name)

    def log(self, at: int, kind: str, phone: str, **data: object) -> None:
        """One line of the truth log; whoever watches the inbox is told."""
        self._lines.append((at, kind, phone, _line_of(data)))
        self.wake("log")

    def _write_log(self) -> None:
        lines, self._lines = self._lines, []
        self.many("INSERT INTO log (at, kind, phone, data) VALUES (?, ?, ?, ?)", lines)


Decision = Callable[[Tx], T]


class Durable:
    """The file.

    A decision is a short function of `Tx`; all that have queued run in order in one transaction
    with one fsync. A decision that raises leaves the others untouched: the group is rolled back and
    each runs again alone, so decisions must have no effect outside the file. The event loop itself
    runs them and waits for the disk: whoever is connected waits for just that, and a thread beside
    the loop would cost more than a quick disk takes.
    """

    def __init__(self, path: Path) -> None:
        self._queue: deque[tuple[Decision[Any], asyncio.Future[Any]]] = deque()
        self._wakes: dict[str, asyncio.Event] = {}
        self._running: asyncio.Task[None] | None = None
        self._began_s = -GATHER_S
        self._known = Known()
        self._db = _open(path)

    async def do(self, decision: Decision[T]) -> T:
        """The decision's result, once it is durable. Raises what the decision raises."""
        return await self.soon(decision)

    def soon(self, decision: Decision[T]) -> asyncio.Future[T]:
        """`do` for those who do not wait for it in a task."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((decision, future))
        if self._running is None:
            self._running = loop.create_task(self._drain())
        return future

    def event(self, name: str) -> asyncio.Event:
        """Set whenever a decision woke `name`; its worker clears it."""
        return self._wakes.setdefault(name, asyncio.Event())

    async def close(self) -> None:
        while self._running is not None:
            await asyncio.wait({self._running})
        self._db.close()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                if (early_s := self._began_s + GATHER_S - loop.time()) > 0:
                    await asyncio.sleep(early_s)
                self._began_s = loop.time()
                size = min(BATCH_MAX, len(self._queue))
                group = [self._queue.popleft() for _ in range(size)]
                decisions = [decision for decision, _ in group]
                outcomes, wakes = self._group(decisions)
                for (_, future), (value, error) in zip(group, outcomes, strict=True):
                    _settle(future, value, error)
                for name in wakes:
                    self.event(name).set()
        finally:
            self._running = None

    def _group(self, decisions: list[Decision[Any]]) -> tuple[list[_Outcome], set[str]]:
        try:
            values, wakes = self._transaction(decisions)
            return [(value, None) for value in values], wakes
        except Exception as error:
            if len(decisions) == 1:
                return [(None, error)], set()
        outcomes: list[_Outcome] = []
        all_wakes: set[str] = set()
        for decision in decisions:
            one, wakes = self._group([decision])
            outcomes += one
            all_wakes |= wakes
        return outcomes, all_wakes

    def _transaction(self, decisions: list[Decision[Any]]) -> tuple[list[Any], set[str]]:
        wakes: set[str] = set()
        tx = Tx(self._db, self._known, wakes)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            values = [decision(tx) for decision in decisions]
            tx.finish()
            self._db.execute("COMMIT")
        except Exception:
            self._known = Known()
            self._db.execute("ROLLBACK")
            raise
        return values, wakes


_Outcome = tuple[Any, Exception | None]


def _settle(future: asyncio.Future[Any], value: object, error: Exception | None) -> None:
    if future.done():  # The caller has gone; what it asked for is stored all the same.
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    db.executescript(SCHEMA)
    return db
