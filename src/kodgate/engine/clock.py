"""The gateway's clock: business milliseconds that follow the steady clock, never a jump (D8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from kodgate.core.clock import Anchor, business_ms

DRIFT_MAX_S = 5.0
"""Up to here the wall clock is followed, slowly; beyond it is an alarm, and we stay as we are."""

SLEW_S = 0.001
"""How far one `follow` may move towards the wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where time comes from: the wall clock, one that never jumps, and the boot it belongs to."""

    wall_s: Callable[[], float]
    steady_s: Callable[[], float]
    boot_id: str


class Clock:
    """Business time: real time from the start on, times the scale of `kodgate up`.

    Waits and expiries follow the steady clock, so that a wall clock that jumps by an hour expires
    nothing (I-10, G-11). `now()` and all instants are integer milliseconds.
    """

    def __init__(self, anchor: Anchor, sources: Sources, *, start_s: float | None = None) -> None:
        self.anchor = anchor
        self._is_plain = anchor.scale == 1 and anchor.business_ms == anchor.real_ms
        self._sources = sources
        self._steady_s = sources.steady_s
        self._steady0_s = sources.steady_s()
        self._start_s = sources.wall_s() if start_s is None else start_s

    @property
    def scale(self) -> float:
        return self.anchor.scale

    def real_s(self) -> float:
        """Seconds since the epoch, without the wall clock's jumps."""
        return self._start_s + self._steady_s() - self._steady0_s

    def now(self) -> int:
        """Business milliseconds."""
        real_ms = int((self._start_s + self._steady_s() - self._steady0_s) * 1000)
        if self._is_plain:  # asked a dozen times in the life of each code
            return real_ms
        return business_ms(self.anchor, real_ms)

    def after_real(self, seconds: float) -> int:
        """The business instant `seconds` of real time from now: leases stay real (D8)."""
        return self.now() + int(seconds * 1000 * self.scale)

    def drift_s(self) -> float:
        """How far the wall clock is ahead of us."""
        return self._sources.wall_s() - self.real_s()

    def follow(self) -> bool:
        """Moves a little towards the wall clock; False: it jumped, and somebody must look."""
        drift = self.drift_s()
        if abs(drift) > DRIFT_MAX_S:
            return False
        self._start_s += max(-SLEW_S, min(SLEW_S, drift))
        return True

    def mark(self) -> str:
        """What must be stored so that `restore` continues this clock."""
        real_ms = int(self.real_s() * 1000)
        return json.dumps(
            {
                "boot_id": self._sources.boot_id,
                "steady_s": self._sources.steady_s(),
                "real_ms": real_ms,
                "business_ms": business_ms(self.anchor, real_ms),
                "scale": self.scale,
            }
        )


def restore(mark: str | None, sources: Sources, *, scale: float) -> Clock:
    """The clock of an earlier run, continued: on the same boot by the steady clock, after a reboot
    by the wall clock; time never goes back. Without a mark it is the wall clock."""
    wall_s = sources.wall_s()
    if mark is None:
        real_ms = int(wall_s * 1000)
        return Clock(Anchor(real_ms=real_ms, business_ms=real_ms, scale=scale), sources)
    old = json.loads(mark)
    real_s = max(wall_s, old["real_ms"] / 1000)
    if old["boot_id"] == sources.boot_id:
        continued = old["real_ms"] / 1000 + sources.steady_s() - old["steady_s"]
        jumped = abs(continued - wall_s) > DRIFT_MAX_S
        real_s = continued if jumped else max(wall_s, continued)
    before = Anchor(real_ms=old["real_ms"], business_ms=old["business_ms"], scale=old["scale"])
    real_ms = int(real_s * 1000)
    ahead = before.scale != 1 or scale != 1 or before.business_ms != before.real_ms
    business = max(business_ms(before, real_ms), old["business_ms"]) if ahead else real_ms
    anchor = Anchor(real_ms=real_ms, business_ms=business, scale=scale)
    return Clock(anchor, sources, start_s=real_s)
