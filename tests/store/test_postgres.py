"""PostgreSQL: the conformance suite, and what only this database can show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from kodgate.core.accounts import Account
from kodgate.core.errors import InDoubt
from kodgate.core.life import Verdict
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.types import Event, Observation, State
from kodgate.store import Unavailable, batches, migrate, open_store, schema, sql
from kodgate.store.postgres import PostgresStore
from kodgate.store.postgres_driver import Connection, run
from kodgate.store.postgres_link import SILENT_S, UNSAFE, connect, pool, transact

from .cluster import Cluster
from .conformance import *  # noqa: F403
from .kit import (
    DAY,
    FUNDS,
    NOW,
    ONLY_SMS,
    SECOND,
    TELE,
    TELEGRAM,
    account,
    claim,
    fresh,
    observe,
    order,
    place,
    refuse,
    row,
    sent,
)


class Counting:
    """A connection that counts what it asks the server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._connection, name)


BreakLedger = Callable[[int], Awaitable[None]]


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database of the newest schema."""
    return cluster.fresh()


@pytest.fixture
def bare_url(cluster: Cluster) -> str:
    """A database without tables."""
    return cluster.empty()


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other_node(store: PostgresStore, url: str) -> AsyncIterator[PostgresStore]:
    other = PostgresStore(url)
    await other.open()
    yield other
    await other.close()


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


# The database is what it must be


async def test_a_server_that_does_not_sync_its_log_is_refused(cluster: Cluster, url: str) -> None:
    cluster.needs_own()
    with pytest.raises(RuntimeError, match="fsync"):
        await PostgresStore(url.replace(f"{UNSAFE}=1", "")).open()


async def test_commits_wait_for_the_disk_whatever_the_url_says(
    store: PostgresStore, url: str
) -> None:
    db = await connect(f"{url}&synchronous_commit=off" if "?" in url else url)
    assert await db.fetchval("show synchronous_commit") == "on"
    assert await db.fetchval("show statement_timeout") == "0"
    await db.close()


async def test_a_database_without_tables_is_refused(bare_url: str) -> None:
    with pytest.raises(RuntimeError, match="db upgrade"):
        await PostgresStore(bare_url).open()


async def test_a_database_of_another_version_is_refused(url: str) -> None:
    db = await connect(url)
    await db.execute("update alembic_version set version_num = '0000'")
    await db.close()
    with pytest.raises(RuntimeError, match="migrate"):
        await PostgresStore(url).open()


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    url = f"postgresql://alice@/none?host={tmp_path}"
    with pytest.raises(ConnectionError):
        await open_store(url).open()
    with pytest.raises(ConnectionError):
        await asyncio.to_thread(migrate, url)


async def test_nodes_that_start_together_migrate_once(bare_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, bare_url) for _ in range(3)))
    store = PostgresStore(bare_url)
    await store.open()
    await place(store, order(await account(store)))
    await store.close()


async def test_metadata_and_migrations_agree_here_too(url: str) -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url))
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda one: compare_metadata(MigrationContext.configure(one), schema.metadata)
        )
    await engine.dispose()
    assert found == []


def test_every_statement_of_this_database_stands_for_a_shared_one() -> None:
    shared = {value for name, value in vars(sql).items() if isinstance(value, str)}
    assert set(sql.POSTGRES) <= shared


# Group commit


async def test_concurrent_calls_share_one_commit(store: PostgresStore) -> None:
    alice = await account(store)
    before = store.placing.commits
    await asyncio.gather(*(place(store, numbered(alice, n)) for n in range(50)))
    assert store.placing.commits - before <= 2


def numbered(owner: Account | int, number: int, **more: Any) -> Order:
    return order(owner, phone=f"7912{number:07d}", **more)


async def test_a_full_queue_is_unavailable_before_any_work(url: str) -> None:
    store = PostgresStore(url, queue_max=3)
    await store.open()
    alice = await account(store)
    calls = (store.accept([order(alice)]) for _ in range(5))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers[3:]] == [Unavailable, Unavailable]
    assert (await fresh(store, alice)).balance == FUNDS - 3 * TELEGRAM
    await store.close()


async def test_a_caller_that_went_away_harms_nobody(store: PostgresStore) -> None:
    alice = await account(store)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(store.accept([order(alice)]), 0.0001)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(store.put("clock", "1"), 0.0001)
    await place(store, order(alice))
    assert await store.verify() == []


async def test_poison_among_many_is_refused_alone(store: PostgresStore) -> None:
    alice = await account(store)
    poison = {3, 40, 41}
    orders = [numbered(alice, n, **({"zone": "nine"} if n in poison else {})) for n in range(64)]
    answers = await store.accept(orders)
    assert {n for n, answer in enumerate(answers) if isinstance(answer, NotPlaced)} == poison
    assert await store.verify() == []


async def test_a_nul_in_a_text_is_refused_alone(store: PostgresStore) -> None:
    alice = await account(store)
    bad, good = await store.accept([order(alice, user_packet_id="a\0b"), order(alice)])
    assert bad == NotPlaced(error="UNAVAILABLE")
    assert isinstance(good, Placed)


async def test_the_same_id_twice_in_one_batch_past_the_look_back_is_taken(
    store: PostgresStore,
) -> None:
    alice = await account(store)
    first = order(alice, user_message_id="m1", unique_days=1)
    _, second = await place(store, first, replace(first, at=NOW + 2 * DAY))
    refused = await refuse(store, replace(first, at=NOW + 2 * DAY))
    assert refused.packet_id == second.packet_id


# What fails


async def backends(url: str, query: str) -> list[int]:
    """Processes of the server whose last statement is like this, once there are any."""
    db = await connect(url)
    try:
        for _ in range(500):
            found = await db.fetch(
                "select pid from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and state = 'active' and query ilike $1",
                query,
            )
            if found:
                return [row[0] for row in found]
            await asyncio.sleep(0.01)
        raise AssertionError("nobody runs this")
    finally:
        await db.close()


async def signal_all(url: str, function: str, query: str) -> None:
    for pid in await backends(url, query):
        db = await connect(url)
        await db.execute(f"select {function}({pid})")
        await db.close()


async def test_a_connection_lost_before_commit_is_unavailable(
    store: PostgresStore, url: str
) -> None:
    alice = await account(store)
    holder = await connect(url)
    await holder.execute("begin; select 1 from account for update")
    waiting = asyncio.create_task(store.accept([order(alice)]))
    await signal_all(url, "pg_terminate_backend", "%from account where id%")
    with pytest.raises(Unavailable):
        await waiting
    await holder.close()
    (placed,) = await place(store, order(alice))
    assert placed.balance_before == FUNDS
    assert await store.verify() == []


async def test_a_node_that_hangs_in_a_transaction_stops_the_others_for_seconds_only(
    store: PostgresStore, url: str
) -> None:
    alice = await account(store)
    hanging = await connect(url)
    await hanging.execute("begin; select 1 from account for update")
    async with asyncio.timeout(SILENT_S + 5):
        await place(store, order(alice))
    hanging.terminate()


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_that_no_standby_has_confirmed_is_in_doubt(
    cluster: Cluster, store: PostgresStore, url: str, function: str
) -> None:
    cluster.needs_own()
    alice = await account(store)
    await place(store, order(alice))  # the block of ids is there
    await asyncio.to_thread(cluster.set, "synchronous_standby_names", "nobody")
    try:
        waiting = asyncio.create_task(store.accept([order(alice)]))
        await signal_all(url, function, "commit")
        with pytest.raises(InDoubt):
            await waiting
    finally:
        await asyncio.to_thread(cluster.set, "synchronous_standby_names", "")
    (placed,) = await place(store, order(alice))
    assert placed.balance_before == FUNDS - 2 * TELEGRAM  # it had been stored, here
    assert await store.verify() == []


async def test_a_repeat_is_not_told_of_a_packet_that_no_standby_has(
    cluster: Cluster, store: PostgresStore, url: str
) -> None:
    """It may be here alone, and who repeats takes our answer for a yes (G-5). To lock the account's
    row is to write, so that this commit waits too."""
    cluster.needs_own()
    alice = await account(store)
    await place(store, order(alice))  # the block of ids is there
    asked = order(alice, user_message_id="m1", unique_days=1)
    await asyncio.to_thread(cluster.set, "synchronous_standby_names", "nobody")
    try:
        waiting = asyncio.create_task(store.accept([asked]))
        await signal_all(url, "pg_cancel_backend", "commit")
        with pytest.raises(InDoubt):
            await waiting
        repeat = asyncio.create_task(store.accept([asked]))
        await backends(url, "commit")
        await asyncio.sleep(0.2)
        assert not repeat.done()
    finally:
        await asyncio.to_thread(cluster.set, "synchronous_standby_names", "")
    (refused,) = await repeat
    assert isinstance(refused, NotPlaced)
    assert (refused.error, refused.packet_id is not None) == ("DUPLICATE", True)


async def test_a_caller_that_goes_away_does_not_cancel_a_commit(
    cluster: Cluster, store: PostgresStore, url: str
) -> None:
    cluster.needs_own()
    await asyncio.to_thread(cluster.set, "synchronous_standby_names", "nobody")
    try:
        waiting = asyncio.create_task(store.put("clock", "1"))
        await backends(url, "commit")
        waiting.cancel()
        await asyncio.sleep(0.2)
        assert len(await backends(url, "commit")) == 1
    finally:
        await asyncio.to_thread(cluster.set, "synchronous_standby_names", "")
    assert await store.get("clock") == "1"


async def test_a_deadlock_is_tried_again(store: PostgresStore, url: str) -> None:
    alice, bob = await account(store), await account(store, "bob")
    lane = await pool(url, 2)
    both = asyncio.Barrier(2)
    met = []

    async def take(first: int, second: int) -> None:
        async def work(db: Connection) -> None:
            await db.execute("set local deadlock_timeout = '10ms'")
            await db.fetch("select 1 from account where id = $1 for update", first)
            if len(met) < 2:
                met.append(first)
                await both.wait()
            await db.fetch("select 1 from account where id = $1 for update", second)

        await transact(lane, work)

    await asyncio.gather(take(alice.id, bob.id), take(bob.id, alice.id))
    await lane.close()


async def test_receipts_do_not_wait_for_accepts(store: PostgresStore, url: str) -> None:
    """Of a message whose money does not move; and status, and claims."""
    alice = await account(store)
    (placed,) = await place(store, order(alice))
    holder = await connect(url)
    await holder.execute("begin; select 1 from account for update")
    accepting = asyncio.create_task(store.accept([order(alice)]))
    await backends(url, "%from account where id%")
    (claimed,) = await claim(store)
    seen = await observe(
        store, message_id=claimed.message.id, epoch=1, events=(Event.ACCEPTED,), provider_id="x"
    )
    assert seen.words == ("sent",)
    assert (await store.packet(alice.id, packet_id=placed.packet_id)) is not None
    assert not accepting.done()
    await holder.execute("commit")
    await holder.close()
    await accepting


# Several nodes


async def test_a_batch_of_accepts_asks_the_server_three_times(
    store: PostgresStore, url: str
) -> None:
    """Money under lock, then what else is looked at, then all that is written."""
    alice, bob = await account(store), await account(store, "bob")
    asked = {"unique_days": 7, "code_generated": True, "per_phone_day": 5}
    orders = [order(who, user_message_id="m1", **asked) for who in (alice, bob)]
    connection = await connect(url)
    counting = Counting(connection)
    answers = await run(counting, batches.place(orders), store._ids)
    await connection.close()
    assert all(isinstance(answer, Placed) for answer in answers)
    assert counting.asked == 3


@pytest.fixture
def nodes(store: PostgresStore, other_node: PostgresStore) -> tuple[PostgresStore, ...]:
    """Two of them, on one database."""
    return store, other_node


Nodes = tuple[PostgresStore, PostgresStore]


async def test_nodes_that_race_with_one_users_id_accept_it_once(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    for n in range(20):
        one = order(alice, user_message_id=f"m{n}", unique_days=7)
        answers = [a for (a,) in await asyncio.gather(*(node.accept([one]) for node in nodes))]
        placed = [a for a in answers if isinstance(a, Placed)]
        refused = [a for a in answers if isinstance(a, NotPlaced)]
        assert len(placed) == len(refused) == 1
        assert (refused[0].error, refused[0].packet_id) == ("DUPLICATE", placed[0].packet_id)
    assert await nodes[0].verify() == []


async def test_nodes_spend_no_money_twice(nodes: Nodes) -> None:
    alice = await account(nodes[0], funds=10 * TELEGRAM)
    orders = [numbered(alice, n, plan=TELE) for n in range(60)]
    calls = (nodes[n % 2].accept([one]) for n, one in enumerate(orders))
    placed = [a for (a,) in await asyncio.gather(*calls) if isinstance(a, Placed)]
    assert len(placed) == len({p.packet_id for p in placed}) == 10
    assert (await fresh(nodes[0], alice)).balance == 0
    assert await nodes[0].verify() == []


async def test_ids_are_never_given_again(nodes: Nodes, url: str) -> None:
    alice = await account(nodes[0])
    placed = [(await place(node, order(alice)))[0] for node in (*nodes, *nodes)]
    third = PostgresStore(url)
    await third.open()
    placed += await place(third, order(alice))
    await third.close()
    assert len({p.packet_id for p in placed}) == len({p.message_id for p in placed}) == 5


async def test_the_newest_packet_answers_though_its_id_is_smaller(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    await place(nodes[0], order(alice))  # takes the lower block
    (old,) = await place(nodes[1], order(alice, user_packet_id="p"))
    (new,) = await place(nodes[0], order(alice, user_packet_id="p", at=NOW + 1))
    assert new.packet_id < old.packet_id
    found = await nodes[1].packet(alice.id, user_packet_id="p")
    assert found is not None and found.packet.id == new.packet_id


async def test_nodes_claim_different_messages(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    await place(nodes[0], *(numbered(alice, n) for n in range(100)))
    claims = await asyncio.gather(
        *(claim(nodes[n % 2], node=str(n % 2), limit=15) for n in range(8)),
        *(nodes[n % 2].due(now=NOW, until=NOW, limit=9) for n in range(4)),
    )
    ids = [claimed.message.id for found in claims[:8] for claimed in found]
    assert len(ids) == len(set(ids))
    while found := await claim(nodes[0], limit=15):
        ids += [claimed.message.id for claimed in found]
    assert len(ids) == len(set(ids)) == 100
    assert await nodes[0].verify() == []


async def test_nodes_look_at_different_due_messages(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    await place(nodes[0], *(numbered(alice, n) for n in range(60)))
    now = NOW + 302 * SECOND
    found = await asyncio.gather(
        *(nodes[n % 2].due(now=now, until=now + 9, limit=10) for n in range(8))
    )
    ids = [due.message.id for part in found for due in part]
    assert len(ids) == len(set(ids))


async def test_a_receipt_and_the_answer_that_tells_its_id_never_miss_each_other(
    nodes: Nodes,
) -> None:
    alice = await account(nodes[0])
    await place(nodes[0], *(numbered(alice, n, plan=ONLY_SMS) for n in range(60)))
    claims = await claim(nodes[0], "sms")
    calls = []
    for n, claimed in enumerate(claims):
        answer = Observation(
            at=NOW,
            source="send",
            message_id=claimed.message.id,
            epoch=1,
            events=(Event.ACCEPTED,),
            provider_id=f"id{n}",
        )
        receipt = Observation(
            at=NOW, source="receipt", channel="sms", keys=(f"id{n}",), events=(Event.DELIVERED,)
        )
        calls += [nodes[n % 2].record([answer]), nodes[1 - n % 2].record([receipt])]
    await asyncio.gather(*calls)
    states = {(await row(nodes[0], claimed)).messages[0].state for claimed in claims}
    assert states == {State.CONFIRMED}
    assert await nodes[0].verify() == []


async def test_parallel_confirms_on_two_nodes_are_right_once(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    claimed = await sent(nodes[0], order(alice))
    packet_id = claimed.row.packet.id
    calls = (nodes[n % 2].confirm(packet_id, right=True, at=NOW) for n in range(10))
    verdicts = [verdict for verdict, _ in await asyncio.gather(*calls)]
    assert sorted(verdicts) == [Verdict.RIGHT] + [Verdict.USED] * 9


async def test_a_node_that_was_paused_past_its_lease_may_not_go_on(nodes: Nodes) -> None:
    alice = await account(nodes[0])
    await place(nodes[0], order(alice))
    (stale,) = await claim(nodes[0], node="one")
    at = NOW + 31 * SECOND
    (taken,) = await claim(nodes[1], node="two", now=at)
    rejected = await observe(
        nodes[0],
        at=at,
        source="send",
        message_id=stale.message.id,
        epoch=stale.message.epoch,
        events=(Event.REJECTED,),
    )
    assert not rejected.may_go_on
    assert (await row(nodes[1], taken)).messages[0].state is State.QUEUED


async def test_another_node_hears_of_work_and_oneself_does_not(nodes: Nodes) -> None:
    heard: dict[str, list[str]] = {"one": [], "two": []}
    came = asyncio.Event()

    def hear(channel: str) -> None:
        heard["two"].append(channel)
        came.set()

    await nodes[0].listen(heard["one"].append)
    third = PostgresStore(nodes[0]._url)
    await third.open()
    await third.listen(None)  # it accepts only, and tells
    await nodes[1].listen(hear)
    alice = await account(nodes[0])
    await place(nodes[0], order(alice))
    await asyncio.wait_for(came.wait(), 10)
    assert set(heard["two"]) == {"telegram"}
    assert heard["one"] == []
    await place(third, order(alice, plan=ONLY_SMS))
    for _ in range(500):
        if "sms" in heard["one"] and "sms" in heard["two"]:
            break
        await asyncio.sleep(0.02)
    assert "sms" in heard["one"] and "sms" in heard["two"]
    await third.close()
