"""A copy of a database that is in use."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from kodgate.store import migrate, open_store
from kodgate.store.copying import copy

from .kit import FUNDS, account, fresh, order, place


async def opened(path: Path):
    url = f"sqlite:///{path}"
    migrate(url)
    store = open_store(url)
    await store.open()
    return store


async def test_a_copy_holds_what_was_committed_and_its_books_agree(tmp_path: Path) -> None:
    store = await opened(tmp_path / "kodgate.db")
    alice = await account(store)
    await place(store, order(alice))
    copy(tmp_path / "kodgate.db", tmp_path / "copy.db")
    await place(store, order(alice))
    kept = await opened(tmp_path / "copy.db")
    assert len(await kept.ledger(alice.id)) == 2
    assert len(await store.ledger(alice.id)) == 3
    assert await kept.verify() == []
    assert (await fresh(kept, alice)).balance > (await fresh(store, alice)).balance
    await kept.close()
    await store.close()


async def test_a_copy_is_whole_while_others_write(tmp_path: Path) -> None:
    store = await opened(tmp_path / "kodgate.db")
    alice = await account(store, funds=100 * FUNDS)
    ended = asyncio.Event()

    async def write() -> None:
        while not ended.is_set():
            await place(store, *(order(alice) for _ in range(20)))

    writing = asyncio.create_task(write())
    for number in range(5):
        await asyncio.to_thread(copy, tmp_path / "kodgate.db", tmp_path / f"{number}.db")
    ended.set()
    await writing
    for number in range(5):
        kept = await opened(tmp_path / f"{number}.db")
        assert await kept.verify() == []
        await kept.close()
    await store.close()


async def test_a_copy_replaces_an_older_one_and_is_nobody_elses(tmp_path: Path) -> None:
    store = await opened(tmp_path / "kodgate.db")
    target = tmp_path / "copy.db"
    target.write_text("an older one")
    copy(tmp_path / "kodgate.db", target)
    assert target.read_bytes().startswith(b"SQLite format 3")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not (tmp_path / "copy.db.new").exists()
    await store.close()


def test_what_is_no_database_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "kodgate.db").write_text("not a database " * 100)
    with pytest.raises(ValueError):
        copy(tmp_path / "kodgate.db", tmp_path / "copy.db")
    with pytest.raises(ValueError, match="there is no database"):
        copy(tmp_path / "missing.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
