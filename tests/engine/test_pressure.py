"""Under pressure: what is refused costs nothing, and what waits is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.engine.house import House, house

from kodgate.channels import Delivery
from kodgate.core.orders import Order
from kodgate.core.types import Message, State, Task
from kodgate.engine import accept, dispatch
from kodgate.engine.batch import Batcher
from kodgate.engine.dispatch import _Journal


@pytest.fixture
async def stalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway whose disk does not answer until its `gate` is opened."""
    async with house(tmp_path) as home:
        gate = asyncio.Event()
        place = home.engine.store.accept

        async def wait_and_place(orders: Sequence[Order]) -> object:
            await gate.wait()
            return await place(orders)

        monkeypatch.setattr(home.engine._accept._orders, "_apply", wait_and_place)
        home.gate = gate  # type: ignore[attr-defined]
        yield home
        gate.set()


async def _queued(home: House, count: int) -> list[asyncio.Task[object]]:
    tasks = [asyncio.create_task(home.send()) for _ in range(count)]
    for _ in range(20):
        await asyncio.sleep(0.002)
    return tasks


async def test_sends_are_admitted_while_nothing_waits_long(stalled: House) -> None:
    assert stalled.engine.admits()
    tasks = await _queued(stalled, 1)
    assert stalled.engine.admits()
    stalled.gate.set()  # type: ignore[attr-defined]
    await asyncio.gather(*tasks)


async def test_sends_are_refused_once_one_has_waited_too_long_and_taken_again_after(
    stalled: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "WAIT_MAX_S", 0.0)
    tasks: list[asyncio.Task[object]] = []
    for _ in range(4):  # two batches at the store, the others wait
        tasks += await _queued(stalled, 1)
    assert not stalled.engine.admits()
    stalled.gate.set()  # type: ignore[attr-defined]
    await asyncio.gather(*tasks)
    assert stalled.engine.admits()


async def test_what_a_full_batch_leaves_behind_keeps_its_age() -> None:
    gate = asyncio.Event()

    async def apply(items: Sequence[int]) -> Sequence[int]:
        await gate.wait()
        return items

    batcher = Batcher(apply, batch_max=1, queue_max=100)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in range(3)]
    await asyncio.sleep(0.05)
    tasks.append(asyncio.create_task(batcher.submit(3)))
    assert not batcher.takes(age_max_s=0.04)
    assert batcher.takes(age_max_s=60)
    gate.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
    assert batcher.takes(age_max_s=0.0)


async def test_the_next_batch_is_handed_over_while_one_is_committed() -> None:
    seen: list[list[int]] = []
    gate = asyncio.Event()

    async def apply(items: Sequence[int]) -> Sequence[int]:
        seen.append(list(items))
        await gate.wait()
        return items

    batcher = Batcher(apply, batch_max=10, queue_max=10, flights=2)
    tasks = []
    for item in range(4):
        tasks.append(asyncio.create_task(batcher.submit(item)))
        await asyncio.sleep(0.001)
    assert seen == [[0], [1]]
    gate.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
    assert sorted(item for batch in seen for item in batch) == [0, 1, 2, 3]
    assert len(seen) == 3


async def test_an_item_that_comes_as_the_last_batch_ends_is_not_forgotten() -> None:
    async def apply(items: Sequence[int]) -> Sequence[int]:
        return items

    batcher = Batcher(apply, batch_max=10, queue_max=10, flights=2)
    async with asyncio.timeout(5):
        for item in range(200):
            assert await batcher.submit(item) == item


DELIVERY = Delivery(
    message_id=7,
    packet_id=1,
    phone="79120000001",
    code="4711",
    zone=1,
    attempt=1,
    epoch=1,
    created_at=0,
    ends_at=10**15,
    handover_at=None,
    decide_at=None,
    provider_id=None,
    settles_at=None,
)


def _claimed(lease_until: int) -> Message:
    return Message(
        id=7,
        num=1,
        channel="sms",
        state=State.QUEUED,
        price=1,
        created_at=0,
        ends_at=10**15,
        decide_at=10**15,
        due_at=lease_until,
        task=Task.SEND,
        attempts=1,
        epoch=1,
        lease_until=lease_until,
    )


@pytest.mark.parametrize(
    ("asked_ago_s", "lease_ms", "looks"),
    [(0.0, 30_000, 0), (dispatch.FRESH_S + 0.1, 30_000, 1), (0.0, -1, 1)],
    ids=["a claim just taken", "a claim of a while ago", "a lease that is over"],
)
async def test_only_a_fresh_claim_is_its_own_look(
    tmp_path: Path, asked_ago_s: float, lease_ms: int, looks: int
) -> None:
    async with house(tmp_path) as home:
        asked: list[object] = []

        async def record(seen: object) -> bool:
            asked.append(seen)
            return False

        message = _claimed(home.clock.now() + lease_ms)
        asked_s = asyncio.get_running_loop().time() - asked_ago_s
        journal = _Journal(record, home.clock, "sms", DELIVERY, message, asked_s)
        assert await journal.may_go_on() is (looks == 0)
        assert len(asked) == looks
