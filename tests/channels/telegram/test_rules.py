"""Time left, looks and provider money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.telegram import rules
from kodgate.channels.telegram.api import Status
from kodgate.core.types import BookingKind, Event

from .fake import NOW, delivery

S = 1000


def status(word: str | None, *, refunded: bool = False) -> Status:
    return Status(
        request_id="1",
        phone="79120000001",
        cost=100,
        balance=None,
        refunded=refunded,
        word=word,
        payload=None,
    )


@pytest.mark.parametrize(
    ("left_ms", "ttl_s"),
    [
        (300_000, 300),
        (299_999, 299),
        (30_000, 30),
        (29_999, 30),
        (0, 30),
        (-9 * S, 30),
        (3_600_000, 3600),
        (3_601_000, 3600),
        (36_000_000, 3600),
    ],
)
def test_the_ttl_is_the_time_left_within_what_telegram_takes(left_ms: int, ttl_s: int) -> None:
    assert rules.ttl_s(NOW + left_ms, NOW) == ttl_s


@pytest.mark.parametrize(("left_ms", "may"), [(30_000, True), (25_000, True), (24_999, False)])
def test_no_send_starts_that_settles_later_than_five_seconds_after_the_end(
    left_ms: int, may: bool
) -> None:
    assert rules.in_time(NOW + left_ms, NOW) is may


def test_looks_become_rarer() -> None:
    alice, now, looks = delivery(), NOW, []
    while (at := rules.next_look(alice, now)) is not None:
        looks.append((at - NOW) // S)
        now = at
    assert looks == [1, 2, 4, 8, 15, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300]


@given(st.integers(0, 36_000_000))
def test_the_next_look_is_ahead_by_half_a_minute_at_most(age_ms: int) -> None:
    at = rules.next_look(delivery(decide_at=None), NOW + age_ms)
    assert at is not None and 0 < at - (NOW + age_ms) <= 30 * S


def test_a_message_of_ten_hours_is_looked_at_until_its_deadline() -> None:
    long = delivery(ends_at=NOW + 36_000_000, decide_at=NOW + 36_002_000)
    assert rules.next_look(long, NOW + 3_700 * S) is not None


def test_after_the_end_it_is_looked_at_four_times() -> None:
    now, looks = NOW, []
    while (at := rules.look_after_end(NOW, now)) is not None:
        looks.append((at - NOW) // S)
        now = at
    assert looks == [5, 60, 600, 86_400]


@pytest.mark.parametrize(
    ("word", "events"),
    [
        ("sent", {Event.ACCEPTED}),
        ("delivered", {Event.ACCEPTED, Event.DELIVERED}),
        ("read", {Event.ACCEPTED, Event.DELIVERED, Event.READ}),
        ("expired", {Event.ACCEPTED, Event.UNDELIVERED}),
        ("revoked", set()),
        ("exploded", set()),
        (None, set()),
    ],
)
def test_every_word_of_telegram_is_our_events(word: str | None, events: set[Event]) -> None:
    assert set(rules.events(word)) == events


R, B, W = BookingKind.RECEIVABLE, BookingKind.REFUND, BookingKind.WRITE_OFF


@pytest.mark.parametrize(
    ("word", "refunded", "ended", "overdue", "kinds"),
    [
        (None, False, True, True, []),
        (None, True, True, True, []),
        ("sent", False, False, False, []),
        ("sent", False, True, False, [R]),
        ("sent", False, True, True, [R, W]),
        ("sent", True, True, True, [R, B]),
        ("expired", False, False, False, [R]),
        ("expired", True, False, False, [R, B]),
        ("expired", False, True, True, [R, W]),
        ("delivered", False, False, True, []),
        ("delivered", False, True, False, [R, W]),
        ("delivered", True, True, False, [R, B]),
        ("read", False, False, True, []),
        ("read", False, True, False, [R, W]),
        ("revoked", False, True, True, []),
    ],
)
def test_what_is_owed_back_is_booked_and_only_a_seen_refund_is_a_refund(
    word: str | None, refunded: bool, ended: bool, overdue: bool, kinds: list[BookingKind]
) -> None:
    booked = rules.later_money(status(word, refunded=refunded), 100, ended=ended, overdue=overdue)
    assert [b.kind for b in booked] == kinds
    assert all((b.amount, b.attempt, b.provider) == (100, 1, "telegram") for b in booked)


def test_a_message_to_oneself_books_nothing() -> None:
    assert rules.fee(0, claim=1) == ()
    assert rules.later_money(status("expired", refunded=True), 0, ended=True) == ()
