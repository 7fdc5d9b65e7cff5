"""One attempt: the two steps, what is on record before them, and every way they can go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from kodgate.core.types import Booking, BookingKind, Event

from .fake import CODE, NOW, PHONE, REQUEST_ID, Bench, Journal, Step, bench, delivery, gateway

CHECK, SEND, STATUS = "checkSendAbility", "sendVerificationMessage", "checkVerificationStatus"
REJECTED = (Event.REJECTED,)


def booked(kind: BookingKind, attempt: int, amount: int = 100) -> Booking:
    return Booking(kind=kind, provider="telegram", amount=amount, attempt=attempt)


ORPHAN = booked(BookingKind.ORPHAN_FEE, 0)


async def test_a_code_is_checked_recorded_and_sent() -> None:
    async with bench() as b:
        seen = await b.send()
        assert (seen.events, seen.epoch, seen.source) == ((Event.ACCEPTED,), 1, "send")
        assert seen.poll_at == NOW + 1000
        assert b.gateway.methods() == [CHECK, SEND]
        assert b.journal.prepared_with == [
            {
                "provider_id": REQUEST_ID,
                "settles_at": NOW + 300_000,
                "bookings": (booked(BookingKind.FEE, 1),),
            }
        ]
        assert seen.bookings == ()


async def test_the_request_carries_id_code_ttl_and_payload() -> None:
    async with bench(callback_url="https://gate.example/cb", sender_username="bobs_shop") as b:
        await b.send()
        assert b.gateway.parameters(SEND) == {
            "phone_number": f"+{PHONE}",
            "request_id": REQUEST_ID,
            "sender_username": "bobs_shop",
            "code": CODE,
            "callback_url": "https://gate.example/cb",
            "payload": "k:abcd1234:123:1",
            "ttl": 300,
        }


async def test_the_balance_is_learnt_from_checks_only() -> None:
    async with bench() as b:
        assert b.channel.remaining_balance is None
        await b.send()
        assert b.channel.remaining_balance == 999_900


async def test_both_calls_of_many_messages_share_pooled_connections() -> None:
    async with bench() as b:
        for _ in range(5):
            await b.send()
        assert len(b.gateway.connections) == 1


async def test_every_call_is_counted_with_its_outcome() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error="TTL_INVALID"))
        await b.send()
        assert b.outcomes == [(CHECK, "ok"), (SEND, "refused")]


async def test_a_message_that_telegram_reports_as_read_at_once_is_read() -> None:
    async with bench() as b:
        b.gateway.word_when_sent = "read"
        seen = await b.send()
        assert set(seen.events) == {Event.ACCEPTED, Event.DELIVERED, Event.READ}


async def test_room_shrinks_while_messages_are_under_way() -> None:
    rooms: list[int] = []

    class Watching(Journal):
        async def may_go_on(self) -> bool:
            rooms.append(b.channel.room())
            return True

    async with bench(concurrency=2) as b:
        await b.channel.send(delivery(), Watching())
        assert rooms == [1] and b.channel.room() == 2


# The claim


async def test_a_stale_claim_asks_nothing_and_is_given_back() -> None:
    async with bench() as b:
        b.journal.goes_on = False
        seen = await b.send()
        assert seen.later_at == NOW and b.gateway.calls == []


async def test_a_claim_that_went_stale_during_the_check_books_its_fee_and_does_not_send() -> None:
    async with bench() as b:
        b.journal.says = False
        seen = await b.send()
        assert seen.later_at == NOW and b.gateway.sent == 0
        assert b.journal.bookings == (booked(BookingKind.FEE, 1),)


async def test_a_given_back_claim_sends_with_the_id_that_it_paid_for() -> None:
    async with bench() as b:
        b.journal.says = False
        await b.send()
        b.journal.says = True
        seen = await b.resend(attempt=1, settles_at=None)
        assert seen.events == (Event.ACCEPTED,)
        assert b.gateway.methods() == [CHECK, SEND]


# Time


async def test_a_first_send_that_would_settle_too_late_is_not_started() -> None:
    async with bench() as b:
        seen = await b.send(ends_at=NOW + 24_000)
        assert seen.events == REJECTED and b.gateway.calls == []


async def test_a_check_that_took_too_long_is_paid_and_not_followed_by_a_send() -> None:
    async with bench() as b:
        original = b.channel._upstream.link.call

        async def slowly(method: Any, parameters: Any) -> Any:
            answer = await original(method, parameters)
            b.clock.at += 8_000
            return answer

        b.channel._upstream.link.call = slowly  # type: ignore[method-assign]
        seen = await b.send(ends_at=NOW + 30_000)
        assert seen.events == REJECTED and b.gateway.sent == 0
        assert seen.bookings == (booked(BookingKind.FEE, 1),)


@pytest.mark.parametrize(("left_s", "ttl"), [(30, 30), (26, 30), (301, 301), (36_000, 3600)])
async def test_the_ttl_comes_from_the_time_left(left_s: int, ttl: int) -> None:
    async with bench() as b:
        await b.send(ends_at=NOW + left_s * 1000)
        assert b.gateway.parameters(SEND)["ttl"] == ttl
        assert b.journal.prepared_with[0]["settles_at"] == NOW + ttl * 1000


# Errors of the check


@pytest.mark.parametrize(
    "error",
    [
        "PHONE_NUMBER_NOT_AVAILABLE",
        "PHONE_NUMBER_NOT_FOUND",
        "PHONE_NUMBER_INVALID",
        "SOMETHING_NEW",
        "ACCESS_TOKEN_INVALID",
        "BALANCE_NOT_ENOUGH",
        "REQUEST_ID_INVALID",
        "MESSAGE_ALREADY_SENT",
        "SENDER_NOT_VERIFIED",
    ],
)
async def test_a_refused_check_rejects_for_free_in_telegrams_own_words(error: str) -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error=error))
        seen = await b.send()
        assert seen.events == REJECTED and seen.bookings == ()
        assert seen.detail == f"{CHECK}: {error}"
        assert b.gateway.methods() == [CHECK] and b.journal.prepared_with == []


LOST = [
    Step(lose="before"),
    Step(lose="after"),
    Step(wait_s=5),
    Step(raw=b"<html>"),
    Step(raw=b""),
    Step(raw=b'{"ok":true}'),
    Step(raw=b'{"ok":true,"resu'),
    Step(raw=b"x" * 20_000_000),
    Step(raw=b"x" * 500, drip=True),
    Step(raw=b"", status=500),
    Step(raw=b"", status=302, headers={"Location": "http://127.0.0.1:9/steal"}),
]


@pytest.mark.parametrize("step", LOST)
async def test_a_lost_check_is_tried_again_and_may_have_cost_a_fee(step: Step) -> None:
    async with bench(timeout_s=0.3, connect_timeout_s=0.3) as b:
        b.gateway.plan(CHECK, step)
        seen = await b.send()
        assert (seen.events, seen.retry_at) == ((), NOW + 1000)
        assert seen.bookings == (ORPHAN,)


async def test_the_second_lost_check_rejects_with_one_orphan_fee() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(lose="after"))
        seen = await b.send(attempt=2)
        assert seen.events == REJECTED and seen.bookings == (ORPHAN,)


async def test_a_third_check_is_never_made() -> None:
    async with bench() as b:
        seen = await b.send(attempt=3)
        assert seen.events == REJECTED and seen.bookings == (ORPHAN,)
        assert b.gateway.calls == []


async def test_a_check_after_a_lost_one_books_both_fees() -> None:
    async with bench() as b:
        seen = await b.send(attempt=2, epoch=2)
        assert seen.events == (Event.ACCEPTED,)
        assert b.journal.bookings == (ORPHAN, booked(BookingKind.FEE, 2))


async def test_an_orphan_fee_is_what_the_tariff_expects() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(lose="after"))
        seen = await b.send(cost=250)
        assert seen.bookings == (booked(BookingKind.ORPHAN_FEE, 0, 250),)


async def test_the_back_off_is_real_time_on_a_scaled_clock() -> None:
    async with bench() as b:
        b.clock.scale = 10
        b.gateway.plan(CHECK, Step(lose="after"))
        assert (await b.send()).retry_at == NOW + 10_000


async def test_an_answer_about_another_phone_is_no_answer() -> None:
    async with bench() as b:
        b.gateway.bad = {"phone_number": "79990000000"}
        seen = await b.send()
        assert seen.retry_at is not None and b.journal.prepared_with == []


async def test_a_fee_is_what_telegram_says_and_else_what_is_expected() -> None:
    async with bench(expected_cost=70) as b:
        b.gateway.bad = {"request_cost": 0.0234}
        await b.send()
        b.gateway.bad = {"request_cost": -5}
        await b.send(message_id=124)
        assert [entry.amount for entry in b.journal.bookings] == [234, 70]


# Errors of the send


@pytest.mark.parametrize(
    "error", ["PAYLOAD_INVALID", "CODE_INVALID", "PHONE_NUMBER_MISMATCH", "SOMETHING_NEW"]
)
async def test_a_refused_send_rejects(error: str) -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error=error))
        seen = await b.send()
        assert seen.events == REJECTED and seen.detail == f"{SEND}: {error}"


async def test_already_sent_is_success() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error="MESSAGE_ALREADY_SENT"))
        seen = await b.send()
        assert seen.events == (Event.ACCEPTED,) and seen.poll_at == NOW + 1000


@pytest.mark.parametrize(
    "error", ["SENDER_USERNAME_INVALID", "SENDER_NOT_VERIFIED", "SENDER_NOT_OWNED"]
)
async def test_a_refused_sender_is_left_out_once(error: str) -> None:
    async with bench(sender_username="bobs_shop") as b:
        b.gateway.plan(SEND, Step(error=error))
        seen = await b.send()
        assert seen.events == (Event.ACCEPTED,)
        assert b.gateway.methods() == [CHECK, SEND, SEND]
        assert "sender_username" not in b.gateway.parameters(SEND)


async def test_a_sender_that_is_refused_twice_rejects() -> None:
    async with bench(sender_username="bobs_shop") as b:
        b.gateway.plan(SEND, Step(error="SENDER_NOT_OWNED"), Step(error="SENDER_NOT_OWNED"))
        assert (await b.send()).events == REJECTED
        assert b.gateway.methods() == [CHECK, SEND, SEND]


@pytest.mark.parametrize("error", ["REQUEST_ID_INVALID", "REQUEST_ID_REQUIRED"])
async def test_a_lost_id_is_checked_anew_once_with_its_own_fee(error: str) -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error=error))
        seen = await b.send()
        assert seen.events == (Event.ACCEPTED,)
        assert b.gateway.methods() == [CHECK, SEND, CHECK, SEND]
        assert b.journal.bookings == (booked(BookingKind.FEE, 1), booked(BookingKind.FEE, 4))


async def test_an_id_that_is_lost_twice_rejects() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error="REQUEST_ID_INVALID"), Step(error="REQUEST_ID_INVALID"))
        assert (await b.send()).events == REJECTED
        assert b.gateway.methods() == [CHECK, SEND, CHECK, SEND]


async def test_a_new_check_that_is_held_back_rejects_since_nothing_was_sent() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error="REQUEST_ID_INVALID"))
        b.gateway.plan(CHECK, Step(), Step(error="FLOOD_WAIT_3"))
        assert (await b.send()).events == REJECTED


@pytest.mark.parametrize("step", LOST)
async def test_a_lost_send_is_looked_at_again(step: Step) -> None:
    async with bench(timeout_s=0.3, connect_timeout_s=0.3) as b:
        b.gateway.plan(SEND, step)
        seen = await b.send()
        assert (seen.events, seen.retry_at, seen.later_at) == ((), NOW + 1000, None)


async def test_a_send_answered_for_another_request_is_lost() -> None:
    async with bench() as b:
        b.gateway.plan(
            SEND, Step(raw=b'{"ok":true,"result":{"request_id":"9","phone_number":"79120000001"}}')
        )
        seen = await b.send()
        assert seen.events == () and seen.retry_at is not None


# After a lost send


async def test_the_message_of_a_lost_answer_is_found_and_not_sent_again() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="after"))
        await b.send()
        b.gateway.requests[REQUEST_ID].word = "delivered"
        seen = await b.resend()
        assert set(seen.events) == {Event.ACCEPTED, Event.DELIVERED} and seen.epoch == 2
        assert b.gateway.methods() == [CHECK, SEND, STATUS] and b.gateway.sent == 1
        assert seen.poll_at is not None


async def test_a_send_that_never_arrived_is_repeated_with_the_same_id() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"))
        await b.send()
        b.clock.at += 1000
        seen = await b.resend()
        assert seen.events == (Event.ACCEPTED,)
        assert b.gateway.methods() == [CHECK, SEND, STATUS, SEND]
        assert b.gateway.fees == 1 and b.gateway.sent == 1
        assert b.journal.prepared_with[-1]["provider_id"] == REQUEST_ID
        assert b.journal.bookings == (booked(BookingKind.FEE, 1),)


async def test_a_repeat_that_overtakes_its_first_send_is_success() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"), Step(error="MESSAGE_ALREADY_SENT"))
        await b.send()
        assert (await b.resend()).events == (Event.ACCEPTED,)


@pytest.mark.parametrize(
    "changes", [{"ends_at": NOW + 24_000}, {"answered": True}], ids=["too late", "answered"]
)
async def test_a_send_is_not_repeated_but_looked_at(changes: dict[str, Any]) -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"))
        await b.send()
        seen = await b.resend(**changes)
        assert seen.events == () and seen.poll_at is not None
        assert b.gateway.methods() == [CHECK, SEND, STATUS]


@pytest.mark.parametrize(
    "error", ["PHONE_NUMBER_NOT_AVAILABLE", "REQUEST_ID_INVALID", "TTL_INVALID", "SOMETHING_NEW"]
)
async def test_after_a_send_nothing_is_rejected_any_more(error: str) -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"), Step(error=error))
        await b.send()
        seen = await b.resend()
        assert seen.events == () and seen.poll_at is not None and seen.retry_at is None


async def test_a_lost_id_gets_no_new_check_after_a_send() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"))
        b.gateway.plan(STATUS, Step(error="REQUEST_ID_INVALID"))
        await b.send()
        seen = await b.resend()
        assert seen.events == () and seen.poll_at is not None
        assert b.gateway.methods() == [CHECK, SEND, STATUS]


async def test_a_lost_look_is_repeated_and_after_the_last_claim_only_polled() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="before"))
        b.gateway.plan(STATUS, Step(lose="after"), Step(lose="after"))
        await b.send()
        assert (await b.resend()).retry_at == NOW + 1000
        last = await b.resend(attempt=3, epoch=3)
        assert (last.retry_at, last.poll_at) == (None, NOW + 1000)


async def test_an_expired_message_is_found_undelivered_and_owed() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(lose="after"))
        await b.send()
        b.gateway.requests[REQUEST_ID].word = "expired"
        seen = await b.resend()
        assert set(seen.events) == {Event.ACCEPTED, Event.UNDELIVERED}
        assert seen.bookings == (booked(BookingKind.RECEIVABLE, 1),)
        assert seen.poll_at == NOW + 5000


# Floods


async def test_a_flood_gives_the_claim_back_and_the_next_one_waits_without_a_call() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error="FLOOD_WAIT_3"))
        seen = await b.send()
        assert (seen.later_at, seen.events) == (NOW + 3000, ())
        b.clock.at += 2000
        assert (await b.send()).later_at == NOW + 3000
        assert b.gateway.methods() == [CHECK]
        b.clock.at += 1000
        assert (await b.send()).events == (Event.ACCEPTED,)


async def test_a_flood_of_alices_phone_does_not_hold_back_bobs() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error="FLOOD_WAIT_60"))
        await b.send()
        assert (await b.send(message_id=124, phone="79120000002")).events == (Event.ACCEPTED,)


async def test_floods_of_three_phones_hold_back_everybody() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, *[Step(error="FLOOD_WAIT_60")] * 3)
        for number in range(3):
            await b.send(phone=f"7912000000{number}")
        seen = await b.send(phone="79120000009")
        assert seen.later_at == NOW + 60_000 and len(b.gateway.calls) == 3


async def test_a_flood_that_outlasts_the_deadline_rejects_at_once() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error="FLOOD_WAIT_290"))
        assert (await b.send()).events == REJECTED


async def test_a_flood_at_the_send_gives_the_claim_back_with_its_id_on_record() -> None:
    async with bench() as b:
        b.gateway.plan(SEND, Step(error="FLOOD_WAIT_3"))
        assert (await b.send()).later_at == NOW + 3000
        b.clock.at += 3000
        seen = await b.resend(attempt=1, settles_at=None)
        assert seen.events == (Event.ACCEPTED,) and b.gateway.fees == 1


async def test_a_flood_of_polls_does_not_hold_back_sends() -> None:
    async with bench() as b:
        b.gateway.plan(STATUS, Step(error="FLOOD_WAIT_60"))
        await b.poll()
        assert (await b.send()).events == (Event.ACCEPTED,)


# The breaker


@pytest.mark.parametrize(
    "error",
    ["BALANCE_NOT_ENOUGH", "ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_REQUIRED", "UNKNOWN_METHOD"],
)
async def test_an_error_that_no_retry_cures_stops_the_channel(error: str) -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error=error))
        await b.send()
        health = b.channel.health()
        assert (health.live, health.why) == (False, error)
        seen = await b.send(message_id=124)
        assert seen.events == REJECTED and error in seen.detail
        assert len(b.gateway.calls) == 1


async def test_a_wrong_token_stops_the_channel() -> None:
    async with bench(token="another-canary") as b:
        assert (await b.send()).events == REJECTED
        assert not b.channel.health().live


async def test_a_good_probe_closes_the_breaker() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, Step(error="BALANCE_NOT_ENOUGH"))
        await b.send()
        b.channel._upstream.breaker._probe_at_s -= 30
        assert b.channel.health().live
        assert (await b.send(message_id=124)).events == (Event.ACCEPTED,)
        assert b.channel.health().why == ""


async def test_a_bad_probe_keeps_it_open() -> None:
    async with bench() as b:
        b.gateway.plan(CHECK, *[Step(error="BALANCE_NOT_ENOUGH")] * 2)
        await b.send()
        b.channel._upstream.breaker._probe_at_s -= 30
        await b.send(message_id=124)
        assert not b.channel.health().live and len(b.gateway.calls) == 2


async def test_a_dead_token_seen_by_a_poll_stops_the_channel_too() -> None:
    async with bench() as b:
        b.gateway.plan(STATUS, Step(error="ACCESS_TOKEN_INVALID"))
        await b.poll()
        assert not b.channel.health().live


# No connection


async def closed_bench() -> str:
    async with gateway() as gone:
        return gone.url


async def test_a_call_that_never_left_gives_the_claim_back_without_a_fee() -> None:
    async with gateway() as fake, bench(fake, base_url=await closed_bench()) as b:
        seen = await b.send()
        assert (seen.later_at, seen.events, seen.bookings) == (NOW + 1000, (), ())
        assert b.channel.health().live


async def test_ten_seconds_without_a_connection_stop_the_channel() -> None:
    async with gateway() as fake, bench(fake, base_url=await closed_bench()) as b:
        await b.send()
        outage = b.channel._upstream._outage
        assert outage._first_s is not None
        outage._first_s -= 10
        assert (await b.send()).events == REJECTED
        assert not b.channel.health().live


async def test_a_lost_send_is_waited_for_while_there_is_no_connection() -> None:
    async with gateway() as fake, bench(fake, base_url=await closed_bench()) as b:
        seen = await b.send(attempt=2, provider_id=REQUEST_ID, settles_at=NOW + 300_000)
        assert seen.later_at == NOW + 1000


async def test_no_secret_reaches_timelines_or_logs(capsys: pytest.CaptureFixture[str]) -> None:
    def quoting(b: Bench) -> Step:
        return Step(error=f"BAD token canary-token-0123456789 code {CODE} phone {PHONE}")

    async with bench() as b:
        b.gateway.plan(SEND, quoting(b))
        seen = await b.send()
        logged = "".join(capsys.readouterr())
        assert "BAD token" in logged and "BAD token" in seen.detail
        for secret in ("canary", CODE, PHONE):
            assert secret not in logged + seen.detail + repr(b.channel._upstream.settings)
