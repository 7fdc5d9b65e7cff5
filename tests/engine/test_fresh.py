"""Values of the store that are kept for a second."""

from __future__ import annotations

import asyncio

import pytest

from kodgate.engine.fresh import AGAIN_S, FRESH_S, Fresh


class Shelf:
    """A store of one number, and a clock. `open` holds reads back until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.number = 1
        self.reads = 0
        self.broken = False
        self.open = asyncio.Event()
        self.open.set()
        self.fresh: Fresh[str, int] = Fresh(self.read, steady_s=lambda: self.now_s)

    async def read(self, key: str) -> int:
        self.reads += 1
        number = self.number
        await self.open.wait()
        if self.broken:
            raise OSError("no store")
        return number


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_value_is_read_once_while_it_is_fresh() -> None:
    shelf = Shelf()
    assert [await shelf.fresh.get("a") for _ in range(3)] == [1, 1, 1]
    assert shelf.reads == 1


async def test_those_who_ask_at_once_share_one_read() -> None:
    shelf = Shelf()
    assert await asyncio.gather(*(shelf.fresh.get("a") for _ in range(20))) == [1] * 20
    assert shelf.reads == 1


async def test_nobody_waits_for_a_value_in_use() -> None:
    shelf = Shelf()
    await shelf.fresh.get("a")
    shelf.number, shelf.now_s = 2, shelf.now_s + AGAIN_S
    shelf.open.clear()
    assert await shelf.fresh.get("a") == 1
    shelf.open.set()
    await rest()
    assert await shelf.fresh.get("a") == 2
    assert shelf.reads == 2


async def test_no_value_is_older_than_a_second() -> None:
    shelf = Shelf()
    await shelf.fresh.get("a")
    shelf.number, shelf.now_s = 2, shelf.now_s + FRESH_S
    assert await shelf.fresh.get("a") == 2


async def test_a_read_that_began_before_a_change_is_not_kept() -> None:
    shelf = Shelf()
    shelf.open.clear()
    early = asyncio.create_task(shelf.fresh.get("a"))
    await rest()
    shelf.number = 2
    shelf.fresh.clear()
    shelf.open.set()
    assert await early == 1
    assert await shelf.fresh.get("a") == 2


async def test_a_reading_that_fails_early_is_tried_again_and_told_once_it_matters() -> None:
    shelf = Shelf()
    await shelf.fresh.get("a")
    shelf.broken, shelf.now_s = True, shelf.now_s + AGAIN_S
    assert await shelf.fresh.get("a") == 1
    await rest()
    assert await shelf.fresh.get("a") == 1
    shelf.now_s += FRESH_S
    with pytest.raises(OSError):
        await shelf.fresh.get("a")


async def test_one_that_goes_away_takes_nobodys_answer_with_it() -> None:
    shelf = Shelf()
    shelf.open.clear()
    gone, stays = (asyncio.create_task(shelf.fresh.get("a")) for _ in range(2))
    await rest()
    gone.cancel()
    shelf.open.set()
    assert await stays == 1
