"""PostgreSQL: the conformance suite, and what only this database can show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kodgate.store.postgres import PostgresStore
from kodgate.store.postgres_link import connect

from .cluster import Cluster
from .conformance import *  # noqa: F403

BreakLedger = Callable[[int], Awaitable[None]]


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database of the newest schema."""
    return cluster.fresh()


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def break_ledger(url: str) -> BreakLedger:
    """Puts a refund into the ledger that no decision made."""

    async def break_it(message_id: int) -> None:
        db = await connect(url)
        await db.execute(
            "insert into transfer (account_id, at, kind, debit, credit, amount, customer,"
            " balance_after, packet_id, message_id, attempt, document, comment)"
            " select account_id, at, 'refund', credit, debit, amount, amount, 0, packet_id,"
            " message_id, 0, '', '' from transfer where message_id = $1 and kind = 'charge'",
            message_id,
        )
        await db.close()

    return break_it
