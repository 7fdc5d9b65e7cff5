"""Guessing passwords of the cabinet: slowed down over all processes, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.store.cluster import Cluster
from tests.store.cluster import cluster as started

from kodgate.store import migrate, open_store
from kodgate.store.tables import Tables, tables
from kodgate.store.tries import KNOWN_MS, TryStore
from kodgate.web.cabinet.door import Door
from kodgate.web.limits import ThrottleLimits

LIMITS = ThrottleLimits(pair_free=3, source_free=6, account_max=8, window_s=3600)
HOUR_MS = 3_600_000
HOME, AWAY = "203.0.113.7", "198.51.100.7"


@pytest.fixture(scope="module")
def cluster() -> Any:
    yield from started()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> str:
    if request.param == "postgres":
        server: Cluster = request.getfixturevalue("cluster")
        return server.fresh()
    found = f"sqlite:///{tmp_path / 'kodgate.db'}"
    migrate(found)
    return found


@dataclass
class Street:
    """Two processes with a door each."""

    lent: Tables
    now: int = 1_760_000_000_000
    one: Door = field(init=False)
    other: Door = field(init=False)

    def __post_init__(self) -> None:
        self.one, self.other = self.process(), self.process()

    def process(self) -> Door:
        return Door(TryStore(self.lent), lambda: self.now, LIMITS)

    async def fail(self, times: int, *, login: str = "alice", ip: str = AWAY) -> None:
        for _ in range(times):
            await self.one.failed(login, ip=ip)

    async def hears(self, *, login: str = "alice", password: str = "x", ip: str = AWAY) -> bool:
        """At the door that nobody has failed at."""
        return await self.other.hears(login, password, ip=ip)


@pytest.fixture
async def street(url: str) -> AsyncIterator[Street]:
    store = open_store(url)
    await store.open()
    yield Street(tables(store))
    await store.close()


async def test_another_process_knows_what_was_tried_at_one(street: Street) -> None:
    await street.fail(LIMITS.pair_free - 1)
    assert await street.hears()
    await street.fail(1)
    assert not await street.hears()


async def test_each_wrong_password_doubles_the_wait(street: Street) -> None:
    for wait_s in (1, 2, 4):
        await street.fail(LIMITS.pair_free if wait_s == 1 else 1)
        street.now += wait_s * 1000 - 1
        assert not await street.hears()
        street.now += 1
        assert await street.hears()


async def test_a_try_is_forgotten_after_its_window(street: Street) -> None:
    await street.fail(LIMITS.pair_free + 5)
    street.now += HOUR_MS + 1
    await street.fail(1)
    assert await street.hears()


async def test_who_tries_many_logins_is_slowed_down_at_all_of_them(street: Street) -> None:
    for number in range(LIMITS.source_free):
        await street.fail(1, login=f"login{number}")
    assert not await street.hears(login="carol")
    assert await street.hears(login="carol", ip=HOME)


async def test_strangers_do_not_lock_the_owner_out(street: Street) -> None:
    await street.one.succeeded("alice", "right", ip=HOME)
    for number in range(LIMITS.account_max):
        await street.fail(1, ip=f"192.0.{number}.1")
    assert not await street.hears(ip="192.0.99.1")
    assert await street.hears(ip=HOME)
    street.now += HOUR_MS
    assert await street.hears(ip="192.0.99.1")


async def test_the_right_password_is_heard_at_once_where_it_was_right(street: Street) -> None:
    await street.one.succeeded("alice", "right", ip=HOME)
    await street.fail(LIMITS.pair_free, ip=HOME)
    assert await street.one.hears("alice", "right", ip=HOME)
    assert not await street.one.hears("alice", "wrong", ip=HOME)


async def test_a_right_password_begins_anew(street: Street) -> None:
    await street.fail(LIMITS.pair_free)
    await street.other.succeeded("alice", "right", ip=AWAY)
    assert await street.hears()


async def test_a_clock_that_jumped_back_locks_nobody_out(street: Street) -> None:
    await street.fail(LIMITS.pair_free)
    street.now -= HOUR_MS
    assert await street.hears()


async def test_what_was_tried_does_not_pile_up(street: Street) -> None:
    for number in range(5):
        await street.fail(1, login=f"login{number}")
    await street.one.succeeded("alice", "right", ip=HOME)
    street.now += HOUR_MS + 1
    await street.fail(1)
    kinds = await street.lent.fetch("select kind from sign_in_try order by kind")
    assert [row[0] for row in kinds] == ["account", "known", "pair", "source"]
    street.now += KNOWN_MS + 1
    await street.fail(1)
    assert len(await street.lent.fetch("select kind from sign_in_try")) == 3


async def test_no_login_is_stored(street: Street) -> None:
    await street.fail(1, login="correct horse\x00")
    for row in await street.lent.fetch("select kind, digest from sign_in_try"):
        assert b"horse" not in bytes(row[1])
