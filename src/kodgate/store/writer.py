"""Group commit on SQLite: whatever has queued goes into one transaction, one fsync (D6).

Waiting is done in a thread: for the database's lock, for the disk. What is short is applied in the
event loop between the two, since a thread that works beside a busy loop waits for the interpreter
after each of its statements, and makes the loop wait as often.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable
from kodgate.store.turns import Turns

BATCH_MAX = 512
"""Items (orders, observations, other calls) of one lane in one transaction."""

LAST_BATCH_MAX = 128
"""The same of the lane that comes last: its share of the time is bounded, so that receipts and
deadlines never wait for more than this many accepts."""

SHORT_MAX = 192
"""Items that the event loop applies at once; a larger batch is left to the thread."""

QUEUE_MAX = 20_000
"""Items that may wait; past it callers hear `Unavailable` before any work is done."""

IN_DOUBT = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""A COMMIT that ends so may have reached the disk; with any other error it certainly has not."""

_ITEM_FAULTS = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_ERROR,
    }
)
"""Errors of one statement; all others are the database's, and concern the whole batch."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """A kind of work. Neighbouring calls of the same kind are done as one."""

    apply: Callable[[sqlite3.Connection, Sequence[Any]], list[Any]]
    """Items -> results, one each, all or nothing."""
    failed: Callable[[sqlite3.Connection, Any, Exception], Any] | None = None
    """What an item answers that fails alone; None: its caller gets the exception."""
    short: bool = False
    """An item takes some 0.1 ms at most."""
    last: bool = False
    """After everything else of the batch: accepts never delay receipts and deadlines."""


@dataclass(slots=True, eq=False)
class _Call:
    work: Work
    items: Sequence[Any]
    future: asyncio.Future[list[Any]]
    results: list[Any] | None = None
    error: Exception | None = None


def _nothing(connection: sqlite3.Connection) -> None:
    """The default `between`."""


class Writer:
    """Takes calls from one event loop and commits them in groups."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        turns: Turns,
        queue_max: int = QUEUE_MAX,
        between: Callable[[sqlite3.Connection], None] = _nothing,
    ) -> None:
        """`connect`: connections that do not wait for locks themselves. `between`: done after the
        callers of a transaction were told, before the next one."""
        self._connect = connect
        self._turns = turns
        self._queue_max = queue_max
        self._between = between
        self._lanes: dict[bool, deque[_Call]] = {False: deque(), True: deque()}
        self._waiting = 0
        self._stopping = False
        self._connection: sqlite3.Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kodgate-writer")
        self._writing: asyncio.Task[None] | None = None
        self.commits = 0
        """Transactions that were committed; for tests and metrics."""

    def start(self) -> None:
        """Connects in the caller's thread, so that a bad database is told at once."""
        self._connection = self._connect()

    async def stop(self) -> None:
        """Does what has queued, then ends."""
        self._stopping = True
        if self._writing is not None:
            await self._writing
        if self._connection is not None:
            await self._loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()
        self._turns.close()

    async def do(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Results after they are durable. Raises Unavailable, InDoubt, or what the work raised."""
        if not items:
            return []
        if self._stopping or self._waiting + len(items) > self._queue_max:
            raise Unavailable("too much is waiting to be written")
        call = _Call(work, items, self._loop.create_future())
        self._waiting += len(items)
        self._lanes[work.last].append(call)
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())
        return await call.future

    async def _write(self) -> None:
        """One transaction after the other, until nothing waits."""
        in_thread, begun = self._loop.run_in_executor, False
        try:
            while self._waiting:
                error = None if begun else await in_thread(self._thread, self._begin)
                calls = self._take()
                if error is None and _are_short(calls):
                    error = self._apply(calls)
                elif error is None:
                    error = await in_thread(self._thread, self._apply, calls)
                begun = await in_thread(self._thread, self._end, calls, error)
        finally:
            self._writing = None

    def _take(self) -> list[_Call]:
        """The next batch, urgent lane first."""
        calls = [
            *_drain(self._lanes[False], BATCH_MAX),
            *_drain(self._lanes[True], LAST_BATCH_MAX),
        ]
        self._waiting -= sum(len(call.items) for call in calls)
        return calls

    def _begin(self) -> Exception | None:
        """Waits for the lock that other processes may hold. None: there is a transaction."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._turns.begin(self._connection)
        except Exception as error:
            return error
        return None

    def _apply(self, calls: list[_Call]) -> Exception | None:
        assert self._connection is not None
        try:
            for group in _neighbours(calls):
                _apply(self._connection, group)
        except Exception as error:
            return error
        return None

    def _end(self, calls: list[_Call], error: Exception | None) -> bool:
        """Commits and tells the callers. True: the next transaction has begun."""
        if error is not None:
            self._give_up(calls, Unavailable(_word(error)), error)
        else:
            assert self._connection is not None
            self._commit(self._connection, calls)
        try:
            self._loop.call_soon_threadsafe(_resolve, calls)
        except RuntimeError:  # the loop has been closed: nobody waits any more
            log.warning("an event loop ended before its writes did")
            return False
        if self._connection is None:
            return False
        self._between(self._connection)
        return self._waiting > 0 and self._begin() is None

    def _commit(self, connection: sqlite3.Connection, calls: list[_Call]) -> None:
        try:
            connection.execute("commit")
        except sqlite3.Error as error:
            doubtful = _code(error) in IN_DOUBT
            told = InDoubt(_word(error)) if doubtful else Unavailable(_word(error))
            self._give_up(calls, told, error)
        else:
            self.commits += 1

    def _give_up(self, calls: list[_Call], told: Exception, error: Exception) -> None:
        """Everything is rolled back; the connection is opened anew with the next batch, so that a
        disk which has room again, or is writable again, is used again."""
        log.error("a transaction failed: %s", _word(error))
        for call in calls:
            call.results, call.error = None, type(told)(*told.args)
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)


def _are_short(calls: list[_Call]) -> bool:
    items = sum(len(call.items) for call in calls)
    return items <= SHORT_MAX and all(call.work.short for call in calls)


def _drain(lane: deque[_Call], most: int) -> Iterable[_Call]:
    """At least one call, if there is one, then as long as the batch is not full."""
    items = 0
    while lane and (items == 0 or items + len(lane[0].items) <= most):
        items += max(1, len(lane[0].items))
        yield lane.popleft()


def _neighbours(calls: list[_Call]) -> Iterable[list[_Call]]:
    group: list[_Call] = []
    for call in calls:
        if group and group[-1].work is not call.work:
            yield group
            group = []
        group.append(call)
    if group:
        yield group


def _apply(connection: sqlite3.Connection, group: list[_Call]) -> None:
    """Does a group at once; if that fails, each item alone."""
    work = group[0].work
    items = [item for call in group for item in call.items]
    try:
        results = _in_savepoint(connection, work, items)
    except _Faulty:
        for call in group:
            _apply_alone(connection, call)
        return
    place = 0
    for call in group:
        call.results = results[place : place + len(call.items)]
        place += len(call.items)


def _apply_alone(connection: sqlite3.Connection, call: _Call) -> None:
    call.results = []
    for item in call.items:
        try:
            call.results += _in_savepoint(connection, call.work, [item])
        except _Faulty as faulty:
            if call.work.failed is None:
                call.error = faulty.error
            else:
                call.results.append(call.work.failed(connection, item, faulty.error))


class _Faulty(Exception):
    """The work itself is at fault, not the database."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _in_savepoint(connection: sqlite3.Connection, work: Work, items: Sequence[Any]) -> list[Any]:
    connection.execute("savepoint item")
    try:
        results = work.apply(connection, items)
        assert len(results) == len(items)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and _code(error) not in _ITEM_FAULTS:
            raise
        if not connection.in_transaction:
            raise
        connection.execute("rollback to item")
        connection.execute("release item")
        raise _Faulty(error) from error
    connection.execute("release item")
    return results


def _code(error: sqlite3.Error) -> int:
    """The primary result code; errors of the driver itself have none."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def _word(error: Exception) -> str:
    """For logs: no values, which might be codes or phones."""
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _close(connection: sqlite3.Connection) -> None:
    try:
        connection.rollback()
        connection.close()
    except sqlite3.Error:
        log.warning("a broken connection did not close cleanly")


def _resolve(calls: list[_Call]) -> None:
    for call in calls:
        if call.future.done():
            continue
        if call.error is not None:
            call.future.set_exception(call.error)
        else:
            assert call.results is not None
            call.future.set_result(call.results)
