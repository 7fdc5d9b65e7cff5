"""How every store behaves: a database's test module imports all of it and brings a `store`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from kodgate.core import ledger, life, pumping
from kodgate.core.accounts import AccountSettings, AccountStatus, MissingMode
from kodgate.core.binds import Asking, Bidder
from kodgate.core.clock import DAY_MS
from kodgate.core.life import Verdict
from kodgate.core.money import MONEY_MAX
from kodgate.core.orders import CODE_CLASH, NotPlaced, Placed
from kodgate.core.pumping import Block
from kodgate.core.tariffs import Price, Tariff
from kodgate.core.types import (
    Booking,
    BookingKind,
    Event,
    FallbackFunds,
    Observation,
    Reason,
    State,
    Task,
)
from kodgate.store import AlreadyBooked, Discarded, Route, Store, Unavailable
from kodgate.store.proposals import NotBooked, Proposals
from kodgate.store.pumping import Blocks
from kodgate.store.tables import tables

from .kit import (
    DAY,
    FUNDS,
    NOW,
    ONLY_SMS,
    SECOND,
    SMS,
    TELE,
    TELEGRAM,
    TTL_S,
    account,
    claim,
    digest,
    expire,
    fresh,
    observe,
    order,
    place,
    refuse,
    row,
    sent,
)

HELD = SMS - TELEGRAM

# Accounts, tariffs, routes, values


async def test_an_account_comes_back_as_it_was_created(store: Store) -> None:
    settings = AccountSettings(
        missing_mode=MissingMode.SMS,
        ip_allow=("127.0.0.1", "10.0.0.0/8"),
        fallback_funds=FallbackFunds.OVERDRAFT,
        template="Код: {code}",
        unique_message_ids=True,
    )
    created = await store.create_account(
        login="alice", name="Алиса", at=NOW, credit_limit=5, settings=settings
    )
    assert created == await store.account("alice") == await store.account_by_id(created.id)
    assert created.settings == settings
    assert (created.balance, created.held, created.credit_limit) == (0, 0, 5)


async def test_a_login_is_given_once(store: Store) -> None:
    await account(store)
    with pytest.raises(ValueError, match="taken"):
        await store.create_account(login="alice", name="Another", at=NOW)
    assert [known.login for known in await store.accounts()] == ["alice"]


async def test_an_unknown_account_is_none(store: Store) -> None:
    assert await store.account("bob") is None
    assert await store.account_by_id(77) is None


async def test_a_change_leaves_the_rest_as_it_was(store: Store) -> None:
    alice = await account(store)
    blocked = await store.change_account(alice.id, status=AccountStatus.BLOCKED)
    assert blocked == replace(alice, status=AccountStatus.BLOCKED)
    limited = await store.change_account(alice.id, credit_limit=9, tariff="gold")
    assert limited == replace(blocked, credit_limit=9, tariff="gold")


async def test_older_secrets_end_when_a_new_one_is_added(store: Store) -> None:
    alice = await account(store)
    await store.add_secret(alice.id, b"first", at=NOW, others_expire_at=None)
    await store.add_secret(alice.id, b"second", at=NOW + 1, others_expire_at=NOW + DAY)
    secrets = (await fresh(store, alice)).secrets
    assert [(s.digest, s.created_at, s.expires_at) for s in secrets] == [
        (b"first", NOW, NOW + DAY),
        (b"second", NOW + 1, None),
    ]


async def test_a_secret_that_ends_sooner_keeps_its_end(store: Store) -> None:
    alice = await account(store)
    await store.add_secret(alice.id, b"first", at=NOW, others_expire_at=None)
    await store.add_secret(alice.id, b"second", at=NOW, others_expire_at=NOW + 5)
    await store.add_secret(alice.id, b"third", at=NOW, others_expire_at=NOW + 9)
    secrets = (await fresh(store, alice)).secrets
    assert [s.expires_at for s in secrets] == [NOW + 5, NOW + 9, None]


async def test_tariffs_keep_all_their_versions(store: Store) -> None:
    prices = {(1, "telegram"): Price(price=21_000, cost=100), (1, "sms"): Price(price=42_000)}
    first = Tariff(name="default", valid_from=NOW, zones={"": 2, "7": 1}, prices=prices)
    second = Tariff(name="default", valid_from=NOW + DAY, zones={"7": 1}, prices=prices)
    await store.save_tariff(first, at=NOW)
    await store.save_tariff(second, at=NOW)
    assert await store.tariffs() == [first, second]


async def test_a_tariff_saved_for_the_same_instant_replaces_that_version(store: Store) -> None:
    wrong = Tariff(
        name="default", valid_from=NOW, zones={"7": 1, "8": 1}, prices={(1, "sms"): Price(price=1)}
    )
    right = Tariff(name="default", valid_from=NOW, zones={"7": 2}, prices={})
    await store.save_tariff(wrong, at=NOW)
    await store.save_tariff(right, at=NOW)
    assert await store.tariffs() == [right]


async def test_a_route_is_saved_under_its_name(store: Store) -> None:
    route = Route(name="main", channel="sms", profile='{"host": "127.0.0.1"}', created_at=NOW)
    await store.save_route(route)
    changed = replace(route, profile="{}")
    await store.save_route(changed)
    assert await store.routes() == [changed]


async def test_the_sealed_password_of_a_route_goes_with_it(store: Store) -> None:
    route = Route(name="main", channel="sms", profile="{}", created_at=NOW, sealed=b"sealed")
    await store.save_route(route)
    assert await store.routes() == [route]
    await store.save_route(replace(route, sealed=None))
    assert await store.routes() == [replace(route, sealed=None)]
    assert await store.remove_route("main")
    assert await store.routes() == []
    assert not await store.remove_route("main")


def _asking(holder: str, *, at: int = NOW, **more: Any) -> Asking:
    me = Bidder(holder=holder, node=holder, lease_until=at + 20 * SECOND, failing=False)
    return Asking(bidder=me, now=at, **{"wanted": {"main": 2}, **more})


async def test_a_bind_is_leased_renewed_and_taken_over(store: Store) -> None:
    first = await store.lease_binds(_asking("one"))
    assert first.own == {("main", 1), ("main", 2)}
    later = NOW + 15 * SECOND
    await store.lease_binds(_asking("one", at=later, why={("main", 1): ""}))
    assert not (await store.lease_binds(_asking("two", at=NOW + 30 * SECOND))).own
    taken = await store.lease_binds(_asking("two", at=NOW + 40 * SECOND))
    assert taken.own == {("main", 1), ("main", 2)}
    assert [(one.node, one.epoch) for one in await store.binds()] == [("two", 2), ("two", 2)]
    assert not (await store.lease_binds(_asking("one", at=NOW + 41 * SECOND))).own


async def test_binds_are_shared_by_all_who_ask(store: Store) -> None:
    await store.lease_binds(_asking("one"))
    await store.lease_binds(_asking("two"))
    surplus = (await store.lease_binds(_asking("one"))).surplus
    await store.lease_binds(_asking("one", returned=surplus))
    await store.lease_binds(_asking("two"))
    assert sorted(one.holder for one in await store.binds()) == ["one", "two"]


async def test_a_bind_has_one_holder_however_many_ask_at_once(store: Store) -> None:
    await asyncio.gather(*(store.lease_binds(_asking(f"n{n}")) for n in range(8)))
    answers = await asyncio.gather(*(store.lease_binds(_asking(f"n{n}")) for n in range(8)))
    owned = [bind for answer in answers for bind in answer.own - answer.surplus]
    assert len(owned) == len(set(owned))


async def test_who_leaves_frees_its_binds(store: Store) -> None:
    await store.lease_binds(_asking("one"))
    await store.lease_binds(_asking("one", leaves=True))
    assert (await store.lease_binds(_asking("two"))).own == {("main", 1), ("main", 2)}


async def test_small_values_are_kept(store: Store) -> None:
    assert await store.get("clock") is None
    await store.put("clock", "1")
    await store.put("clock", "2")
    assert await store.get("clock") == "2"


# Money by hand


async def test_top_ups_and_adjustments_are_listed_newest_first(store: Store) -> None:
    alice = await account(store, funds=0)
    top_up = ledger.top_up(alice.id, 500)
    assert await store.post(alice.id, top_up, at=NOW, document="N 1", comment="") == 500
    less = ledger.adjustment(alice.id, -200)
    assert await store.post(alice.id, less, at=NOW + 1, document="", comment="wrong") == 300
    newest, oldest = await store.ledger(alice.id)
    assert (newest.kind, newest.amount, newest.balance_after) == ("adjustment", -200, 300)
    assert (newest.comment, oldest.document, oldest.balance_after) == ("wrong", "N 1", 500)
    assert await store.ledger(alice.id, before_id=newest.id) == [oldest]
    assert await store.ledger(alice.id, limit=1) == [newest]
    assert await store.verify() == []


async def test_a_document_tops_an_account_up_once(store: Store) -> None:
    alice, bob = await account(store, funds=0), await account(store, "bob", funds=0)

    async def top_up(of: int, document: str) -> int:
        transfer = ledger.top_up(of, 500)
        return await store.post(of, transfer, at=NOW, document=document, comment="")

    answers = await asyncio.gather(
        *(top_up(alice.id, "N 1") for _ in range(5)), return_exceptions=True
    )
    assert sorted(map(str, answers)) == ["", "", "", "", "500"]
    assert sum(isinstance(answer, AlreadyBooked) for answer in answers) == 4
    assert await top_up(bob.id, "N 1") == 500 and await top_up(alice.id, "N 2") == 1_000
    assert [await top_up(bob.id, "") for _ in range(2)] == [1_000, 1_500]
    assert await store.verify() == []


async def test_a_correction_is_made_once_a_form(store: Store) -> None:
    alice = await account(store, funds=1_000)
    less = ledger.adjustment(alice.id, -200)
    for once, expected in (("a", 800), ("b", 600), ("", 400), ("", 200)):
        assert (
            await store.post(alice.id, less, at=NOW, document="N 1", comment="", once=once)
            == expected
        )
    with pytest.raises(AlreadyBooked):
        await store.post(alice.id, less, at=NOW, document="", comment="", once="a")
    assert await store.verify() == []


async def test_posting_to_an_unknown_account_changes_nothing(store: Store) -> None:
    with pytest.raises(LookupError):
        await store.post(77, ledger.top_up(77, 1), at=NOW, document="", comment="")
    assert await store.verify() == []


# Accept


async def test_an_order_is_charged_held_and_stored(store: Store) -> None:
    alice = await account(store)
    (placed,) = await place(store, order(alice, user_message_id="m1", user_packet_id="p1"))
    assert placed.packet_id == 1_000_000
    assert placed.message_id == 7_000_000
    assert placed.balance_before == FUNDS
    assert placed.balance_after == FUNDS - TELEGRAM
    after = await fresh(store, alice)
    assert (after.balance, after.held) == (FUNDS - TELEGRAM, HELD)
    charge = (await store.ledger(alice.id))[0]
    assert (charge.kind, charge.amount, charge.balance_after) == (
        "charge",
        -TELEGRAM,
        FUNDS - TELEGRAM,
    )
    assert (charge.packet_id, charge.message_id) == (placed.packet_id, placed.message_id)
    assert await store.verify() == []


async def test_a_packet_comes_back_as_it_was_ordered(store: Store) -> None:
    alice = await account(store)
    wanted = order(alice, user_message_id="m1", user_packet_id="p1", caller_ip="::1")
    (placed,) = await place(store, wanted)
    found = await store.packet(alice.id, packet_id=placed.packet_id)
    assert found is not None
    assert found.packet.plan == wanted.plan
    assert (found.phone, found.code) == (wanted.phone, wanted.code)
    assert (found.phone_digest, found.code_digest) == (wanted.phone_digest, wanted.code_digest)
    assert (found.key_day, found.dialect, found.caller_ip) == ("2025-10-09", "http_in5", "::1")
    assert (found.created_at, found.zone, found.ttl_s, found.test) == (NOW, 1, TTL_S, False)
    (message,) = found.messages
    assert (message.state, message.task, message.due_at) == (State.QUEUED, Task.SEND, NOW)
    assert message.decide_at == NOW + TTL_S * SECOND + 2 * SECOND


async def test_packets_are_found_by_every_id_of_their_own_account_only(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    (placed,) = await place(store, order(alice, user_message_id="m1", user_packet_id="p1"))
    ids = (
        {"packet_id": placed.packet_id},
        {"message_id": placed.message_id},
        {"user_message_id": "m1"},
        {"user_packet_id": "p1"},
    )
    for asked in ids:
        found = await store.packet(alice.id, **asked)
        assert found is not None and found.packet.id == placed.packet_id
        assert await store.packet(bob.id, **asked) is None


async def test_the_newest_packet_answers_where_a_users_id_fits_several(store: Store) -> None:
    alice = await account(store)
    same = order(alice, user_message_id="m1", user_packet_id="p1")
    _, second = await place(store, same, same)
    for asked in ({"user_message_id": "m1"}, {"user_packet_id": "p1"}):
        found = await store.packet(alice.id, **asked)
        assert found is not None and found.packet.id == second.packet_id


async def test_a_phone_is_found_newest_first_in_one_account_or_in_all(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    first, second, other = await place(
        store, order(alice), order(alice, at=NOW + 1), order(bob, at=NOW + 2)
    )
    await place(store, order(alice, phone="79120000002"))
    phone = digest("phone", "79120000001")

    async def find(account_id: int | None, limit: int = 10) -> list[int]:
        rows = await store.find(account_id=account_id, phone_digest=phone, limit=limit)
        return [found.packet.id for found in rows]

    assert await find(alice.id) == [second.packet_id, first.packet_id]
    assert await find(None) == [other.packet_id, second.packet_id, first.packet_id]
    assert await find(None, limit=1) == [other.packet_id]


async def test_an_unpayable_order_between_payable_ones_is_refused_alone(store: Store) -> None:
    alice = await account(store, funds=SMS + TELEGRAM)
    dear, cheap = order(alice), order(alice, plan=TELE)
    first, refused, last = await store.accept([dear, dear, cheap])
    assert isinstance(first, Placed) and isinstance(last, Placed)
    assert refused == NotPlaced(error="NO_FUNDS", balance=SMS, spendable=TELEGRAM)
    assert last.balance_after == SMS - TELEGRAM
    assert last.packet_id == first.packet_id + 1
    assert await store.verify() == []


async def test_a_credit_limit_can_be_spent(store: Store) -> None:
    alice = await account(store, funds=0, credit_limit=SMS)
    await place(store, order(alice))
    assert (await refuse(store, order(alice, plan=TELE))).spendable == 0
    assert await store.verify() == []


async def test_an_overdraft_needs_the_first_price_and_holds_nothing(store: Store) -> None:
    alice = await account(store, funds=TELEGRAM)
    claimed = await sent(store, order(alice, reserve=False))
    assert (await fresh(store, alice)).held == 0
    await expire(store, claimed)
    assert (await fresh(store, alice)).balance == TELEGRAM - SMS
    assert await store.verify() == []


async def test_hundred_parallel_orders_on_money_for_ten_place_ten(store: Store) -> None:
    alice = await account(store, funds=10 * TELEGRAM)
    orders = [order(alice, phone=f"7912{n:07d}", plan=TELE) for n in range(100)]
    answers = await asyncio.gather(*(store.accept([one]) for one in orders))
    placed = [answer for (answer,) in answers if isinstance(answer, Placed)]
    assert len(placed) == 10
    assert len({p.packet_id for p in placed}) == len({p.message_id for p in placed}) == 10
    assert (await fresh(store, alice)).balance == 0
    assert await store.verify() == []


async def test_an_order_of_an_unknown_account_is_unavailable(store: Store) -> None:
    alice = await account(store)
    lost, placed = await store.accept([order(77), order(alice)])
    assert lost == NotPlaced(error="UNAVAILABLE")
    assert isinstance(placed, Placed)


async def test_a_poisoned_order_is_refused_alone(store: Store) -> None:
    alice = await account(store)
    poisoned = order(alice, zone="nine")
    first, bad, last = await store.accept([order(alice), poisoned, order(alice)])
    assert bad == NotPlaced(error="UNAVAILABLE")
    assert isinstance(first, Placed) and isinstance(last, Placed)
    assert (await fresh(store, alice)).balance == FUNDS - 2 * TELEGRAM
    assert await store.verify() == []


async def test_a_poisoned_order_among_other_callers_is_refused_alone(store: Store) -> None:
    alice = await account(store)
    calls = [store.accept([order(alice, zone="nine" if n == 3 else 1)]) for n in range(8)]
    answers = [answer for (answer,) in await asyncio.gather(*calls)]
    assert [isinstance(answer, Placed) for answer in answers] == [n != 3 for n in range(8)]
    assert await store.verify() == []


# Accept: ids of the customer


def unique(account: object, name: str = "m1", **more: object) -> object:
    return order(account, user_message_id=name, unique_days=7, **more)  # type: ignore[arg-type]


async def test_a_repeated_id_is_answered_with_the_first_packet(store: Store) -> None:
    alice = await account(store)
    (first,) = await place(store, unique(alice))
    again = await refuse(store, unique(alice, at=NOW + 6 * DAY))
    assert (again.error, again.packet_id) == ("DUPLICATE", first.packet_id)
    assert (await fresh(store, alice)).balance == first.balance_after


async def test_an_id_twice_in_one_batch_is_accepted_once(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    first, again, others = await store.accept([unique(alice), unique(alice), unique(bob)])
    assert isinstance(first, Placed) and isinstance(others, Placed)
    assert isinstance(again, NotPlaced)
    assert (again.error, again.packet_id) == ("DUPLICATE", first.packet_id)


async def test_an_id_that_could_not_be_paid_is_still_free(store: Store) -> None:
    alice = await account(store, funds=TELEGRAM)
    refused, placed = await store.accept([unique(alice), unique(alice, plan=TELE)])
    assert isinstance(refused, NotPlaced) and refused.error == "NO_FUNDS"
    assert isinstance(placed, Placed)


async def test_an_id_is_free_again_after_the_look_back(store: Store) -> None:
    alice = await account(store)
    await place(store, unique(alice))
    (second,) = await place(store, unique(alice, at=NOW + 7 * DAY))
    again = await refuse(store, unique(alice, at=NOW + 8 * DAY))
    assert again.packet_id == second.packet_id


async def test_without_the_check_an_id_may_repeat(store: Store) -> None:
    alice = await account(store)
    plain = order(alice, user_message_id="m1")
    await place(store, plain, plain)


async def test_a_duplicate_is_told_before_missing_money(store: Store) -> None:
    alice = await account(store, funds=SMS)
    await place(store, unique(alice))
    assert (await refuse(store, unique(alice))).error == "DUPLICATE"


# Accept: live codes and limits of a phone


async def test_a_generated_code_never_equals_a_live_one(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    assert (await refuse(store, order(alice, code_generated=True))).error == CODE_CLASH
    await place(store, order(alice, phone="79120000002", code_generated=True))
    await place(store, order(alice, code="4712", code_generated=True))


async def test_a_code_in_the_same_batch_is_live(store: Store) -> None:
    alice = await account(store)
    first, clash = await store.accept([order(alice), order(alice, code_generated=True)])
    assert isinstance(first, Placed)
    assert isinstance(clash, NotPlaced) and clash.error == CODE_CLASH


async def test_the_customers_own_code_may_repeat(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice), order(alice))


async def test_a_code_is_live_for_its_ttl_though_its_packet_has_ended(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await observe(store, message_id=claimed.message.id, events=(Event.READ,))
    inside, after = NOW + TTL_S * SECOND - 1, NOW + TTL_S * SECOND
    clash = await refuse(store, order(alice, at=inside, code_generated=True))
    assert clash.error == CODE_CLASH
    await place(store, order(alice, at=after, code_generated=True))


async def test_a_code_is_live_as_long_as_its_packet_is_open(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    late = order(alice, at=NOW + DAY, code_generated=True)
    assert (await refuse(store, late)).error == CODE_CLASH


async def test_a_phone_takes_so_many_packets_in_ten_minutes(store: Store) -> None:
    alice = await account(store)
    limited = order(alice, per_phone_10min=2)
    first, second, third = await store.accept([limited, limited, limited])
    assert isinstance(first, Placed) and isinstance(second, Placed)
    assert isinstance(third, NotPlaced) and third.error == "FLOOD"
    assert (await refuse(store, replace(limited, at=NOW + 599 * SECOND))).error == "FLOOD"
    await place(store, replace(limited, at=NOW + 600 * SECOND))


async def test_a_phone_takes_so_many_packets_in_a_day(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    limited = order(alice, per_phone_day=1)
    await place(store, limited, order(bob))
    assert (await refuse(store, replace(limited, at=NOW + DAY - 1))).error == "FLOOD"
    await place(store, replace(limited, at=NOW + DAY))


async def test_all_accounts_together_send_a_phone_so_many_packets(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    limited = {"all_per_phone_10min": 2, "all_per_phone_day": 3}
    first, second, third = await store.accept(
        [order(alice, **limited), order(bob, **limited), order(alice, **limited)]
    )
    assert isinstance(first, Placed) and isinstance(second, Placed)
    assert isinstance(third, NotPlaced) and third.error == "FLOOD"
    later = NOW + 600 * SECOND
    await place(store, order(bob, at=later, **limited))
    assert (await refuse(store, order(alice, at=later, **limited))).error == "FLOOD"
    await place(store, order(alice, "79120000002", **limited))


# Accept: what a day may cost


async def test_a_batch_spends_no_more_than_the_day_allows(store: Store) -> None:
    alice = await account(store)
    thrifty = order(alice, plan=TELE, spend_per_day=2 * TELEGRAM)
    answers = await store.accept([thrifty, thrifty, thrifty])
    assert [isinstance(answer, Placed) for answer in answers] == [True, True, False]
    refused = await refuse(store, thrifty)
    assert (refused.error, refused.spendable) == ("NO_FUNDS", 0)
    day = NOW // DAY
    assert ((await fresh(store, alice)).spent_on, (await fresh(store, alice)).spent) == (
        day,
        2 * TELEGRAM,
    )
    await place(store, replace(thrifty, at=(day + 1) * DAY))
    assert (await fresh(store, alice)).spent == TELEGRAM


async def test_what_is_held_may_be_spent_today_and_what_came_back_is_not_spent(
    store: Store,
) -> None:
    alice = await account(store)
    thrifty = order(alice, spend_per_day=SMS + TELEGRAM)
    claimed = await sent(store, thrifty)
    assert (await refuse(store, replace(thrifty, plan=ONLY_SMS))).spendable == TELEGRAM
    await expire(store, claimed)
    assert (await fresh(store, alice)).spent == SMS
    assert (await refuse(store, replace(thrifty, plan=ONLY_SMS))).spendable == TELEGRAM
    assert await store.verify() == []


async def test_money_of_an_earlier_day_counts_for_no_day_any_more(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await place(store, order(alice, "79120000002", plan=TELE, at=NOW + DAY))
    await expire(store, claimed)
    found = await fresh(store, alice)
    assert (found.spent_on, found.spent) == (NOW // DAY + 1, TELEGRAM)
    assert await store.verify() == []


# Blocked prefixes


def _block(account_id: int, prefix: str = "7912000", **more: int | None) -> Block:
    return replace(pumping.block(account_id, prefix, [], NOW, None), **more)


async def test_a_block_is_saved_changed_and_in_force_until_its_end(store: Store) -> None:
    alice, blocks = await account(store), Blocks(tables(store))
    first = _block(alice.id)
    await blocks.save(first)
    assert await blocks.of_prefix(alice.id, "7912000") == first
    assert await blocks.of_prefix(alice.id, "7912001") is None
    assert first.until is not None
    assert await blocks.in_force(first.until - 1) == [first]
    assert await blocks.in_force(first.until) == []
    for_ever = replace(first, until=None, times=3)
    await blocks.save(for_ever)
    assert await blocks.in_force(NOW + 1000 * DAY) == [for_ever]
    safe = pumping.released(for_ever, NOW)
    await blocks.save(safe)
    assert await blocks.in_force(NOW) == [safe]


async def test_an_account_sees_its_own_blocks_newest_first(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    blocks = Blocks(tables(store))
    old, new = _block(alice.id), _block(alice.id, "7913000", blocked_at=NOW + 1)
    for one in (old, new, _block(bob.id)):
        await blocks.save(one)
    assert await blocks.of_account(alice.id, limit=10) == [new, old]
    assert await blocks.of_account(alice.id, limit=1) == [new]


async def test_blocks_that_are_long_over_are_deleted_and_others_stay(store: Store) -> None:
    alice, blocks = await account(store), Blocks(tables(store))
    over, for_ever = _block(alice.id), _block(alice.id, "7913000", until=None)
    safe = _block(alice.id, "7914000", safe_until=NOW + DAY)
    for one in (over, for_ever, safe):
        await blocks.save(one)
    await blocks.forget(before=NOW + DAY - 1)
    assert {b.prefix for b in await blocks.of_account(alice.id, limit=9)} == {"7913000", "7914000"}


async def test_it_is_known_which_codes_arrived_and_who_asked_for_them(store: Store) -> None:
    alice, blocks = await account(store), Blocks(tables(store))
    read = await sent(store, order(alice, plan=TELE, caller_ip="192.0.2.1"))
    await observe(store, message_id=read.message.id, events=(Event.READ,))
    seen = await sent(store, order(alice, plan=TELE, at=NOW + 1), "tg-2")
    await observe(store, message_id=seen.message.id, events=(Event.DELIVERED,))
    lost = await sent(store, order(alice, plan=TELE, at=NOW + 2), "tg-3")
    await place(store, order(alice, test=True))
    ids = [one.row.packet.id for one in (read, seen, lost)]
    assert await blocks.arrived(ids) == set(ids[:2])
    assert await blocks.arrived([]) == set()
    newest = await blocks.newest(alice.id, since=NOW, until=NOW + 3, limit=10)
    assert [one.arrived for one in newest] == [False, True, True]
    assert newest[-1].caller_ip == "192.0.2.1"
    assert len(await blocks.newest(alice.id, since=NOW, until=NOW + 3, limit=2)) == 2


# Accept: test=1


async def test_a_test_order_is_stored_as_confirmed_and_costs_nothing(store: Store) -> None:
    alice = await account(store)
    (placed,) = await place(store, order(alice, test=True, user_message_id="m1", unique_days=7))
    assert placed.balance_after == FUNDS - TELEGRAM
    assert (await fresh(store, alice)) == alice
    found = await store.packet(alice.id, user_message_id="m1")
    assert found is not None and found.test
    assert found.messages[0].state is State.CONFIRMED
    assert found.messages[0].final_at == NOW
    assert [entry.kind for entry in await store.ledger(alice.id)] == ["topup"]
    assert await store.verify() == []


async def test_a_test_order_is_never_sent_decided_or_counted(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, test=True))
    assert await claim(store, now=NOW + 1) == []
    assert await store.due(now=NOW + 10 * DAY, until=NOW + 11 * DAY, limit=10) == []
    assert await store.counts() == {}
    assert await store.next_due() is None


async def test_a_test_order_consumes_no_id_code_or_limit(store: Store) -> None:
    alice = await account(store)
    tried = order(alice, test=True, user_message_id="m1", unique_days=7, per_phone_day=1)
    real = replace(tried, test=False, code_generated=True)
    await place(store, tried, tried, real)
    assert (await refuse(store, tried)).error == "FLOOD"


async def test_a_test_order_is_checked_like_a_real_one(store: Store) -> None:
    alice = await account(store, funds=0)
    assert (await refuse(store, order(alice, test=True))).error == "NO_FUNDS"


# Claim


async def test_a_claim_takes_a_message_once(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    assert (claimed.message.attempts, claimed.message.epoch) == (1, 1)
    assert claimed.message.lease_until == claimed.message.due_at == NOW + 30 * SECOND
    assert claimed.row.messages == (claimed.message,)
    assert claimed.row.packet.account_id == alice.id
    assert await claim(store) == []


async def test_a_claim_is_for_one_channel_in_order_of_due_time(store: Store) -> None:
    alice = await account(store)
    late, early, _ = await place(
        store,
        order(alice, at=NOW + 5),
        order(alice, at=NOW),
        order(alice, plan=ONLY_SMS),
    )
    claimed = await claim(store, now=NOW + 5, limit=2)
    assert [c.message.id for c in claimed] == [early.message_id, late.message_id]
    assert len(await claim(store, "sms")) == 1


async def test_no_message_is_claimed_before_it_is_due(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, at=NOW + 1))
    assert await claim(store) == []
    assert await store.next_due() == NOW + 1


async def test_a_dead_workers_message_is_claimed_again_after_its_lease(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    await claim(store)
    (again,) = await claim(store, now=NOW + 30 * SECOND)
    assert (again.message.attempts, again.message.epoch) == (2, 2)


async def test_no_message_is_claimed_past_its_handover_or_end(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS), order(alice))
    assert await claim(store, "sms", now=NOW + 120 * SECOND) == []
    assert await claim(store, now=NOW + TTL_S * SECOND) == []
    assert len(await claim(store, "sms", now=NOW + 120 * SECOND - 1)) == 1


async def test_at_the_cap_a_message_is_not_claimed_any_more(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    for n in range(3):
        assert len(await claim(store, now=NOW + 30 * n * SECOND)) == 1
    assert await claim(store, now=NOW + 90 * SECOND) == []
    assert await store.next_due() == NOW + TTL_S * SECOND + 2 * SECOND


async def test_a_node_frees_what_it_held_before_it_died(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice), order(alice))
    (mine,) = await claim(store, limit=1)
    (theirs,) = await claim(store, limit=1, node="two")
    assert await store.release("one") == 1
    assert await store.release("one") == 0
    (again,) = await claim(store)
    assert again.message.id == mine.message.id != theirs.message.id
    assert (again.message.attempts, again.message.epoch) == (2, 2)


# Record


async def test_an_accepted_message_waits_for_news(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    (message,) = (await row(store, claimed)).messages
    assert (message.state, message.provider_id) == (State.SENT, "tg-1")
    assert (message.task, message.lease_until) == (None, None)


async def test_a_read_message_is_confirmed_and_its_hold_released(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    seen = await observe(
        store, source="callback", channel="telegram", keys=("tg-1",), events=(Event.READ,)
    )
    assert seen.matched and seen.words == ("confirmed",) and seen.woken == ()
    (message,) = (await row(store, claimed)).messages
    assert (message.state, message.final_at) == (State.CONFIRMED, NOW)
    after = await fresh(store, alice)
    assert (after.balance, after.held) == (FUNDS - TELEGRAM, 0)
    assert await store.next_due() is None
    assert await store.verify() == []


async def test_an_unread_message_is_refunded_and_falls_back_in_one_decision(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    seen = await expire(store, claimed)
    assert seen.woken == ("sms",)
    assert seen.words == ("expired", "fallback")
    first, second = (await row(store, claimed)).messages
    assert (first.state, first.reason, first.refunded) == (
        State.EXPIRED,
        Reason.UNDELIVERED,
        True,
    )
    assert second.id == 7_000_001
    assert (second.channel, second.state, second.price) == ("sms", State.QUEUED, SMS)
    assert [(e.kind, e.amount) for e in await store.ledger(alice.id)] == [
        ("charge", -SMS),
        ("refund", TELEGRAM),
        ("charge", -TELEGRAM),
        ("topup", FUNDS),
    ]
    after = await fresh(store, alice)
    assert (after.balance, after.held) == (FUNDS - SMS, 0)
    assert await store.verify() == []


async def test_a_deadline_that_comes_twice_moves_money_once(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await expire(store, claimed)
    before = await store.ledger(alice.id)
    await expire(store, claimed)
    assert await store.ledger(alice.id) == before
    assert len((await row(store, claimed)).messages) == 2


async def test_a_deadline_is_not_decided_before_its_time(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await expire(store, claimed, at=claimed.message.ends_at + 2 * SECOND - 1)
    assert (await row(store, claimed)).messages[0].state is State.SENT


async def test_a_message_that_nobody_took_falls_back_too(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    seen = await observe(
        store,
        source="send",
        message_id=claimed.message.id,
        epoch=1,
        events=(Event.REJECTED,),
        reason=Reason.CLOSED,
    )
    assert seen.woken == ("sms",)
    assert (await row(store, claimed)).messages[0].reason is Reason.CLOSED
    assert await store.verify() == []


async def test_observations_of_one_packet_in_one_batch_build_on_each_other(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    sent_it = Observation(
        at=NOW,
        source="send",
        message_id=claimed.message.id,
        epoch=1,
        events=(Event.ACCEPTED,),
        provider_id="tg-1",
    )
    read = Observation(
        at=NOW + 1, source="callback", channel="telegram", keys=("tg-1",), events=(Event.READ,)
    )
    first, second = await store.record([sent_it, read])
    assert (first.words, second.words) == (("sent",), ("confirmed",))
    assert await store.verify() == []


async def test_a_late_read_moves_no_money(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice, plan=TELE))
    await expire(store, claimed)
    before = await store.ledger(alice.id)
    seen = await observe(store, at=NOW + DAY, message_id=claimed.message.id, events=(Event.READ,))
    assert seen.matched and seen.words == ("late",)
    assert await store.ledger(alice.id) == before
    assert await store.verify() == []


async def test_a_late_read_cancels_the_fallback_that_nobody_tried(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await expire(store, claimed)
    await observe(store, at=NOW + DAY, message_id=claimed.message.id, events=(Event.READ,))
    second = (await row(store, claimed)).messages[1]
    assert (second.state, second.reason, second.refunded) == (State.FAILED, Reason.CANCELLED, True)
    assert (await fresh(store, alice)).balance == FUNDS
    assert await claim(store, "sms", now=NOW + DAY) == []
    assert await store.verify() == []


async def test_an_unknown_message_is_not_matched(store: Store) -> None:
    assert not (await observe(store, message_id=7_999_999, events=(Event.READ,))).matched
    seen = await observe(store, channel="sms", keys=("x",), events=(Event.DELIVERED,))
    assert not seen.matched


async def test_a_stale_worker_may_not_go_on(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (old,) = await claim(store)
    at = NOW + 30 * SECOND
    (new,) = await claim(store, now=at)
    for claimed, holds in ((old, False), (new, True)):
        seen = await observe(
            store,
            at=at,
            source="prepare",
            message_id=claimed.message.id,
            epoch=claimed.message.epoch,
            provider_id=f"tg-{claimed.message.epoch}",
        )
        assert seen.may_go_on is holds
    assert (await row(store, new)).messages[0].provider_id == "tg-2"


async def test_a_claim_does_not_hold_past_its_lease(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    seen = await observe(
        store,
        at=NOW + 30 * SECOND,
        source="prepare",
        message_id=claimed.message.id,
        epoch=1,
        provider_id="tg-1",
    )
    assert seen.matched and not seen.may_go_on


async def test_a_claim_survives_a_prepared_id_and_can_be_freed_after_it(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    await observe(
        store, source="prepare", message_id=claimed.message.id, epoch=1, provider_id="tg-1"
    )
    assert await store.release("one") == 1


# Receipts that come before their message is known


def receipt(*keys: str, at: int = NOW, event: Event = Event.DELIVERED) -> Observation:
    return Observation(at=at, source="receipt", channel="sms", keys=keys, events=(event,))


async def submitted(store: Store, provider_id: str, message_id: int | None) -> tuple[str, ...]:
    seen = await observe(
        store,
        source="send",
        message_id=message_id,
        epoch=1,
        events=(Event.ACCEPTED,),
        provider_id=provider_id,
    )
    return seen.words


async def test_a_receipt_waits_for_the_submit_answer(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS))
    (claimed,) = await claim(store, "sms")
    (parked,) = await store.record([receipt("1a", "26")])
    assert not parked.matched
    assert await submitted(store, "26", claimed.message.id) == ("sent", "confirmed")
    assert (await row(store, claimed)).messages[0].state is State.CONFIRMED
    assert await store.verify() == []


async def test_a_receipt_before_its_submit_answer_in_one_batch_counts(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS))
    (claimed,) = await claim(store, "sms")
    answer = Observation(
        at=NOW,
        source="send",
        message_id=claimed.message.id,
        epoch=1,
        events=(Event.ACCEPTED,),
        provider_id="26",
    )
    _, recorded = await store.record([receipt("26"), answer])
    assert recorded.words == ("sent", "confirmed")


async def test_a_parked_receipt_is_used_once(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS), order(alice, plan=ONLY_SMS))
    first, second = await claim(store, "sms")
    await store.record([receipt("1a", "26"), receipt("1a", "26", at=NOW + 9)])
    await submitted(store, "26", first.message.id)
    assert await submitted(store, "1a", second.message.id) == ("sent",)


async def test_parked_receipts_are_applied_oldest_first(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS))
    (claimed,) = await claim(store, "sms")
    await store.record([receipt("26", at=NOW + 2, event=Event.UNDELIVERED)])
    await store.record([receipt("26", at=NOW + 1)])
    await submitted(store, "26", claimed.message.id)
    assert (await row(store, claimed)).messages[0].state is State.CONFIRMED


async def test_a_receipt_of_another_channel_is_left_alone(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    await store.record([receipt("26")])
    assert await submitted(store, "26", claimed.message.id) == ("sent",)


async def test_a_receipt_finds_a_message_by_an_id_that_it_had(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS))
    (claimed,) = await claim(store, "sms")
    await submitted(store, "26", claimed.message.id)
    await submitted(store, "27", claimed.message.id)
    (seen,) = await store.record([receipt("26")])
    assert seen.matched
    assert (await row(store, claimed)).messages[0].state is State.CONFIRMED


async def test_a_receipt_of_a_reused_id_goes_to_the_newest_open_message(store: Store) -> None:
    alice = await account(store)
    done = await sent(store, order(alice, plan=ONLY_SMS), "26")
    open_one = await sent(store, order(alice, plan=ONLY_SMS), "26")
    newer = await sent(store, order(alice, plan=ONLY_SMS), "26")
    await observe(store, message_id=newer.message.id, events=(Event.UNDELIVERED,))
    await observe(store, message_id=done.message.id, events=(Event.UNDELIVERED,))
    (seen,) = await store.record([receipt("26")])
    assert seen.words == ("confirmed",)
    assert (await row(store, open_one)).messages[0].state is State.CONFIRMED


async def test_receipts_that_never_match_are_forgotten(store: Store) -> None:
    alice = await account(store)
    await store.record([receipt("26")])
    await store.purge(now=NOW + 4 * DAY)
    await place(store, order(alice, plan=ONLY_SMS, at=NOW + 4 * DAY))
    (claimed,) = await claim(store, "sms", now=NOW + 4 * DAY)
    assert await submitted(store, "26", claimed.message.id) == ("sent",)


# The provider's money


async def test_a_providers_fee_is_booked_once_per_attempt(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    fee = Booking(kind=BookingKind.FEE, provider="telegram", amount=100, attempt=1)
    for attempt in (1, 1, 2):
        await observe(
            store, message_id=claimed.message.id, bookings=(replace(fee, attempt=attempt),)
        )
    assert [entry.kind for entry in await store.ledger(alice.id)] == ["charge", "topup"]
    assert (await fresh(store, alice)).balance == FUNDS - TELEGRAM
    assert await store.verify() == []


# Deadlines and polls


async def polled(store: Store, order: object, at: int) -> int:
    """A sent message whose provider is to be asked at an instant."""
    claimed = await sent(store, order)  # type: ignore[arg-type]
    assert claimed.message.id is not None
    await observe(store, message_id=claimed.message.id, poll_at=at)
    return claimed.message.id


async def test_polls_and_deadlines_are_due_at_their_time(store: Store) -> None:
    alice = await account(store)
    message_id = await polled(store, order(alice), NOW + 15 * SECOND)
    assert await store.next_due() == NOW + 15 * SECOND
    assert await store.due(now=NOW + 15 * SECOND - 1, until=NOW + DAY, limit=9) == []
    (due,) = await store.due(now=NOW + 15 * SECOND, until=NOW + 20 * SECOND, limit=9)
    assert (due.message.id, due.deadline) == (message_id, False)
    assert due.message.due_at == NOW + 15 * SECOND


async def test_what_is_due_is_reserved(store: Store) -> None:
    alice = await account(store)
    await polled(store, order(alice), NOW + 1)
    assert len(await store.due(now=NOW + 1, until=NOW + 9, limit=9)) == 1
    assert await store.due(now=NOW + 8, until=NOW + 20, limit=9) == []
    assert await store.next_due() == NOW + 9
    assert len(await store.due(now=NOW + 9, until=NOW + 20, limit=9)) == 1


async def test_deadlines_come_before_polls(store: Store) -> None:
    alice = await account(store)
    poll = await polled(store, order(alice, at=NOW + 60 * SECOND), NOW + 61 * SECOND)
    (placed,) = await place(store, order(alice))
    now = NOW + 302 * SECOND
    (first,) = await store.due(now=now, until=now + 1, limit=1)
    (second,) = await store.due(now=now, until=now + 1, limit=1)
    assert (first.message.id, first.deadline) == (placed.message_id, True)
    assert (second.message.id, second.deadline) == (poll, False)


async def test_a_message_with_poll_and_deadline_is_due_once(store: Store) -> None:
    alice = await account(store)
    await polled(store, order(alice), NOW + 1)
    now = NOW + 302 * SECOND
    (due,) = await store.due(now=now, until=now + 9, limit=9)
    assert due.deadline
    assert await store.due(now=now, until=now + 9, limit=9) == []


async def test_a_reserved_deadline_is_decided_at_its_own_instant(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    await observe(store, source="send", message_id=claimed.message.id, epoch=1)
    now = NOW + 302 * SECOND
    (due,) = await store.due(now=now, until=now + DAY, limit=9)
    await expire(store, claimed, at=now)
    first = (await row(store, claimed)).messages[0]
    assert due.message.decide_at == now
    assert (first.state, first.reason, first.final_at) == (State.FAILED, Reason.UNKNOWN, now)


async def test_a_deadline_in_a_lease_waits_for_its_end(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, plan=ONLY_SMS))
    at = NOW + 119 * SECOND
    (claimed,) = await claim(store, "sms", now=at)
    await expire(store, claimed, at=NOW + 120 * SECOND)
    (message,) = (await row(store, claimed)).messages
    assert (message.state, message.decide_at) == (State.QUEUED, at + 30 * SECOND)
    await expire(store, claimed, at=at + 30 * SECOND)
    assert (await row(store, claimed)).messages[0].state is State.FAILED


# Confirm


async def test_a_right_confirm_ends_the_message_as_read(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    packet_id = claimed.row.packet.id
    assert await store.confirm(packet_id, right=False, at=NOW) == (Verdict.WRONG, ())
    assert await store.confirm(packet_id, right=True, at=NOW) == (Verdict.RIGHT, ("confirmed",))
    assert (await store.confirm(packet_id, right=True, at=NOW))[0] is Verdict.USED
    found = await row(store, claimed)
    assert (found.packet.confirm_tries, found.packet.confirmed_at) == (2, NOW)
    assert found.messages[0].state is State.CONFIRMED
    assert await store.verify() == []


async def test_a_code_may_be_tried_five_times(store: Store) -> None:
    alice = await account(store)
    (placed,) = await place(store, order(alice))
    for _ in range(5):
        verdict, _words = await store.confirm(placed.packet_id, right=False, at=NOW)
        assert verdict is Verdict.WRONG
    assert (await store.confirm(placed.packet_id, right=True, at=NOW))[0] is Verdict.EXHAUSTED


async def test_parallel_confirms_are_right_once(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    calls = (store.confirm(claimed.row.packet.id, right=True, at=NOW) for _ in range(9))
    verdicts = [verdict for verdict, _ in await asyncio.gather(*calls)]
    assert sorted(verdicts) == [Verdict.RIGHT] + [Verdict.USED] * 8


async def test_a_confirm_before_any_attempt_cancels_and_refunds(store: Store) -> None:
    alice = await account(store)
    (placed,) = await place(store, order(alice))
    await store.confirm(placed.packet_id, right=True, at=NOW)
    after = await fresh(store, alice)
    assert (after.balance, after.held) == (FUNDS, 0)
    assert await claim(store) == []
    assert await store.verify() == []


async def test_a_confirm_of_no_packet_is_an_error(store: Store) -> None:
    with pytest.raises(LookupError):
        await store.confirm(1_999_999, right=True, at=NOW)


# Timeline and counts


async def test_the_timeline_tells_what_was_seen(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await observe(store, at=NOW + 1, message_id=claimed.message.id, detail="sent to device")
    await observe(
        store, at=NOW + 2, message_id=claimed.message.id, events=(Event.DELIVERED,), detail="ok"
    )
    await expire(store, claimed)
    lines = await store.timeline(claimed.row.packet.id)
    assert [(line.num, line.word, line.source, line.detail) for line in lines] == [
        (1, "sent", "send", ""),
        (1, "seen", "poll", "sent to device"),
        (1, "delivered", "poll", "ok"),
        (1, "expired", "deadline", ""),
        (2, "fallback", "deadline", ""),
    ]


async def test_open_messages_are_counted_by_channel_and_state(store: Store) -> None:
    alice = await account(store)
    await sent(store, order(alice))
    await place(store, order(alice, at=NOW + 1), order(alice, at=NOW + 2, plan=ONLY_SMS))
    assert await store.counts() == {
        "telegram.sent": 1,
        "telegram.queued": 1,
        "sms.queued": 1,
        "oldest_due_at": NOW + 1,
    }


# Keys that nothing needs


async def test_a_days_keys_are_needed_while_a_packet_is_open(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice, key_day="2025-10-09"))
    assert await store.purge(now=NOW + 30 * DAY) == []


async def test_a_days_keys_are_free_after_the_longest_retention(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    await store.change_account(bob.id, settings=AccountSettings(code_retention_s=3 * 86_400))
    for owner in (alice, bob):
        claimed = await sent(store, order(owner), owner.login)
        await observe(store, message_id=claimed.message.id, events=(Event.READ,))
    assert await store.purge(now=NOW + 3 * DAY - 1) == []
    assert await store.purge(now=NOW + 3 * DAY) == ["2025-10-09"]
    assert await store.purge(now=NOW + 3 * DAY) == ["2025-10-09"]


async def test_todays_keys_are_never_free(store: Store) -> None:
    alice = await account(store, settings=AccountSettings(code_retention_s=0))
    claimed = await sent(store, order(alice, key_day="2025-10-09"))
    await observe(store, message_id=claimed.message.id, events=(Event.READ,))
    assert await store.purge(now=NOW + SECOND) == []
    assert await store.purge(now=NOW + DAY) == ["2025-10-09"]


# Four eyes


async def proposed(store: Store, who: int, **more: object) -> int:
    desk = Proposals(tables(store))
    asked = {"kind": "topup", "amount": 50_000, "document": "PP 1", "comment": "", "actor": "olga"}
    await desk.propose(account_id=who, at=NOW, **{**asked, **more})  # type: ignore[arg-type]
    return (await desk.waiting(who))[-1].id


async def approve(store: Store, number: int, by: str = "igor") -> int:
    return await store.approve(number, by=by, wall=NOW + 1, at=NOW + 2)


async def test_a_proposal_is_booked_once_by_somebody_else(store: Store) -> None:
    alice = await account(store)
    number = await proposed(store, alice.id)
    with pytest.raises(NotBooked, match="not_waiting"):
        await approve(store, number, by="olga")
    assert (await fresh(store, alice)).balance == FUNDS
    assert await approve(store, number) == alice.id
    with pytest.raises(NotBooked, match="not_waiting"):
        await approve(store, number)
    assert (await fresh(store, alice)).balance == FUNDS + 50_000
    entry = (await store.ledger(alice.id))[0]
    assert (entry.kind, entry.amount, entry.document, entry.at) == (
        "topup",
        50_000,
        "PP 1",
        NOW + 2,
    )
    assert await Proposals(tables(store)).waiting() == []
    assert await store.verify() == []


async def test_what_is_booked_alone_is_summed_over_a_day(store: Store) -> None:
    alice, desk = await account(store), Proposals(tables(store))

    async def may(amount: int, at: int, *, by: str = "olga") -> bool:
        return await desk.alone(account_id=alice.id, actor=by, amount=amount, at=at, most=100)

    assert await may(60, NOW)
    assert await may(-40, NOW + 1)
    assert not await may(1, NOW + 2)
    assert await may(100, NOW + 2, by="igor")
    assert not await may(61, NOW + DAY_MS)
    assert await may(60, NOW + DAY_MS)
    assert not await may(1, NOW + DAY_MS)


async def test_of_forms_that_come_at_once_each_counts(store: Store) -> None:
    alice, desk = await account(store), Proposals(tables(store))
    asked = {"account_id": alice.id, "actor": "olga", "amount": 50, "at": NOW, "most": 100}
    found = await asyncio.gather(*(desk.alone(**asked) for _ in range(6)))  # type: ignore[arg-type]
    assert sum(found) == 2


async def test_a_correction_downwards_is_booked_with_its_sign(store: Store) -> None:
    alice = await account(store)
    number = await proposed(store, alice.id, kind="adjustment", amount=-7, document="")
    await approve(store, number)
    assert (await fresh(store, alice)).balance == FUNDS - 7


async def test_a_refused_proposal_is_never_booked(store: Store) -> None:
    alice = await account(store)
    number = await proposed(store, alice.id)
    desk = Proposals(tables(store))
    assert await desk.refuse(number, by="olga", at=NOW) is not None
    assert await desk.refuse(number, by="igor", at=NOW) is None
    with pytest.raises(NotBooked, match="not_waiting"):
        await approve(store, number)
    assert (await fresh(store, alice)).balance == FUNDS


async def test_a_proposal_whose_document_was_booked_meanwhile_goes_on_waiting(
    store: Store,
) -> None:
    alice = await account(store)
    first, second = await proposed(store, alice.id), await proposed(store, alice.id)
    await approve(store, first)
    with pytest.raises(NotBooked, match="same_document"):
        await approve(store, second)
    assert [one.id for one in await Proposals(tables(store)).waiting()] == [second]
    assert (await fresh(store, alice)).balance == FUNDS + 50_000


async def test_a_proposal_that_the_books_do_not_hold_goes_on_waiting(store: Store) -> None:
    alice = await account(store)
    number = await proposed(store, alice.id, amount=MONEY_MAX)
    with pytest.raises(NotBooked, match="bad_payment"):
        await approve(store, number)
    assert len(await Proposals(tables(store)).waiting(alice.id)) == 1


# Dead letters


PATIENCE = 60 * SECOND


async def stuck(store: Store, now: int) -> list[int]:
    return await store.stuck(now=now, patience_ms=PATIENCE, limit=10)


async def test_a_message_that_nobody_decides_is_stuck(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    end = life.decide_at(claimed.message) + PATIENCE
    assert await stuck(store, end - 1) == []
    assert await stuck(store, end) == [claimed.message.id]


async def test_a_reservation_does_not_hide_a_stuck_message(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    late = NOW + 600 * SECOND
    await store.due(now=late, until=late + 15 * SECOND, limit=10)
    assert await stuck(store, late) == [claimed.message.id]


async def test_a_queued_message_is_stuck_from_its_handover_or_its_claims_end(store: Store) -> None:
    alice = await account(store)
    waits, held = await place(store, order(alice, plan=ONLY_SMS), order(alice, plan=ONLY_SMS))
    end = NOW + 120 * SECOND + PATIENCE
    await store.claim(channel="sms", node="one", now=NOW, lease_until=end, attempts_max=2, limit=1)
    assert await stuck(store, end) == [held.message_id]
    assert sorted(await stuck(store, end + PATIENCE)) == sorted([waits.message_id, held.message_id])


async def test_a_discard_gives_everything_back_in_one_transaction(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    message_id = claimed.message.id
    assert message_id is not None
    late = NOW + 600 * SECOND
    done = await store.discard(message_id, at=late, patience_ms=PATIENCE)
    assert done == Discarded(words=("discarded",), account_id=alice.id)
    (ended,) = (await row(store, claimed)).messages
    assert (ended.state, ended.reason, ended.refunded) == (State.FAILED, Reason.DISCARDED, True)
    after = await fresh(store, alice)
    assert (after.balance, after.held) == (FUNDS, 0)
    assert [entry.kind for entry in await store.ledger(alice.id)][:2] == ["refund", "charge"]
    assert (await store.timeline(claimed.row.packet.id))[-1].word == "discarded"
    assert await store.verify() == []


async def test_a_message_is_discarded_once_and_only_when_it_is_stuck(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    message_id = claimed.message.id
    assert message_id is not None
    assert await store.discard(message_id, at=NOW, patience_ms=PATIENCE) is None
    assert await store.discard(77, at=NOW, patience_ms=PATIENCE) is None
    late = NOW + 600 * SECOND
    assert await store.discard(message_id, at=late, patience_ms=PATIENCE) is not None
    assert await store.discard(message_id, at=late, patience_ms=PATIENCE) is None
    assert (await fresh(store, alice)).balance == FUNDS


async def test_a_discard_that_the_books_do_not_allow_changes_nothing(
    store: Store, break_ledger: object
) -> None:
    alice = await account(store)
    broken = await sent(store, order(alice))
    message_id = broken.message.id
    assert message_id is not None
    await break_ledger(message_id)  # type: ignore[operator]
    with pytest.raises(Exception) as refused:
        await store.discard(message_id, at=NOW + 600 * SECOND, patience_ms=PATIENCE)
    assert not isinstance(refused.value, Unavailable)
    assert (await row(store, broken)).messages[0].state is State.SENT


async def test_a_retry_makes_a_waiting_attempt_due_at_once(store: Store) -> None:
    alice = await account(store)
    await place(store, order(alice))
    (claimed,) = await claim(store)
    message_id = claimed.message.id
    assert message_id is not None
    await observe(store, source="send", message_id=message_id, epoch=1, retry_at=NOW + 90 * SECOND)
    assert await claim(store, now=NOW + SECOND) == []
    assert await store.waiting(now=NOW + SECOND, limit=10) == [message_id]
    assert await store.retry([message_id], at=NOW + SECOND) == 1
    assert await store.retry([message_id], at=NOW + SECOND) == 0
    assert await store.waiting(now=NOW + SECOND, limit=10) == []
    (again,) = await claim(store, now=NOW + SECOND)
    assert again.message.attempts == 2


async def test_a_retry_of_a_stuck_message_is_decided_at_once(store: Store) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    message_id = claimed.message.id
    assert message_id is not None
    late = NOW + 600 * SECOND
    await store.due(now=late, until=late + 15 * SECOND, limit=10)
    assert await store.due(now=late, until=late + 15 * SECOND, limit=10) == []
    assert await store.retry([message_id], at=late) == 1
    (due,) = await store.due(now=late, until=late + 15 * SECOND, limit=10)
    assert (due.message.id, due.deadline) == (message_id, True)


# Faults


async def test_a_row_that_cannot_be_claimed_stops_no_other(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    broken, sound = await place(store, order(alice), order(bob, at=NOW))
    await break_plan(store, broken.packet_id)
    assert [one.message.id for one in await claim(store)] == [sound.message_id]
    assert [one.message.id for one in await claim(store)] == []
    refused, placed = await store.accept([order(alice), order(bob)])
    assert refused == NotPlaced(error="UNAVAILABLE")
    assert isinstance(placed, Placed)


async def test_a_row_that_cannot_be_read_stops_no_other_deadline(store: Store) -> None:
    alice, bob = await account(store), await account(store, "bob")
    broken, sound = await sent(store, order(alice), "a"), await sent(store, order(bob), "b")
    await break_plan(store, broken.row.packet.id)
    late = NOW + 600 * SECOND
    found = await store.due(now=late, until=late + 15 * SECOND, limit=10)
    assert [due.message.id for due in found] == [sound.message.id]
    assert broken.message.id in await stuck(store, late)
    await observe(
        store, at=late, source="deadline", message_id=sound.message.id, events=(Event.TIMED_OUT,)
    )
    assert (await row(store, sound)).messages[0].state is State.EXPIRED


async def break_plan(store: Store, packet_id: int) -> None:
    """Makes a packet that cannot be read."""
    broken = "update packet set plan = ? where id = ?"
    await store.run([(broken, ("{", packet_id))])  # type: ignore[attr-defined]


async def test_an_observation_that_breaks_a_rule_of_money_stops_nothing_else(
    store: Store, break_ledger: object
) -> None:
    alice, bob = await account(store), await account(store, "bob")
    broken = await sent(store, order(alice), "a")
    sound = await sent(store, order(bob), "b")
    await break_ledger(broken.message.id)  # type: ignore[operator]
    at = NOW + 302 * SECOND
    timed_out = [
        Observation(
            at=at, source="deadline", message_id=claimed.message.id, events=(Event.TIMED_OUT,)
        )
        for claimed in (broken, sound)
    ]
    faulty, recorded = await store.record(timed_out)
    assert faulty.words == ("faulty",)
    assert recorded.words == ("expired", "fallback")
    assert (await row(store, broken)).messages[0].state is State.SENT
    refused, placed = await store.accept([order(alice), order(bob)])
    assert refused == NotPlaced(error="UNAVAILABLE")
    assert isinstance(placed, Placed)


async def test_a_broken_rule_stops_an_account_on_every_node_until_it_is_resumed(
    store: Store, other_node: Store, break_ledger: object
) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice), "a")
    await break_ledger(claimed.message.id)  # type: ignore[operator]
    at = NOW + 302 * SECOND
    id = claimed.message.id
    await observe(store, at=at, source="deadline", message_id=id, events=(Event.TIMED_OUT,))
    refused = NotPlaced(error="UNAVAILABLE")
    assert await other_node.accept([order(alice)]) == [refused]
    stopped = await fresh(other_node, alice)
    assert stopped.stopped_at == at
    assert stopped.stopped_why.startswith(f"message {id}, deadline: ")
    assert await other_node.resume_account(alice.id)
    assert not await store.resume_account(alice.id)
    assert (await fresh(store, alice)).stopped_at is None
    (placed,) = await store.accept([order(alice)])
    assert isinstance(placed, Placed)


async def test_the_first_reason_for_which_an_account_was_stopped_stays(store: Store) -> None:
    alice = await account(store)
    first, second = await place(store, order(alice), order(alice, at=NOW + 1))
    await break_plan(store, first.packet_id)
    await claim(store)
    await break_plan(store, second.packet_id)
    await claim(store, now=NOW + SECOND)
    assert f"message {first.message_id}," in (await fresh(store, alice)).stopped_why


async def test_a_stopped_account_is_told_apart_from_a_blocked_one(store: Store) -> None:
    """And its accepted codes go on to their end."""
    alice = await account(store)
    broken, sound = await place(store, order(alice), order(alice, at=NOW + 1))
    await break_plan(store, broken.packet_id)
    (claimed,) = await claim(store, now=NOW + SECOND)
    assert claimed.message.id == sound.message_id
    found = await fresh(store, alice)
    assert (found.status, found.stopped_at) == (AccountStatus.ACTIVE, NOW + SECOND)
    recorded = await observe(
        store,
        at=NOW + 2 * SECOND,
        source="send",
        message_id=sound.message_id,
        epoch=claimed.message.epoch,
        events=(Event.ACCEPTED,),
    )
    assert recorded.words == ("sent",)


async def test_a_broken_ledger_is_told_by_verify(store: Store, break_ledger: object) -> None:
    alice = await account(store)
    claimed = await sent(store, order(alice))
    await break_ledger(claimed.message.id)  # type: ignore[operator]
    found = await store.verify()
    assert any("I-1" in finding for finding in found)
    assert any("I-4" in finding for finding in found)


__all__ = [name for name in dir() if name.startswith("test_")]
