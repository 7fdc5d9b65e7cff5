"""One thread that writes: whatever has queued goes into one transaction, one fsync (D6)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable

BATCH_MAX = 512
"""Items (orders, observations, other calls) of one lane in one transaction."""

LAST_BATCH_MAX = 128
"""The same of the lane that comes last: its share of the time is bounded, so that receipts and
deadlines never wait for more than this many accepts."""

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
        queue_max: int = QUEUE_MAX,
        between: Callable[[sqlite3.Connection], None] = _nothing,
    ) -> None:
        """`between`: done after the callers of a transaction were told, before the next one."""
        self._connect = connect
        self._queue_max = queue_max
        self._between = between
        self._lanes: dict[bool, deque[_Call]] = {False: deque(), True: deque()}
        self._waiting = 0
        self._ready = threading.Condition()
        self._stopping = False
        self._connection: sqlite3.Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="kodgate-writer", daemon=True)
        self.commits = 0
        """Transactions that were committed; for tests and metrics."""

    def start(self) -> None:
        """Connects in the caller's thread, so that a bad database is told at once."""
        self._connection = self._connect()
        self._thread.start()

    async def stop(self) -> None:
        """Does what has queued, then ends."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        await asyncio.to_thread(self._thread.join)

    async def do(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Results after they are durable. Raises Unavailable, InDoubt, or what the work raised."""
        if not items:
            return []
        call = _Call(work, items, self._loop.create_future())
        with self._ready:
            if self._stopping or self._waiting + len(items) > self._queue_max:
                raise Unavailable("too much is waiting to be written")
            self._waiting += len(items)
            self._lanes[work.last].append(call)
            self._ready.notify()
        return await call.future

    def _run(self) -> None:
        while calls := self._take():
            self._write(calls)
            try:
                self._loop.call_soon_threadsafe(_resolve, calls)
            except RuntimeError:  # the loop has been closed: nobody waits any more
                log.warning("an event loop ended before its writes did")
            if self._connection is not None:
                self._between(self._connection)
        if self._connection is not None:
            self._connection.close()

    def _take(self) -> list[_Call]:
        """The next batch, urgent lane first; empty: the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._waiting or self._stopping)
            calls = [
                *_drain(self._lanes[False], BATCH_MAX),
                *_drain(self._lanes[True], LAST_BATCH_MAX),
            ]
            self._waiting -= sum(len(call.items) for call in calls)
            return calls

    def _write(self, calls: list[_Call]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("begin immediate")
            for group in _neighbours(calls):
                _apply(self._connection, group)
        except Exception as error:
            self._give_up(calls, Unavailable(_word(error)), error)
            return
        self._commit(self._connection, calls)

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
