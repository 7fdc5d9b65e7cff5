"""The sandbox's memory: groups, order, poison, durability."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kodgate.sandbox import deeds
from kodgate.sandbox.state import Durable, Tx


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Durable]:
    one = Durable(tmp_path / "sandbox.sqlite")
    yield one
    await one.close()


def count(tx: Tx) -> int:
    """Adds one to a fact; returns it."""
    value = int(tx.fact("count") or 0) + 1
    tx.settle("count", value)
    return value


def poison(tx: Tx) -> int:
    count(tx)
    raise ValueError("poison")


async def test_decisions_of_a_group_run_in_order(state: Durable) -> None:
    assert await asyncio.gather(*(state.do(count) for _ in range(1200))) == [*range(1, 1201)]


async def test_a_poisoned_decision_leaves_the_others_untouched(state: Durable) -> None:
    decisions = [count, poison, count, poison, count]
    outcomes = await asyncio.gather(*(state.do(one) for one in decisions), return_exceptions=True)
    assert [one for one in outcomes if isinstance(one, int)] == [1, 2, 3]
    assert [type(one) for one in outcomes if not isinstance(one, int)] == [ValueError] * 2
    assert await state.do(lambda tx: tx.fact("count")) == 3


async def test_an_answer_comes_after_its_effect_is_on_disk(state: Durable, tmp_path: Path) -> None:
    await state.do(count)
    other = sqlite3.connect(tmp_path / "sandbox.sqlite")
    assert other.execute("SELECT value FROM facts WHERE name = 'count'").fetchone() == (1,)
    other.close()


async def test_what_a_caller_that_left_had_asked_for_is_stored(state: Durable) -> None:
    asking = asyncio.create_task(state.do(count))
    await asyncio.sleep(0)
    asking.cancel()
    assert await state.do(count) == 2


async def test_a_worker_is_woken_only_by_what_is_durable(state: Durable) -> None:
    def wake_and_fail(tx: Tx) -> None:
        tx.wake("steps")
        raise ValueError("poison")

    with pytest.raises(ValueError, match="poison"):
        await state.do(wake_and_fail)
    assert not state.event("steps").is_set()
    await state.do(lambda tx: tx.wake("steps"))
    assert state.event("steps").is_set()


async def test_what_a_decision_wrote_into_the_log_is_seen_by_the_next_one(state: Durable) -> None:
    def write(tx: Tx) -> None:
        tx.log(1, "send", "79990000001", code="1234", ttl=None, cost=0.01)

    _, found = await asyncio.gather(
        state.do(write), state.do(lambda tx: deeds.log(tx, after=0, limit=9, phone="", kind=""))
    )
    assert found == [
        {"id": 1, "at": 1, "kind": "send", "phone": "79990000001"}
        | {"code": "1234", "ttl": None, "cost": 0.01}
    ]


async def test_what_a_failed_decision_knew_is_forgotten(state: Durable) -> None:
    def fill(tx: Tx) -> None:
        tx.run("INSERT INTO faults (place, method, phone, kind, remaining) VALUES ('','','','',1)")
        tx.filled("faults")
        assert tx.holds("faults")
        raise ValueError("poison")

    assert not await state.do(lambda tx: tx.holds("faults"))
    with pytest.raises(ValueError, match="poison"):
        await state.do(fill)
    assert not await state.do(lambda tx: tx.holds("faults"))


async def test_old_ended_messages_are_forgotten_and_open_ones_kept(state: Durable) -> None:
    def old(tx: Tx) -> None:
        for number in (1, 2):
            tx.run(
                "INSERT INTO requests (id, phone, script, cost, created, checked_real)"
                " VALUES (?, '79990000001', '{}', 100, 0, 0)",
                number,
            )
        tx.run("INSERT INTO steps (request, at, status) VALUES (2, 10, 'read')")

    await state.do(old)
    await state.do(lambda tx: deeds.forget_old(tx, deeds.OLD_MS + 1))
    rows = await state.do(lambda tx: tx.all("SELECT id FROM requests"))
    assert [row["id"] for row in rows] == [2]


async def test_the_log_keeps_its_newest_lines(
    state: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deeds, "LOG_KEPT", 10)
    monkeypatch.setattr(deeds, "SLICE", 5)

    def write(tx: Tx) -> None:
        for number in range(30):
            tx.log(number, "send", "")

    await state.do(write)
    sizes = []
    for _ in range(5):
        await state.do(deeds.trim_log)
        sizes.append(len(await state.do(lambda tx: tx.all("SELECT id FROM log"))))
    assert sizes == [24, 18, 12, 10, 10]
