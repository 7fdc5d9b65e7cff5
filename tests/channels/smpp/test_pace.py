"""The route's speed, on a clock that moves as it sleeps."""

from __future__ import annotations

import asyncio

import pytest

from kodgate.channels.smpp.pace import PAUSE_MAX_S, Pace


class Time:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


async def test_turns_come_at_the_route_s_speed(time: Time) -> None:
    pace = Pace(10, time)
    for _ in range(21):
        await pace.turn()
    assert time.now == pytest.approx(102.0)


async def test_unused_time_is_not_saved_up(time: Time) -> None:
    pace = Pace(10, time)
    time.now += 3_600
    began = time.now
    for _ in range(11):
        await pace.turn()
    assert time.now - began >= 0.9


async def test_no_limit_never_waits(time: Time) -> None:
    pace = Pace(0, time)
    for _ in range(1_000):
        await pace.turn()
    assert time.now == 100.0
    assert pace.room() is None


async def test_pauses_double_up_to_a_limit_and_start_anew(time: Time) -> None:
    pace = Pace(0, time)
    pauses = []
    for _ in range(6):
        pauses.append(pace.throttled())
        await pace.turn()
    assert pauses == pytest.approx([1, 2, 4, 8, 8, 8])
    assert max(pauses) == PAUSE_MAX_S
    pace.taken()
    assert pace.throttled() == pytest.approx(1)


async def test_throttles_of_one_window_count_once(time: Time) -> None:
    pace = Pace(0, time)
    assert [pace.throttled() for _ in range(5)] == pytest.approx([1] * 5)
    assert pace.room() == 0


async def test_room_ends_at_the_horizon(time: Time) -> None:
    pace = Pace(10, time)
    assert pace.room() == 20
    time.now += 10
    assert pace.room() == 20
