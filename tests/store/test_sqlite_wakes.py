"""Processes on one file of SQLite wake each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kodgate.store.sqlite_wakes import Wakes

NEVER_S = 0.1


def takes_nothing(_channel: str) -> bool:
    return False


def takes_all(_channel: str) -> bool:
    return True


async def listener(database: Path, *, takes=takes_nothing) -> tuple[Wakes, asyncio.Queue[str]]:
    heard: asyncio.Queue[str] = asyncio.Queue()
    wakes = Wakes(database)
    await wakes.listen(heard.put_nowait, takes)
    return wakes, heard


async def test_oneself_is_not_told(tmp_path: Path) -> None:
    wakes, heard = await listener(tmp_path / "kodgate.db")
    wakes.tell("telegram")
    await asyncio.sleep(NEVER_S)
    assert heard.empty()
    wakes.close()


async def test_nobody_is_told_of_what_this_process_sends_itself(tmp_path: Path) -> None:
    database = tmp_path / "kodgate.db"
    one, _ = await listener(database, takes=takes_all)
    two, heard = await listener(database)
    one.tell("telegram")
    await asyncio.sleep(NEVER_S)
    assert heard.empty()
    one.close()
    two.close()


async def test_one_that_died_is_forgotten(tmp_path: Path) -> None:
    database = tmp_path / "kodgate.db"
    died, _ = await listener(database)
    assert died._hearer is not None
    asyncio.get_running_loop().remove_reader(died._hearer)
    died._hearer.close()
    one, _ = await listener(database)
    two, heard = await listener(database)
    one.tell("sms")
    async with asyncio.timeout(10):
        assert await heard.get() == "sms"
    assert len(list(tmp_path.glob("*-wake-*"))) == 2
    one.close()
    two.close()
    assert not list(tmp_path.glob("*-wake-*"))


async def test_a_folder_with_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    one, _ = await listener(folder / "kodgate.db")
    two, heard = await listener(folder / "kodgate.db")
    one.tell("telegram")
    async with asyncio.timeout(10):
        assert await heard.get() == "telegram"
    one.close()
    two.close()


async def test_a_folder_that_takes_no_sockets_leaves_it_at_polling(tmp_path: Path) -> None:
    wakes, _ = await listener(tmp_path / "missing" / "kodgate.db")
    wakes.tell("telegram")
    await asyncio.sleep(NEVER_S)
    wakes.close()
