"""When a prefix is suspect, when it is blocked and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kodgate.core import pumping
from kodgate.core.pumping import (
    FORGIVEN_MS,
    HOUR_MS,
    LEVELS,
    PATIENCE_MS,
    SAFE_MS,
    AntiPumping,
    Block,
    Send,
)

NOW = 1_800_000_000_000
OLD = NOW - PATIENCE_MS


def sends(lost: int, arrived: int = 0, *, at: int = OLD) -> list[Send]:
    return [
        *(Send(at=at, packet_id=n) for n in range(lost)),
        *(Send(at=at, packet_id=1_000 + n, arrived=True) for n in range(arrived)),
    ]


def blocked(before: Block | None = None, *, at: int = NOW) -> Block:
    return pumping.block(1, "7912345", sends(20, 3), at, before)


def test_a_prefix_is_the_number_without_its_last_four_digits() -> None:
    assert pumping.prefix_of("79123456789") == "7912345"
    assert pumping.prefix_of("1234567") == "123"


def test_who_is_not_guarded_has_no_level() -> None:
    assert set(LEVELS) == set(AntiPumping) - {AntiPumping.OFF}
    assert not LEVELS[AntiPumping.WATCH].refuses


@pytest.mark.parametrize(
    ("level", "lost", "arrived", "suspect"),
    [
        (AntiPumping.STANDARD, 19, 0, False),
        (AntiPumping.STANDARD, 20, 0, True),
        (AntiPumping.STANDARD, 20, 19, True),
        (AntiPumping.STANDARD, 20, 20, False),
        (AntiPumping.STRICT, 9, 0, False),
        (AntiPumping.STRICT, 10, 0, True),
        (AntiPumping.STRICT, 10, 23, True),
        (AntiPumping.STRICT, 12, 28, False),
        (AntiPumping.WATCH, 20, 0, True),
    ],
)
def test_many_that_did_not_arrive_make_a_prefix_suspect_unless_more_did(
    level: AntiPumping, lost: int, arrived: int, suspect: bool
) -> None:
    assert pumping.is_suspect(LEVELS[level], sends(lost, arrived)) is suspect


def test_codes_that_may_still_arrive_prove_nothing() -> None:
    level = LEVELS[AntiPumping.STANDARD]
    young = sends(20, at=OLD + 1)
    assert pumping.is_suspect(level, young)
    assert not pumping.is_proven(level, young, NOW)
    assert pumping.is_proven(level, sends(20), NOW)
    assert not pumping.is_proven(level, sends(20) + sends(0, 20, at=NOW), NOW)


def test_a_block_lasts_an_hour_then_twelve_then_until_a_person_ends_it() -> None:
    first = blocked()
    assert (first.until, first.sent, first.arrived) == (NOW + HOUR_MS, 23, 3)
    second = blocked(first, at=NOW + HOUR_MS)
    assert second.until == NOW + HOUR_MS + 12 * HOUR_MS
    third = blocked(second, at=NOW + 13 * HOUR_MS)
    assert (third.until, third.times) == (None, 3)


def test_what_was_blocked_long_ago_is_forgiven() -> None:
    first = blocked()
    assert first.until is not None
    assert blocked(first, at=first.until + FORGIVEN_MS).times == 1
    assert blocked(first, at=first.until + FORGIVEN_MS - 1).times == 2


@pytest.mark.parametrize(
    ("until", "now", "on"),
    [(NOW + 1, NOW, True), (NOW, NOW, False), (None, NOW + 10**12, True)],
)
def test_a_block_is_on_until_its_end(until: int | None, now: int, on: bool) -> None:
    assert replace(blocked(), until=until).is_on(now) is on


def test_a_person_who_unblocks_answers_for_a_day() -> None:
    freed = pumping.released(blocked(), NOW + 5)
    assert not freed.is_on(NOW + 5)
    assert freed.is_safe(NOW + 5 + SAFE_MS - 1)
    assert not freed.is_safe(NOW + 5 + SAFE_MS)
    assert blocked(freed, at=NOW + 5 + SAFE_MS).times == 1
