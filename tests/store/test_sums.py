"""What was summed by the hour says the same as the rows themselves, on both databases."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench.filling import DAY_MS, Filling, fill

from kodgate.core import ledger
from kodgate.store import Store, migrate, open_store
from kodgate.store.keyring import Keyring
from kodgate.store.sums import ALL, HOUR_MS, HOURS, Slots, Sums
from kodgate.store.tables import tables

PACKETS = 900
DAYS = Slots(DAY_MS, 3 * HOUR_MS)


@dataclass(kw_only=True)
class Filled:
    store: Store
    sums: Sums
    account_id: int
    now: int

    async def settle(self) -> int:
        """How many days it took."""
        steps = 0
        while await self.sums.settle(self.account_id, now=self.now):
            steps += 1
        return steps

    def periods(self) -> list[tuple[int, int]]:
        now = self.now
        return [
            (0, now + 1),
            (now - 30 * DAY_MS, now + 1),
            (now - 7 * DAY_MS + 1_234, now - DAY_MS - 99),
            (now - 10 * HOUR_MS - 7, now - 9 * HOUR_MS - 3),
            (now - HOUR_MS // 2, now),
            (now, now),
        ]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> str:
    """Of an empty database of the newest schema."""
    if request.param == "postgres":
        found: str = request.getfixturevalue("cluster").fresh()
        return found
    found = f"sqlite:///{tmp_path / 'kodgate.db'}"
    migrate(found)
    return found


@pytest.fixture
async def filled(url: str, tmp_path: Path) -> AsyncIterator[Filled]:
    store = open_store(url)
    await store.open()
    now = int(time.time() * 1000)
    account = await store.create_account(login="alice", name="Alice", at=now)
    keyring = Keyring(tmp_path / "keys", bytes(32))
    await asyncio.to_thread(fill, url, keyring, account_id=account.id, plan="[]", packets=PACKETS)
    yield Filled(store=store, sums=Sums(tables(store)), account_id=account.id, now=now)
    await store.close()


def whole(found: Iterable[Any]) -> dict[Any, Counter[str]]:
    """Parts of a slot put together."""
    sums: dict[Any, Counter[str]] = {}
    for row in found:
        told = row._asdict()
        amounts = {
            name: told.pop(name) for name in ("total", "charged", "refunded") if name in told
        }
        sums.setdefault(tuple(told.items()), Counter()).update(amounts)
    return sums


async def everything(filled: Filled) -> list[Any]:
    """All that can be asked, over all periods."""
    sums, account_id = filled.sums, filled.account_id
    found: list[Any] = []
    for since, until in filled.periods():
        for slots in (HOURS, DAYS, ALL):
            period: dict[str, Any] = {"since": since, "until": until, "slots": slots}
            found.append(whole(await sums.messages(account_id, **period)))
            found.append(whole(await sums.arrivals(account_id, **period)))
        found.append(await sums.transfers(account_id, since=since, until=until))
        found.append(await sums.last_before(account_id, until))
    return found


async def test_settled_hours_change_no_sum_of_any_period(filled: Filled):
    before = await everything(filled)
    assert await filled.settle() >= 30
    assert await everything(filled) == before


async def test_transfers_that_two_nodes_numbered_across_an_hour_are_summed(filled: Filled):
    sums, account_id = filled.sums, filled.account_id
    hour = filled.now // HOUR_MS * HOUR_MS - 10 * HOUR_MS
    for at in (hour + 1, hour - 1):  # the later one has the smaller id
        money = ledger.top_up(account_id, 10_000)
        await filled.store.post(account_id, money, at=at, document=f"d{at}", comment="")
    await filled.settle()
    found = await sums.transfers(account_id, since=hour, until=hour + 2)
    assert found["topup"] == (1, 10_000)


async def test_sums_agree_with_what_was_stored(filled: Filled):
    await filled.settle()
    found = await filled.sums.messages(filled.account_id, since=0, until=filled.now + 1)
    totals = await filled.sums.transfers(filled.account_id, since=None, until=None)
    assert sum(row.total for row in found if row.num == 1) == PACKETS
    assert totals["charge"][1] == -sum(row.charged for row in found)
    assert totals["refund"][1] == sum(row.refunded for row in found)
    account = await filled.store.account_by_id(filled.account_id)
    assert account is not None
    assert sum(amount for _, amount in totals.values()) == account.balance


async def test_an_hour_with_an_open_packet_is_not_settled(filled: Filled):
    at = filled.now - 10 * DAY_MS
    query = "select min(created_at) from packet where created_at > ?"
    opened = (await filled.sums._tables.fetch(query, at))[0][0]
    statement = "update packet set final_at = null where created_at = ?"
    await filled.sums._tables.run([(statement, (opened,))])
    await filled.settle()
    assert await filled.sums.mark(filled.account_id) == opened // HOUR_MS * HOUR_MS


async def test_two_nodes_that_settle_the_same_hours_count_nothing_twice(filled: Filled):
    before = await everything(filled)
    other = Sums(tables(filled.store))
    await asyncio.gather(
        filled.sums.settle(filled.account_id, now=filled.now),
        other.settle(filled.account_id, now=filled.now),
    )
    await filled.settle()
    assert await everything(filled) == before


async def test_years_without_an_operation_are_passed_in_one_step(filled: Filled):
    await filled.settle()
    before = await everything(filled)
    later = filled.now + 1_000 * DAY_MS
    steps = 0
    while await filled.sums.settle(filled.account_id, now=later):
        steps += 1
    assert steps <= 3
    assert await filled.sums.mark(filled.account_id) == (later // HOUR_MS - 1) * HOUR_MS
    assert await everything(filled) == before


async def test_an_account_in_which_nothing_happened_has_nothing_to_settle(filled: Filled):
    bob = await filled.store.create_account(login="bob", name="Bob", at=filled.now)
    assert not await filled.sums.settle(bob.id, now=filled.now)
    assert await filled.sums.transfers(bob.id, since=None, until=None) == {}


@pytest.mark.parametrize("slots", [Slots(60_000), HOURS, DAYS, ALL])
async def test_slots_begin_where_they_say(filled: Filled, slots: Slots):
    period: dict[str, Any] = {"since": 0, "until": filled.now + 1, "slots": slots}
    found = await filled.sums.messages(filled.account_id, **period)
    assert all((row.at + slots.shift_ms) % slots.length_ms == 0 for row in found)


def test_the_filled_balance_is_that_of_its_transfers(tmp_path: Path):
    filling = Filling(Keyring(tmp_path, bytes(32)), 1, "[]", 20)
    moved = [row for chunk in filling.chunks() for table, rows in chunk for row in rows
             if table.name == "transfer"]  # fmt: skip
    assert sum(row["customer"] for row in moved) == filling.balance
