"""Several `kodgate serve` on one database: killed, or stopped for a while, and nobody notices."""

from __future__ import annotations

import asyncio
import signal

import pytest
from deploy.local.nodes import Node, Nodes
from tests.ha import checker
from tests.ha.conftest import KILLS
from tests.ha.customers import Customers

pytestmark = pytest.mark.ha

EVERY_S = 4.0
PAUSED_S = 60.0
"""Twice a lease (30 s): others have long taken over what the node held."""

FINAL_S = 120.0
PATIENCE_S = 5.0

HELD = (
    "select count(*) from message where node = $1 and task = 'send' and lease_until is not null"
    " and final_at is null"
)


def _customers(nodes: Nodes) -> Customers:
    return Customers(
        login="alice",
        secret=nodes.secret,
        ports=tuple(node.wire for node in nodes.each),
        answer_s=PATIENCE_S,
    )


async def _end(nodes: Nodes, customers: Customers) -> checker.Verdict:
    await customers.stop()
    await checker.all_final(nodes.database, FINAL_S)
    verdict = await checker.check(nodes.database, customers.asked)
    print(f"\n{verdict.accepted} accepted; answers {dict(customers.counted())}")
    return verdict


async def test_nodes_killed_one_after_another_lose_and_double_nothing(three: Nodes) -> None:
    """kill -9 every few seconds. An SMS whose answer died with the node may leave twice (I-16)."""
    customers = _customers(three)
    customers.start()
    killed: list[Node] = []
    for turn in range(KILLS):
        await asyncio.sleep(EVERY_S)
        node = three.each[turn % len(three.each)]
        node.process.kill()
        killed.append(node)
        await asyncio.sleep(1.0)
        node.process.start()
    for node in three.each:
        await asyncio.to_thread(node.await_ready)
    verdict = await _end(three, customers)
    assert verdict.problems == {}
    assert verdict.accepted > 50 * KILLS / 4
    telegram, sms = checker.sent_twice(three.telegram)
    print(f"{len(killed)} kills; sent twice: {telegram} by Telegram, {sms} by SMS")
    assert telegram == 0, "a Telegram message is sent under one request id: never twice"
    assert sms <= len(killed) * 4, "only what was on its way when a node died"


async def test_a_node_that_was_stopped_past_its_leases_records_nothing_stale(three: Nodes) -> None:
    """SIGSTOP: the others take over what it holds; when it goes on, its claims are void."""
    customers = _customers(three)
    customers.start()
    await asyncio.sleep(EVERY_S)
    paused = three.each[1]
    paused.process.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSED_S)
    held = await checker.rows(three.database, HELD, f"host1/{paused.name}")
    paused.process.signal(signal.SIGCONT)
    await asyncio.sleep(EVERY_S)
    verdict = await _end(three, customers)
    assert verdict.problems == {}
    assert held[0][0] == 0, "the others have taken over all that it held"
    telegram, sms = checker.sent_twice(three.telegram)
    print(f"sent twice: {telegram} by Telegram, {sms} by SMS")
    assert telegram == 0
