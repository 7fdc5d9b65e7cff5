"""The store on PostgreSQL: any number of nodes on one database (D7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import asyncpg

from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.types import Observation
from kodgate.store import Recorded, batches, placing, sql, verifying
from kodgate.store.common import CommonStore
from kodgate.store.postgres_driver import Connection, run
from kodgate.store.postgres_ids import Blocks
from kodgate.store.postgres_lane import QUEUE_MAX, WORKERS, Lane
from kodgate.store.postgres_link import (
    BY_INDEX,
    PATIENT_S,
    Pool,
    connect,
    is_unsafe,
    pool,
    take_block,
    transact,
)
from kodgate.store.postgres_wakes import Wakes
from kodgate.store.program import Program

READERS = 4
CHANGERS = 4
"""Claims, looks for due work, confirms, accounts."""

LOOK_S = 60.0
"""Reports read more than a moment's worth; nobody waits for their locks."""
CLOSE_S = 10.0
VERSION_MIN = 14

DURABLE = {"synchronous_commit": "on", "fsync": "on", "full_page_writes": "on"}
"""A server that has other values is refused."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class PostgresStore(CommonStore):
    """`Store` on one PostgreSQL. Each lane has connections of its own, so that accepts never
    delay receipts, deadlines or status."""

    def __init__(self, url: str, *, queue_max: int = QUEUE_MAX) -> None:
        self._url = url
        self._queue_max = queue_max
        self._under_way: set[asyncio.Task[Any]] = set()
        self._pools: list[Pool] = []
        self.placing: Lane[Order, Placed | NotPlaced]
        self.recording: Lane[Observation, Recorded]
        self._wakes: Wakes = Wakes(url)

    async def open(self) -> None:
        """Raises RuntimeError where the schema or the durability is not as it must be,
        ConnectionError where the database does not answer."""
        await _check(self._url)
        self._readers = await self._pool(READERS, enable_seqscan="off")
        self._changers = await self._pool(CHANGERS, **BY_INDEX)
        self._patient, taking = await self._pool(1), await self._pool(1)
        self._ids = Blocks(lambda name, count: take_block(taking, name, count))
        self.placing = Lane(
            await self._pool(WORKERS, **BY_INDEX),
            apply=self._place,
            failed=_not_placed,
            queue_max=self._queue_max,
        )
        self.recording = Lane(
            await self._pool(WORKERS, **BY_INDEX),
            apply=self._advance,
            failed=self._faulty,
            queue_max=self._queue_max,
        )

    async def _pool(self, size: int, **settings: str) -> Pool:
        self._pools.append(await pool(self._url, size, **settings))
        return self._pools[-1]

    async def close(self) -> None:
        """Does what has queued, then ends."""
        await self.placing.stop()
        await self.recording.stop()
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._wakes.close()
        for one in self._pools:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await one.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                one.terminate()

    # The hot path

    async def accept(self, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
        answers = await self.placing.do(orders)
        self._tell_placed(orders, answers)
        return answers

    async def record(self, observations: Sequence[Observation]) -> list[Recorded]:
        answers = await self.recording.do(observations)
        self._tell_recorded(answers)
        return answers

    async def verify(self) -> list[str]:
        """Reads whole tables: with a connection of its own, and time."""
        return await self._surely(
            transact(
                self._patient,
                lambda connection: run(connection, verifying.verify(), self._ids),
                begin=sql.BEGIN_READING,
                seconds=PATIENT_S,
            )
        )

    # Within

    async def _change(self, make: Callable[[], Program[T]]) -> T:
        return await self._surely(
            transact(self._changers, lambda connection: run(connection, make(), self._ids))
        )

    async def _look(self, make: Callable[[], Program[T]]) -> T:
        return await self._surely(
            transact(
                self._readers,
                lambda connection: run(connection, make(), self._ids),
                begin=sql.BEGIN_READING,
                seconds=LOOK_S,
            )
        )

    async def _surely(self, work: Coroutine[Any, Any, T]) -> T:
        """To its end, though the caller goes away: a cancelled commit is in doubt."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    def _place(
        self, connection: Connection, orders: Sequence[Order]
    ) -> Awaitable[list[Placed | NotPlaced]]:
        return run(connection, batches.place(orders), self._ids)

    def _advance(
        self, connection: Connection, observations: Sequence[Observation]
    ) -> Awaitable[list[Recorded]]:
        return run(connection, batches.advance(observations), self._ids)

    async def _faulty(
        self, connection: Connection, seen: Observation, error: Exception
    ) -> Recorded:
        broken = isinstance(error, AssertionError | asyncpg.IntegrityConstraintViolationError)
        return await run(connection, batches.refuse(seen, error, broken=broken), self._ids)


async def _not_placed(_connection: Connection, order: Order, error: Exception) -> NotPlaced:
    log.error("an order of account %s was refused: %s", order.account_id, type(error).__name__)
    return placing.UNAVAILABLE


async def _check(url: str) -> None:
    try:
        connection = await connect(url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    try:
        await _check_server(connection, unsafe=is_unsafe(url))
        await _check_schema(connection)
    finally:
        await connection.close()


async def _check_server(connection: Connection, *, unsafe: bool) -> None:
    if connection.get_server_version().major < VERSION_MIN:
        raise RuntimeError(f"PostgreSQL {VERSION_MIN} or newer is needed")
    if await connection.fetchval("select pg_is_in_recovery()"):
        raise RuntimeError(
            "this server is a standby: name the primary, or all hosts with"
            " target_session_attrs=read-write"
        )
    for name, wanted in DURABLE.items():
        found = await connection.fetchval("select current_setting($1)", name)
        if found != wanted and not (unsafe and name == "fsync"):
            raise RuntimeError(f"the server must have {name} = {wanted}: it is {found}")


async def _check_schema(connection: Connection) -> None:
    try:
        found = [
            row[0] for row in await connection.fetch("select version_num from alembic_version")
        ]
    except asyncpg.UndefinedTableError:
        raise RuntimeError("the database has no tables yet: `kodgate db upgrade`") from None
    if found != [sql.REVISION]:
        raise RuntimeError(f"the database has version {found}, this is {sql.REVISION}: migrate it")
