"""Group commit on PostgreSQL: whatever waits in a lane goes into its next transaction (D6)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kodgate.store import Unavailable
from kodgate.store.postgres_driver import Connection
from kodgate.store.postgres_link import Pool, is_item_fault, transact

BATCH_MAX = 512
"""Items of one transaction."""

QUEUE_MAX = 20_000
"""Items that may wait; past it callers hear `Unavailable` before any work is done."""

WORKERS = 2
"""A second transaction is begun while batches stay full: one works while the other syncs."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    future: asyncio.Future[list[Result]]


class Lane(Generic[Item, Result]):
    """Takes calls from one event loop; calls are done in order, items within them too."""

    def __init__(
        self,
        pool: Pool,
        *,
        apply: Callable[[Connection, Sequence[Item]], Awaitable[list[Result]]],
        failed: Callable[[Connection, Item, Exception], Awaitable[Result]],
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """`apply`: items -> results, one each, all or nothing; `failed`: what an item answers
        that fails alone."""
        self._pool = pool
        self._apply = apply
        self._failed = failed
        self._queue_max = queue_max
        self._calls: deque[_Call[Item, Result]] = deque()
        self._waiting = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0
        self._stopping = False
        self.commits = 0
        """Transactions that were committed; for tests and metrics."""

    async def do(self, items: Sequence[Item]) -> list[Result]:
        """Results after they are durable. Raises Unavailable, InDoubt."""
        if not items:
            return []
        if self._stopping or self._waiting + len(items) > self._queue_max:
            raise Unavailable("too much is waiting to be written")
        call: _Call[Item, Result] = _Call(items, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._waiting += len(items)
        if self._working == 0 or (self._working < WORKERS and self._waiting > BATCH_MAX):
            self._working += 1
            worker = asyncio.create_task(self._run())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await call.future

    async def stop(self) -> None:
        """Does what has queued, then takes no more."""
        self._stopping = True
        while self._workers:
            await asyncio.gather(*self._workers)

    async def _run(self) -> None:
        try:
            while self._calls:
                await self._write(self._take())
        finally:
            self._working -= 1  # in the same step in which nothing was found

    async def _write(self, calls: list[_Call[Item, Result]]) -> None:
        try:
            results = await transact(self._pool, self._together(calls))
            assert len(results) == sum(len(call.items) for call in calls)
        except Exception as error:
            for call in calls:
                _fail(call, error)
        else:
            self.commits += 1
            _answer(calls, results)

    def _take(self) -> list[_Call[Item, Result]]:
        """At least one call, then as long as the batch is not full."""
        taken = [self._calls.popleft()]
        items = len(taken[0].items)
        while self._calls and items + len(self._calls[0].items) <= BATCH_MAX:
            taken.append(self._calls.popleft())
            items += len(taken[-1].items)
        self._waiting -= items
        return taken

    def _together(
        self, calls: list[_Call[Item, Result]]
    ) -> Callable[[Connection], Awaitable[list[Result]]]:
        items = [item for call in calls for item in call.items]
        whole = True

        async def work(connection: Connection) -> list[Result]:
            """At once; when that has failed, again with every fault fenced in."""
            nonlocal whole
            if not whole:
                return await self._fenced(connection, items)
            try:
                return await self._apply(connection, items)
            except Exception as error:
                if not is_item_fault(error):
                    raise
                whole = False
                await connection.execute("rollback; begin")
                return await self._fenced(connection, items)

        return work

    async def _fenced(self, connection: Connection, items: Sequence[Item]) -> list[Result]:
        """Halves what fails until single items have failed."""
        await connection.execute("savepoint item")
        try:
            results = await self._apply(connection, items)
        except Exception as error:
            if not is_item_fault(error):
                raise
            await connection.execute("rollback to item; release item")
            if len(items) == 1:
                return [await self._failed(connection, items[0], error)]
            middle = len(items) // 2
            first = await self._fenced(connection, items[:middle])
            return first + await self._fenced(connection, items[middle:])
        await connection.execute("release item")
        return results


def _answer(calls: list[_Call[Item, Result]], results: list[Result]) -> None:
    place = 0
    for call in calls:
        if not call.future.done():
            call.future.set_result(results[place : place + len(call.items)])
        place += len(call.items)


def _fail(call: _Call[Item, Result], error: Exception) -> None:
    if not call.future.done():
        call.future.set_exception(type(error)(*error.args))
        call.future.exception()  # seen: its caller may have gone
