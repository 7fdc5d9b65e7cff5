"""Group commit: what waits goes together, nothing waits for company."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kodgate.engine.batch import Batcher
from kodgate.store import Unavailable


class Ledger:
    """Notes the batches it gets; held back while `gate` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: Exception | None = None

    async def apply(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return [10 * item for item in items]


def batcher(ledger: Ledger, *, batch_max: int = 100, queue_max: int = 100) -> Batcher[int, int]:
    return Batcher(ledger.apply, batch_max=batch_max, queue_max=queue_max)


async def test_an_item_alone_does_not_wait_for_others() -> None:
    ledger = Ledger()
    assert await batcher(ledger).submit(1) == 10
    assert ledger.batches == [[1]]


async def test_what_comes_while_a_batch_is_under_way_goes_together() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    batch = batcher(ledger)
    tasks = [asyncio.create_task(batch.submit(1))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(batch.submit(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    ledger.gate.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40]
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_what_is_gathered_goes_together_although_nothing_is_under_way() -> None:
    ledger = Ledger()
    batch = Batcher(ledger.apply, batch_max=100, queue_max=100, flights=8, gather_s=0.02)
    tasks = []
    for number in (1, 2, 3):
        tasks.append(asyncio.create_task(batch.submit(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [10, 20, 30]
    assert ledger.batches == [[1, 2, 3]]


async def test_a_worker_that_gathers_what_another_one_took_asks_for_nothing() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    batch = Batcher(ledger.apply, batch_max=100, queue_max=100, flights=8, gather_s=0.001)
    first = asyncio.create_task(batch.submit(1))
    while not ledger.batches:
        await asyncio.sleep(0.001)
    second = asyncio.create_task(batch.submit(2))
    await asyncio.sleep(0)
    ledger.gate.set()
    assert await asyncio.gather(first, second) == [10, 20]
    assert await batch.submit(3) == 30
    assert ledger.batches == [[1], [2], [3]]


async def test_a_batch_never_passes_its_size() -> None:
    ledger = Ledger()
    batch = batcher(ledger, batch_max=2)
    assert await asyncio.gather(*(batch.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert [len(b) for b in ledger.batches] == [2, 2, 1]


async def test_a_full_queue_refuses_before_any_work() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    batch = batcher(ledger, queue_max=1)
    first = asyncio.create_task(batch.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(batch.submit(2))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await batch.submit(3)
    ledger.gate.set()
    assert [await first, await second] == [10, 20]


async def test_a_batch_that_fails_fails_all_of_its_items_and_no_later_one() -> None:
    ledger = Ledger()
    ledger.trouble = Unavailable("no room")
    batch = batcher(ledger)
    answers = await asyncio.gather(batch.submit(1), batch.submit(2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    ledger.trouble = None
    assert await batch.submit(3) == 30


async def test_a_caller_that_goes_away_does_not_take_its_item_along() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    batch = batcher(ledger)
    gone = asyncio.create_task(batch.submit(1))
    await asyncio.sleep(0)
    stays = asyncio.create_task(batch.submit(2))
    await asyncio.sleep(0)
    gone.cancel()
    ledger.gate.set()
    assert await stays == 20
    assert sorted(n for b in ledger.batches for n in b) == [1, 2]
