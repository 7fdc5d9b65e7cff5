"""The scaled business clock as a pure function of the real one (D8)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Ties business time to real time; stored, so that a restart continues the same clock."""

    real_ms: int
    """A real instant, milliseconds since the Unix epoch ..."""
    business_ms: int
    """... and the business instant that it was."""
    scale: float = 1.0
    """Business seconds in one real second; above 0, and 1 outside demo and tests."""

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise ValueError("scale must be a finite number above 0")


REAL = Anchor(real_ms=0, business_ms=0)
"""Business time is real time: production."""


def business_ms(anchor: Anchor, real_ms: int) -> int:
    """The business instant (ms) of a real instant (ms). Monotone in it."""
    elapsed = real_ms - anchor.real_ms
    if anchor.scale == 1:
        return anchor.business_ms + elapsed
    return anchor.business_ms + math.floor(elapsed * anchor.scale)


def day_of(at: int) -> str:
    """The day of UTC of an instant (ms), YYYY-MM-DD."""
    return _day(at // DAY_MS)


@lru_cache(maxsize=4)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * DAY_MS / 1000, tz=UTC).date().isoformat()


def real_s(anchor: Anchor, duration_ms: int) -> float:
    """How many real seconds a business duration (ms) takes; 0 for one that is over."""
    return max(0, duration_ms) / 1000 / anchor.scale
