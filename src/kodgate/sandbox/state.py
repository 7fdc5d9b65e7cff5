"""What the sandbox remembers: one SQLite file, durable before an answer leaves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

BATCH_MAX = 512
"""Decisions in one transaction; what has queued behind them goes into the next."""
GATHER_S = 0.004
"""After a transaction of several decisions: the next one takes what comes in this time."""

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


class Tx:
    """One decision inside a group's transaction: reads, writes, and whom to wake after it."""

    def __init__(self, db: sqlite3.Connection, wakes: set[str]) -> None:
        self._db = db
        self._wakes = wakes
        self._facts: dict[str, Any] = {}
        """Those that were read or written; None: not there."""
        self._settled: set[str] = set()
        self._empty: set[str] = set()
        """Tables without a row."""

    def run(self, sql: str, *values: object) -> int:
        """Executes; returns the id of an inserted row."""
        return self._db.execute(sql, values).lastrowid or 0

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def row(self, sql: str, *values: object) -> sqlite3.Row:
        """The row that must be there; of a change, what `RETURNING` tells."""
        row = self.one(sql, *values)
        assert row is not None
        return row

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def many(self, sql: str, lines: Iterable[tuple[object, ...]]) -> None:
        """Executes once for each line."""
        self._db.executemany(sql, lines)

    def holds(self, table: str) -> bool:
        """Whether a table has any row; one that has none is looked at once a transaction."""
        if table in self._empty:
            return False
        if self.one(f"SELECT 1 FROM {table} LIMIT 1") is None:  # noqa: S608 -- names of our own
            self._empty.add(table)
            return False
        return True

    def filled(self, table: str) -> None:
        """A row was put into a table that `holds` is asked of."""
        self._empty.discard(table)

    def fact(self, name: str) -> Any:
        if name not in self._facts:
            row = self.one("SELECT value FROM facts WHERE name = ?", name)
            self._facts[name] = None if row is None else row["value"]
        return self._facts[name]

    def settle(self, name: str, value: object) -> None:
        """Writes a fact; None: forgets it."""
        self._facts[name] = value
        self._settled.add(name)

    def finish(self) -> None:
        """Writes the facts that were settled, once each."""
        for name in self._settled:
            if self._facts[name] is None:
                self.run("DELETE FROM facts WHERE name = ?", name)
            else:
                self.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, self._facts[name])

    def wake(self, name: str) -> None:
        """Once this is durable, wake the worker that waits for `name`."""
        self._wakes.add(name)

    def log(self, at: int, kind: str, phone: str, **data: object) -> None:
        """One line of the truth log; whoever watches the inbox is told."""
        self.run(
            "INSERT INTO log (at, kind, phone, data) VALUES (?, ?, ?, ?)",
            at,
            kind,
            phone,
            text_of(data),
        )
        self.wake("log")


Decision = Callable[[Tx], T]


class Durable:
    """The file, and the thread that waits for its disk.

    A decision is a short function of `Tx`; all that have queued run in order in one transaction
    with one fsync. A decision that raises leaves the others untouched: the group is rolled back and
    each runs again alone, so decisions must have no effect outside the file. They run in the event
    loop: a thread beside it would wait for the interpreter after each of their statements.
    """

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "sandbox-state")
        self._queue: deque[tuple[Decision[Any], asyncio.Future[Any]]] = deque()
        self._wakes: dict[str, asyncio.Event] = {}
        self._running: asyncio.Task[None] | None = None
        self._db = _open(path)

    async def do(self, decision: Decision[T]) -> T:
        """The decision's result, once it is durable. Raises what the decision raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((decision, future))
        if self._running is None:
            self._running = loop.create_task(self._drain())
        return await future

    def event(self, name: str) -> asyncio.Event:
        """Set whenever a decision woke `name`; its worker clears it."""
        return self._wakes.setdefault(name, asyncio.Event())

    async def close(self) -> None:
        while self._running is not None:
            await asyncio.wait({self._running})
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

    async def _drain(self) -> None:
        try:
            while self._queue:
                size = min(BATCH_MAX, len(self._queue))
                group = [self._queue.popleft() for _ in range(size)]
                decisions = [decision for decision, _ in group]
                outcomes, wakes = await self._group(decisions)
                for (_, future), (value, error) in zip(group, outcomes, strict=True):
                    _settle(future, value, error)
                for name in wakes:
                    self.event(name).set()
                if size > 1:
                    await asyncio.sleep(GATHER_S)
        finally:
            self._running = None

    async def _group(self, decisions: list[Decision[Any]]) -> tuple[list[_Outcome], set[str]]:
        try:
            values, wakes = await self._transaction(decisions)
            return [(value, None) for value in values], wakes
        except Exception as error:
            if len(decisions) == 1:
                return [(None, error)], set()
        outcomes: list[_Outcome] = []
        all_wakes: set[str] = set()
        for decision in decisions:
            one, wakes = await self._group([decision])
            outcomes += one
            all_wakes |= wakes
        return outcomes, all_wakes

    async def _transaction(self, decisions: list[Decision[Any]]) -> tuple[list[Any], set[str]]:
        wakes: set[str] = set()
        tx = Tx(self._db, wakes)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            values = [decision(tx) for decision in decisions]
            tx.finish()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._db.execute, "COMMIT")
        except Exception:
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
    db = sqlite3.connect(path, isolation_level=None, cached_statements=256, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    db.executescript(SCHEMA)
    return db
