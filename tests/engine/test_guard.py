"""Directions, prefixes whose codes do not arrive, addresses, and a day's spending: what is refused
stores, charges and sends nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kodgate.core import pumping
from kodgate.core.errors import Refused
from kodgate.core.pumping import PATIENCE_MS, WINDOW_MS, AntiPumping
from kodgate.core.requests import Mode, SendRequest, Sent
from kodgate.core.types import Event, Observation

from .house import PHONE, House, house, until

SLACK_S = 5


@pytest.fixture
async def alices(tmp_path: Path) -> AsyncIterator[House]:
    """Nothing is sent by itself, and the guard looks when a test says so."""
    async with house(tmp_path, running=False) as found:
        yield found


async def books(at: House) -> tuple[object, ...]:
    account = await at.store.account_by_id(at.alice.id)
    return account, await at.store.ledger(at.alice.id), await at.store.counts()


async def refused(at: House, phone: str = PHONE, **more: Any) -> Refused:
    """The refusal of a send, which has left no trace."""
    before = await books(at)
    with pytest.raises(Refused) as found:
        await at.send(phone, **more)
    assert await books(at) == before
    return found.value


def phone(number: int, prefix: str = "7912345") -> str:
    return f"{prefix}{number:04}"


async def pump(at: House, count: int, begin: int = 0) -> list[Sent]:
    return [await at.send(phone(begin + n), Mode.TELE) for n in range(count)]


async def arrive(at: House, sent: list[Sent]) -> None:
    """The phones say so, read or not."""
    for one in sent:
        (message,) = await at.messages(one)
        seen = Observation(
            at=at.clock.now(), source="poll", message_id=message.id, events=(Event.DELIVERED,)
        )
        await at.store.record([seen])


async def from_address(at: House, ip: str, number: int = 1, *, test: bool = False) -> Sent:
    request = SendRequest(phone=phone(number), mode=Mode.TELE, ttl_s=30, test=test)
    return await at.engine.send(at.alice, request, caller_ip=ip, dialect="test")


# Directions


@pytest.mark.parametrize(
    ("settings", "open_"),
    [
        ({}, True),
        ({"zones_allowed": ("1", "2")}, True),
        ({"zones_allowed": ("2",)}, False),
        ({"prefixes_allowed": ("375", "79")}, True),
        ({"prefixes_allowed": ("375",)}, False),
        ({"zones_allowed": ("1",), "prefixes_allowed": ("375",)}, False),
    ],
)
async def test_a_direction_must_be_allowed_by_zone_and_by_prefix(
    alices: House, settings: dict[str, tuple[str, ...]], open_: bool
) -> None:
    await alices.change(**settings)
    if open_:
        assert (await alices.send()).packet_id
    else:
        assert (await refused(alices)).error.name == "ZONE_CLOSED"


# Pumping


@pytest.mark.parametrize(("level", "most"), [("standard", 20), ("strict", 10)])
async def test_a_run_over_one_prefix_is_stopped_and_then_blocked(
    alices: House, level: str, most: int
) -> None:
    await alices.change(anti_pumping=AntiPumping(level))
    await pump(alices, most)
    held_back = await refused(alices, phone(most))
    assert (held_back.error.name, held_back.error.number) == ("ZONE_CLOSED", 109)
    assert "waiting" in held_back.why
    alices.pass_s(PATIENCE_MS / 1000 + SLACK_S)
    await alices.engine.guard.look()
    assert "do not arrive" in (await refused(alices, phone(most))).why
    assert (await alices.send("79130000001", Mode.TELE)).packet_id


async def test_codes_that_arrive_let_more_through(alices: House) -> None:
    await alices.change(anti_pumping=AntiPumping.STANDARD)
    first = await pump(alices, 20)
    await refused(alices, phone(20))
    await arrive(alices, first[:11])
    await alices.engine.guard.look()
    assert len(await pump(alices, 11, begin=20)) == 11


async def test_a_test_is_judged_and_not_counted(alices: House) -> None:
    await alices.change(anti_pumping=AntiPumping.STRICT, packets_per_ip_10min=1_000)
    for number in range(30):
        await from_address(alices, "192.0.2.1", number, test=True)
    await pump(alices, 10)
    with pytest.raises(Refused, match="ZONE_CLOSED"):
        await from_address(alices, "192.0.2.1", 11, test=True)


async def test_what_was_not_placed_counts_for_nothing(alices: House) -> None:
    await alices.change(anti_pumping=AntiPumping.STRICT, spend_per_day=1, packets_per_ip_10min=5)
    for number in range(20):
        assert (await refused(alices, phone(number))).error.name == "NO_FUNDS"
    await alices.change(spend_per_day=0)
    assert len(await pump(alices, 5)) == 5


async def test_old_codes_are_forgotten(alices: House) -> None:
    await alices.change(anti_pumping=AntiPumping.STRICT)
    await pump(alices, 10)
    alices.pass_s(WINDOW_MS / 1000 + 1)
    assert len(await pump(alices, 10, begin=10)) == 10


async def test_who_watches_is_told_and_refuses_nothing(alices: House) -> None:
    assert alices.alice.settings.anti_pumping is AntiPumping.WATCH
    await pump(alices, 21)
    alices.pass_s(PATIENCE_MS / 1000 + SLACK_S)
    await alices.send(phone(21), Mode.TELE)
    await alices.engine.guard.look()
    assert alices.engine.guard.blocked(alices.alice.id) == 1
    assert len(await pump(alices, 5, begin=30)) == 5
    await alices.change(anti_pumping=AntiPumping.STANDARD)
    assert (await refused(alices, phone(50))).error.name == "ZONE_CLOSED"
    await alices.change(anti_pumping=AntiPumping.OFF)
    assert (await alices.send(phone(51))).packet_id


async def test_a_person_opens_a_prefix_for_a_day(alices: House) -> None:
    await alices.change(anti_pumping=AntiPumping.STRICT)
    await pump(alices, 10)
    await refused(alices, phone(10))
    alices.pass_s(PATIENCE_MS / 1000 + SLACK_S)
    await alices.engine.guard.look()
    (block,) = await alices.engine.blocks.of_account(alices.alice.id, limit=10)
    assert (block.prefix, block.sent, block.arrived, block.times) == ("7912345", 10, 0, 1)
    await alices.engine.blocks.save(pumping.released(block, alices.clock.now()))
    await alices.engine.guard.look()
    assert len(await pump(alices, 30, begin=10)) == 30


async def test_a_block_holds_in_another_process_and_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as first:
        await first.change(anti_pumping=AntiPumping.STRICT)
        now = first.clock.now()
        block = pumping.block(first.alice.id, "7912345", [], now, None)
        await first.engine.blocks.save(block)

        async def is_known() -> bool:
            return first.engine.guard.blocked(first.alice.id) == 1

        await until(is_known)
        with pytest.raises(Refused, match="ZONE_CLOSED"):
            await first.send(phone(1))


async def test_blocks_of_one_account_are_not_anothers(alices: House) -> None:
    bob = await alices.store.create_account(login="bob", name="Bob", at=alices.clock.now())
    block = pumping.block(bob.id, "7912345", [], alices.clock.now(), None)
    await alices.engine.blocks.save(block)
    await alices.change(anti_pumping=AntiPumping.STRICT)
    await alices.engine.guard.look()
    assert (await alices.send(phone(1))).packet_id


async def test_what_is_long_over_is_deleted(alices: House) -> None:
    now, alice = alices.clock.now(), alices.alice.id
    blocks = alices.engine.blocks
    over = pumping.block(alice, "7911111", [], now, None)
    for_ever = pumping.block(alice, "7922222", [], now, over)
    for_ever = pumping.block(alice, "7922222", [], now, for_ever)
    await blocks.save(over)
    await blocks.save(for_ever)
    assert over.until is not None
    await blocks.forget(before=over.until + 1)
    assert [b.prefix for b in await blocks.of_account(alice, limit=10)] == ["7922222"]


# Addresses


async def test_an_address_asks_for_so_many_packets_in_ten_minutes(alices: House) -> None:
    await alices.change(packets_per_ip_10min=3)
    for number in range(3):
        await from_address(alices, "192.0.2.1", number)
    with pytest.raises(Refused) as found:
        await from_address(alices, "192.0.2.1", 4)
    assert (found.value.error.name, found.value.error.number) == ("FLOOD", 24)
    await from_address(alices, "192.0.2.2", 4)
    alices.pass_s(WINDOW_MS / 1000 + 60)
    await from_address(alices, "192.0.2.1", 5)


async def test_addresses_of_one_ipv6_network_are_one(alices: House) -> None:
    await alices.change(packets_per_ip_10min=1)
    await from_address(alices, "2001:db8:1:2::1")
    with pytest.raises(Refused, match="FLOOD"):
        await from_address(alices, "2001:db8:1:2:ffff::9", 2)
    await from_address(alices, "2001:db8:1:3::1", 3)


# Spending


async def test_a_day_costs_no_more_than_its_limit(alices: House) -> None:
    """A code is 2.10 by Telegram; with its SMS 4.20 are promised."""
    await alices.change(spend_per_day=7)
    for number in range(3):
        await alices.send(phone(number), Mode.TELE)
    last = await refused(alices, phone(3), mode=Mode.TELE)
    assert (last.error.name, last.balance) == ("NO_FUNDS", 7_000)
    balance = await alices.engine.balance(alices.alice)
    assert balance.spendable == 7_000
    alices.pass_s(86_400)
    assert (await alices.send(phone(4), Mode.TELE)).packet_id


async def test_what_is_promised_for_the_fallback_counts_for_the_day(alices: House) -> None:
    await alices.change(spend_per_day=5)
    await alices.send(phone(1))
    assert (await refused(alices, phone(2), mode=Mode.TELE)).balance == 50_000 - 42_000
