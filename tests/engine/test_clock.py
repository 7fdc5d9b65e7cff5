"""Business time goes on: over restarts, reboots, jumps of the wall clock and changes of scale."""

from __future__ import annotations

import json
from dataclasses import dataclass

from kodgate.engine.clock import DRIFT_MAX_S, Clock, Sources, restore

NOON = 1_760_000_000.0


@dataclass
class Machine:
    """A wall clock, one that never jumps, and the boot they belong to."""

    wall: float = NOON
    steady: float = 1_000.0
    boot: str = "boot-1"

    def sources(self) -> Sources:
        return Sources(wall_s=lambda: self.wall, steady_s=lambda: self.steady, boot_id=self.boot)

    def run(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_new_clock_is_the_wall_clock() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    machine.run(1.5)
    assert clock.now() == int((NOON + 1.5) * 1000)


def test_a_wall_clock_that_jumps_moves_nothing_and_is_told() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    machine.wall += 3_600
    assert clock.now() == int(NOON * 1000)
    assert not clock.follow()
    assert round(clock.drift_s()) == 3_600


def test_a_small_drift_is_followed_a_millisecond_at_a_time() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    machine.wall += 0.01
    for _ in range(20):
        assert clock.follow()
    assert abs(clock.drift_s()) < 0.0005


def test_business_time_runs_as_many_times_faster_as_asked() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=10)
    machine.run(2)
    assert clock.now() == int(NOON * 1000) + 20_000
    assert clock.after_real(30) == clock.now() + 300_000


def _again(machine: Machine, clock: Clock, *, scale: float = 1) -> Clock:
    return restore(clock.mark(), machine.sources(), scale=scale)


def test_a_restart_on_the_same_boot_ignores_a_wall_clock_that_jumped() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    mark = clock.mark()
    machine.run(60)
    machine.wall -= 7_200
    again = restore(mark, machine.sources(), scale=1)
    assert again.now() == int((NOON + 60) * 1000)
    assert not again.follow()


def test_a_restart_does_not_go_back_by_the_drift_that_is_followed() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    machine.run(60)
    before = clock.now()
    machine.wall -= DRIFT_MAX_S - 1
    again = _again(machine, clock)
    assert again.now() >= before
    assert again.follow()


def test_after_a_reboot_the_wall_clock_counts() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    mark = clock.mark()
    machine.run(600)
    machine.steady, machine.boot = 3.0, "boot-2"
    assert restore(mark, machine.sources(), scale=1).now() == int((NOON + 600) * 1000)


def test_after_a_reboot_with_a_dead_battery_time_does_not_go_back() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=1)
    before, mark = clock.now(), clock.mark()
    machine.wall, machine.steady, machine.boot = 0.0, 3.0, "boot-2"
    again = restore(mark, machine.sources(), scale=1)
    assert again.now() >= before
    assert not again.follow()


def test_a_scaled_clock_continues_where_it_was() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=10)
    machine.run(100)
    before = clock.now()
    again = _again(machine, clock, scale=10)
    assert again.now() == before
    machine.run(1)
    assert again.now() == before + 10_000


def test_business_time_that_was_ahead_stays_ahead_at_scale_one() -> None:
    machine = Machine()
    clock = restore(None, machine.sources(), scale=10)
    machine.run(100)
    before = clock.now()
    plain = _again(machine, clock, scale=1)
    machine.run(5)
    assert plain.now() == before + 5_000


def test_the_mark_holds_plain_numbers() -> None:
    mark = json.loads(restore(None, Machine().sources(), scale=2).mark())
    assert mark["boot_id"] == "boot-1"
    assert mark["scale"] == 2
    assert mark["business_ms"] == mark["real_ms"] == int(NOON * 1000)
