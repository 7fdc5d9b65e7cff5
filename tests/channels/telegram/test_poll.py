"""Looking at a message: when, how often, and what it says of the provider's money."""

from __future__ import annotations

from typing import Any

import pytest

from kodgate.core.types import BookingKind, Event

from .fake import NOW, PHONE, REQUEST_ID, Bench, Request, Step, bench, delivery
from .test_callback import signed

STATUS = "checkVerificationStatus"
S = 1000
DAY_S = 86_400


def stand(b: Bench, word: str | None, *, refunded: bool = False) -> None:
    """What the gateway's books say of the message."""
    b.gateway.requests[REQUEST_ID] = Request(phone=PHONE, word=word, refunded=refunded)


@pytest.mark.parametrize(
    ("word", "events", "next_s"),
    [
        (None, set(), 1),
        ("sent", {Event.ACCEPTED}, 1),
        ("delivered", {Event.ACCEPTED, Event.DELIVERED}, 1),
        ("read", {Event.ACCEPTED, Event.DELIVERED, Event.READ}, None),
        ("expired", {Event.ACCEPTED, Event.UNDELIVERED}, 5),
        ("revoked", set(), 1),
        ("exploded", set(), 1),
    ],
)
async def test_a_poll_says_what_telegram_says_and_when_to_look_again(
    word: str | None, events: set[Event], next_s: int | None
) -> None:
    async with bench() as b:
        stand(b, word)
        seen = await b.poll()
        assert (set(seen.events), seen.source, seen.epoch) == (events, "poll", None)
        assert seen.poll_at == (None if next_s is None else NOW + next_s * S)


async def test_an_unknown_word_is_shown() -> None:
    async with bench() as b:
        stand(b, "exploded")
        assert (await b.poll()).detail == "exploded"


async def test_a_message_without_an_id_cannot_be_asked_about() -> None:
    async with bench() as b:
        assert await b.channel.poll(delivery(), last=True) is None


async def test_the_engines_own_poll_at_the_deadline_is_not_planned_here() -> None:
    async with bench() as b:
        stand(b, "delivered")
        b.clock.at += 299 * S
        assert (await b.poll(decide_at=NOW + 300 * S)).poll_at is None


@pytest.mark.parametrize(
    "step",
    [
        Step(lose="after"),
        Step(raw=b"<html>"),
        Step(error="REQUEST_ID_INVALID"),
        Step(error="SOMETHING_NEW"),
        Step(wait_s=5),
    ],
)
async def test_a_poll_without_an_answer_says_when_to_look_again(step: Step) -> None:
    async with bench(timeout_s=0.3, connect_timeout_s=0.3) as b:
        stand(b, "read")
        b.gateway.plan(STATUS, step)
        seen = await b.poll()
        assert (seen.events, seen.poll_at) == ((), NOW + 1 * S)


async def test_an_answer_about_another_message_is_no_evidence() -> None:
    async with bench() as b:
        stand(b, "read")
        b.gateway.bad = {"request_id": "222370177549999"}
        assert (await b.poll()).events == ()


# The last look


@pytest.mark.parametrize(
    ("word", "next_s"),
    [("sent", 5), ("delivered", 5), ("expired", 5), ("read", None), (None, None)],
)
async def test_the_last_look_plans_the_ones_about_the_money(
    word: str | None, next_s: int | None
) -> None:
    async with bench() as b:
        stand(b, word)
        seen = await b.poll(last=True)
        assert seen.poll_at == (None if next_s is None else NOW + next_s * S)


async def test_a_last_look_without_an_answer_plans_them_too() -> None:
    async with bench() as b:
        b.gateway.plan(STATUS, Step(lose="before"))
        seen = await b.poll(last=True)
        assert (seen.events, seen.poll_at) == ((), NOW + 5 * S)


async def test_the_last_look_ignores_the_budget() -> None:
    async with bench(polls_per_s=1) as b:
        stand(b, "sent")
        for _ in range(5):
            assert (await b.poll(last=True)).events == (Event.ACCEPTED,)


async def test_the_last_look_waits_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kodgate.channels.telegram.channel.LAST_LOOK_S", 0.2)
    async with bench(timeout_s=30) as b:
        b.gateway.plan(STATUS, Step(wait_s=20))
        seen = await b.poll(last=True)
        assert (seen.events, seen.detail) == ((), f"{STATUS}: no answer before the deadline")


# Budget and floods


async def test_a_poll_beyond_the_budget_comes_back_later_without_a_call() -> None:
    async with bench(polls_per_s=1) as b:
        stand(b, "sent")
        await b.poll()
        seen = await b.poll()
        assert len(b.gateway.calls) == 1 and seen.events == ()
        assert seen.poll_at is not None and seen.poll_at > NOW + 1 * S


async def test_a_postponed_poll_counts_real_seconds() -> None:
    async with bench(polls_per_s=1) as b:
        b.clock.scale = 10
        stand(b, "sent")
        await b.poll()
        seen = await b.poll()
        assert seen.poll_at is not None and seen.poll_at > NOW + 10 * S


async def test_a_flood_of_polls_holds_polls_back() -> None:
    async with bench() as b:
        stand(b, "read")
        b.gateway.plan(STATUS, Step(error="FLOOD_WAIT_7"))
        await b.poll()
        seen = await b.poll()
        assert seen.poll_at == NOW + 7 * S and len(b.gateway.calls) == 1
        assert (await b.poll(last=True)).events == () and len(b.gateway.calls) == 1
        b.clock.at += 7 * S
        assert Event.READ in (await b.poll()).events


# While reports arrive


async def report_read(b: Bench) -> None:
    body, headers = signed({"delivery_status": {"status": "read", "updated_at": 1}})
    assert b.channel.read_callback(body, headers, wall_now_s=1_795_000_000) is not None


async def test_while_reports_of_reads_arrive_only_the_deadline_polls() -> None:
    async with bench(callback_url="https://gate.example/cb") as b:
        await report_read(b)
        assert (await b.send()).poll_at is None
        stand(b, "delivered")
        assert (await b.poll()).poll_at is None


async def test_a_message_that_may_not_have_been_sent_is_polled_even_then() -> None:
    async with bench(callback_url="https://gate.example/cb") as b:
        await report_read(b)
        stand(b, None)
        assert (await b.poll()).poll_at == NOW + 1 * S


async def test_reports_that_ceased_let_polls_go_on() -> None:
    async with bench(callback_url="https://gate.example/cb") as b:
        await report_read(b)
        b.channel._upstream._read_reported_s -= 300
        assert (await b.send()).poll_at == NOW + 1 * S


async def test_reports_that_never_tell_a_read_do_not_replace_polls() -> None:
    async with bench(callback_url="https://gate.example/cb") as b:
        body, headers = signed({"delivery_status": {"status": "delivered", "updated_at": 1}})
        b.channel.read_callback(body, headers, wall_now_s=1_795_000_000)
        assert (await b.send()).poll_at == NOW + 1 * S


# The provider's money after the end

R, B, W = BookingKind.RECEIVABLE, BookingKind.REFUND, BookingKind.WRITE_OFF


@pytest.mark.parametrize(
    ("after_s", "word", "refunded", "delivered", "kinds", "next_s"),
    [
        (5, "sent", False, False, [R], 60),
        (5, "expired", False, False, [R], 60),
        (60, "expired", False, False, [R], 600),
        (600, "expired", True, False, [R, B], None),
        (600, "expired", False, False, [R], DAY_S),
        (DAY_S, "expired", False, False, [R, W], None),
        (DAY_S, "expired", True, False, [R, B], None),
        (5, "delivered", False, True, [], 60),
        (DAY_S, "delivered", False, True, [], None),
        (60, "delivered", True, True, [R, B], None),
        (60, "read", False, True, [], None),
        (60, "delivered", False, False, [R, W], 600),
        (5, None, False, False, [], None),
    ],
)
async def test_after_the_end_a_look_is_about_the_fee(
    after_s: int,
    word: str | None,
    refunded: bool,
    delivered: bool,
    kinds: list[BookingKind],
    next_s: int | None,
) -> None:
    async with bench() as b:
        stand(b, word, refunded=refunded)
        b.clock.at = NOW + after_s * S
        seen = await b.poll(final=True, final_at=NOW, delivered=delivered, decide_at=None)
        assert [entry.kind for entry in seen.bookings] == kinds
        assert {entry.amount for entry in seen.bookings} <= {100}
        assert seen.poll_at == (None if next_s is None else NOW + next_s * S)


@pytest.mark.parametrize(("after_s", "next_s"), [(5, 60), (DAY_S, DAY_S + 600), (2 * DAY_S, None)])
async def test_a_write_off_waits_for_an_answer_for_one_more_day(
    after_s: int, next_s: int | None
) -> None:
    async with bench() as b:
        b.clock.at = NOW + after_s * S
        b.gateway.plan(STATUS, Step(lose="after"))
        seen = await b.poll(final=True, final_at=NOW, decide_at=None)
        assert seen.bookings == ()
        assert seen.poll_at == (None if next_s is None else NOW + next_s * S)


# Confirm


async def test_a_confirmed_code_is_forwarded() -> None:
    async with bench() as b:
        stand(b, "delivered")
        await b.channel.confirmed(delivery(provider_id=REQUEST_ID), "4711")
        assert b.gateway.calls == [(STATUS, {"request_id": REQUEST_ID, "code": "4711"})]


@pytest.mark.parametrize("changes", [{"provider_id": None}, {"provider_id": "unknown"}])
async def test_forwarding_never_fails(changes: dict[str, Any]) -> None:
    async with bench() as b:
        await b.channel.confirmed(delivery(**changes), "4711")
