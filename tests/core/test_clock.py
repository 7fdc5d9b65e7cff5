"""The scaled clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core.clock import REAL, Anchor, business_ms, day_of, real_s

ANCHOR = Anchor(real_ms=1_000_000, business_ms=5_000_000, scale=10)


def test_business_time_runs_scale_times_faster_from_the_anchor() -> None:
    assert business_ms(ANCHOR, 1_000_000) == 5_000_000
    assert business_ms(ANCHOR, 1_003_000) == 5_030_000


def test_without_a_scale_business_time_is_real_time() -> None:
    assert business_ms(REAL, 1_795_344_285_123) == 1_795_344_285_123


def test_a_business_duration_takes_less_real_time() -> None:
    assert real_s(ANCHOR, 30_000) == 3
    assert real_s(ANCHOR, -1) == 0


@given(st.integers(0, 10**13), st.integers(0, 10**6), st.floats(0.001, 1000))
def test_it_never_runs_backwards(real: int, later: int, scale: float) -> None:
    anchor = Anchor(real_ms=10**12, business_ms=10**12, scale=scale)
    assert business_ms(anchor, real + later) >= business_ms(anchor, real)


@pytest.mark.parametrize("scale", [0, -1, float("inf"), float("nan")])
def test_a_scale_that_is_no_speed_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        Anchor(real_ms=0, business_ms=0, scale=scale)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (0, "1970-01-01"),
        (86_399_999, "1970-01-01"),
        (86_400_000, "1970-01-02"),
        (1_582_934_400_000, "2020-02-29"),
    ],
)
def test_the_day_of_an_instant_is_that_of_utc(at: int, day: str) -> None:
    assert day_of(at) == day
