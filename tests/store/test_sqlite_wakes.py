"""Processes on one file of SQLite wake each other."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from kodgate.store import sqlite_wakes
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
    assert len(list(one._folder.iterdir())) == 2
    one.close()
    two.close()
    assert not one._folder.exists()
    assert not list(tmp_path.iterdir()), "nothing lies among the data"


async def test_a_folder_that_the_last_of_the_others_takes_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "kodgate.db"
    last, _ = await listener(database)
    looked: list[Path] = []

    def leaves(folder: Path) -> bool:
        if not looked:
            last.close()
        looked.append(folder)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_wakes, "_is_ours", leaves)
        one, heard = await listener(database)
    assert len(looked) == 2
    two, _ = await listener(database)
    two.tell("telegram")
    async with asyncio.timeout(10):
        assert await heard.get() == "telegram"
    one.close()
    two.close()


async def test_a_folder_of_somebody_else_leaves_it_at_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wakes = Wakes(tmp_path / "kodgate.db")
    wakes._folder.symlink_to(tmp_path)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await wakes.listen(heard.put_nowait, takes_nothing)
    wakes.tell("telegram")
    await asyncio.sleep(NEVER_S)
    assert [path.name for path in tmp_path.iterdir()] == [wakes._folder.name]
    wakes.close()


async def test_another_database_has_hearers_of_its_own(tmp_path: Path) -> None:
    one, _ = await listener(tmp_path / "one.db")
    two, heard = await listener(tmp_path / "two.db")
    one.tell("telegram")
    await asyncio.sleep(NEVER_S)
    assert heard.empty()
    one.close()
    two.close()
