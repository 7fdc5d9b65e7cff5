"""The sandbox's two clocks, and the loop that does what is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kodgate.core.clock import Anchor, business_ms, real_s

SLEEP_MAX_S = 30.0
"""Nobody sleeps longer: a wall clock that is set must not delay a code for hours."""

GATHER_S = 0.01
"""Between two rounds, so that one transaction takes what a hundredth of a second brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Business time for outcomes and lifetimes, real time for answers and back-off (D8)."""

    anchor: Anchor

    def now(self) -> int:
        """Business milliseconds."""
        return business_ms(self.anchor, self.real())

    def real(self) -> int:
        """Real milliseconds."""
        return time.time_ns() // 1_000_000

    def until(self, at: int) -> float:
        """Real seconds until a business instant."""
        return real_s(self.anchor, at - self.now())

    def until_real(self, at: int) -> float:
        """Real seconds until a real instant (ms)."""
        return max(0, at - self.real()) / 1000


async def keep(
    event: asyncio.Event,
    due: Callable[[], Awaitable[int | None]],
    until: Callable[[int], float],
) -> None:
    """Runs `due` whenever `event` is set or the instant that it returned has come. Never ends."""
    while True:
        event.clear()
        next_at = await due()
        wait_s = SLEEP_MAX_S if next_at is None else min(SLEEP_MAX_S, until(next_at))
        try:
            async with asyncio.timeout(max(wait_s, GATHER_S)):  # wait_for can swallow a cancel
                await event.wait()
        except TimeoutError:
            continue
        await asyncio.sleep(GATHER_S)
