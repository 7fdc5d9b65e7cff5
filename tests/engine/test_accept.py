"""One request becomes one packet, or nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.house import FUNDS, PHONE, House, house

from kodgate.core.errors import Refused
from kodgate.core.requests import Mode, Simulation, StatusQuery
from kodgate.core.types import FallbackFunds, Success
from kodgate.engine import simulate
from kodgate.store import Unavailable


async def _error(home: House, *arguments: Any, **more: Any) -> str:
    before = await home.store.account_by_id(home.alice.id)
    with pytest.raises(Refused) as caught:
        await home.send(*arguments, **more)
    assert await home.store.account_by_id(home.alice.id) == before
    return caught.value.error.name


async def test_a_code_is_charged_stored_and_answered(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send(user_message_id="1", user_packet_id="9")
        assert (sent.balance_before, sent.balance_after) == (FUNDS, FUNDS - 21_000)
        assert (sent.user_message_id, sent.user_packet_id) == ("1", "9")
        assert len(sent.messages[0].code) == 6
        row = await home.row(sent)
        assert (row.packet.held, row.zone, row.caller_ip) == (21_000, 1, "192.0.2.1")
        assert PHONE.encode() not in row.phone
        assert (await home.engine.balance(home.alice)).spendable == FUNDS - 42_000


@pytest.mark.parametrize(
    ("settings", "more", "error"),
    [
        ({"sender": ""}, {}, "BAD_SENDER"),
        ({"template": ""}, {"mode": Mode.SMS}, "BAD_SENDER"),
        ({"telegram_allowed": False}, {"mode": Mode.TELE}, "ZONE_CLOSED"),
        ({}, {"phone": "4479120000001"}, "ZONE_CLOSED"),
        ({}, {"phone": "882012345678"}, "ZONE_CLOSED"),
    ],
)
async def test_what_the_account_or_tariff_forbids_stores_nothing(
    tmp_path: Path, settings: dict[str, Any], more: dict[str, Any], error: str
) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(**settings)
        assert await _error(home, **more) == error


async def test_without_sender_and_template_telegram_alone_still_goes(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(sender="", template="")
        assert (await home.send(mode=Mode.TELE)).packet_cost == 21_000


async def test_who_may_not_use_telegram_starts_at_sms(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(telegram_allowed=False)
        sent = await home.send(mode=Mode.TELE_TO_SMS)
        assert [m.channel for m in await home.messages(sent)] == ["sms"]
        assert sent.packet_cost == 42_000


async def test_success_at_delivery_is_a_word_of_the_plan(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(telegram_success=Success.DELIVERED)
        plan = (await home.row(await home.send())).packet.plan
        assert [step.success for step in plan] == [Success.DELIVERED, Success.DELIVERED]


async def test_without_a_live_channel_the_answer_is_try_later(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        home.telegram.live = False
        assert await _error(home, mode=Mode.TELE) == "UNAVAILABLE"
        assert (await home.send(mode=Mode.TELE_TO_SMS)).packet_cost == 21_000
        home.sms.live = False
        assert await _error(home) == "UNAVAILABLE"


async def test_what_is_reserved_cannot_be_spent_twice(tmp_path: Path) -> None:
    async with house(tmp_path, funds=62_999, running=False) as home:
        await home.send()
        assert await _error(home, mode=Mode.TELE) == "NO_FUNDS"


async def test_overdraft_reserves_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, funds=42_000, running=False) as home:
        await home.change(fallback_funds=FallbackFunds.OVERDRAFT)
        await home.send()
        await home.send()
        assert await _error(home) == "NO_FUNDS"
        assert (await home.engine.balance(home.alice)).spendable == 0


async def test_an_equal_live_code_is_drawn_again(tmp_path: Path) -> None:
    draws = iter([7, 7, 8])
    async with house(tmp_path, running=False, randbelow=lambda below: next(draws)) as home:
        codes = [(await home.send()).messages[0].code for _ in range(2)]
        assert codes == ["100007", "100008"]


async def test_a_generator_that_only_repeats_itself_ends(tmp_path: Path) -> None:
    async with house(tmp_path, running=False, randbelow=lambda below: 7) as home:
        await home.send()
        assert await _error(home) == "UNAVAILABLE"


async def test_a_generator_that_fails_sends_nothing(tmp_path: Path) -> None:
    def broken(below: int) -> int:
        raise RuntimeError("no entropy")

    async with house(tmp_path, running=False, randbelow=broken) as home:
        with pytest.raises(RuntimeError):
            await home.send()
        assert await home.store.ledger(home.alice.id, limit=9) == (
            await home.store.ledger(home.alice.id, limit=1)
        )


async def test_the_customers_own_code_may_repeat(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        for _ in range(2):
            assert (await home.send(code="0471")).messages[0].code == "0471"


async def test_a_test_consumes_nothing_and_has_arrived(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send(test=True)
        assert sent.balance_after == FUNDS - 21_000
        assert (await home.engine.balance(home.alice)).spendable == FUNDS
        assert [e.kind for e in await home.store.ledger(home.alice.id)] == ["topup"]
        assert await home.results(sent) == [6]
        home.pass_s(24 * 3_600 + 1)
        with pytest.raises(Refused, match="NOT_FOUND"):
            await home.results(sent)


async def test_a_test_is_refused_as_a_real_request_would_be(tmp_path: Path) -> None:
    async with house(tmp_path, funds=41_999, running=False) as home:
        assert await _error(home, test=True) == "NO_FUNDS"


async def test_no_room_for_the_days_key_is_try_later(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        keys = tmp_path / "keys"
        keys.rename(tmp_path / "away")
        with pytest.raises(Unavailable):
            await home.send()
        (tmp_path / "away").rename(keys)
        await home.send()


async def test_the_users_ids_find_the_packet(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send(user_message_id="order-1", user_packet_id="55")
        by_user = StatusQuery(user_message_id="order-1")
        status = await home.engine.status(home.alice, by_user, caller_ip="")
        assert status.packet_id == sent.packet_id
        with pytest.raises(Refused, match="NOT_FOUND"):
            await home.engine.status(home.alice, StatusQuery(packet_id=55), caller_ip="")
        await home.change(accept_user_packet_id=True)
        status = await home.engine.status(home.alice, StatusQuery(packet_id=55), caller_ip="")
        assert status.packet_id == sent.packet_id


def test_a_simulation_answers_each_number_with_one_code() -> None:
    asked = Simulation(phones=("79120000001", "79120000002"), code=None, user_packet_id="7")
    sent = simulate.sent(asked, caller_ip="192.0.2.1", randbelow=lambda below: 0)
    assert [m.phone for m in sent.messages] == ["79120000001", "79120000002"]
    assert {m.code for m in sent.messages} == {"100000"}
    assert sent.balance_before - sent.balance_after == sent.packet_cost == 42_000
    assert (sent.packet_id, sent.user_packet_id) == (33, "7")


async def test_a_test_does_not_hide_the_real_packet_of_the_same_id(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(accept_user_packet_id=True)
        asked = (StatusQuery(user_message_id="order-1"), StatusQuery(packet_id=55))
        tried = await home.send(user_message_id="order-1", user_packet_id="55", test=True)
        for query in asked:
            status = await home.engine.status(home.alice, query, caller_ip="")
            assert status.packet_id == tried.packet_id
        real = await home.send(user_message_id="order-1", user_packet_id="55")
        await home.send(user_message_id="order-1", user_packet_id="55", test=True)
        for query in asked:
            status = await home.engine.status(home.alice, query, caller_ip="")
            assert status.packet_id == real.packet_id
