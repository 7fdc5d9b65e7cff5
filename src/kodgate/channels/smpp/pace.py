"""The speed of a route: submits a second, shared by its binds, and the pause after a throttle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BURST_S = 0.05
"""How much unused time may be caught up at once; providers count by the second."""

PAUSE_MIN_S = 1.0
PAUSE_MAX_S = 8.0
HORIZON_S = 2.0
"""How far ahead turns are given to new messages: claims must not wait out their lease."""


class Pace:
    """Turns in order. `clock` is monotonic seconds."""

    def __init__(self, tps: float, clock: Callable[[], float]) -> None:
        self.set(tps)
        self._clock = clock
        self._next_s = clock()
        self._paused_until_s = 0.0
        self._pause_s = PAUSE_MIN_S

    def set(self, tps: float) -> None:
        """Another speed from the next turn on; 0: no limit."""
        self.tps = tps
        self._step_s = 1 / tps if tps else 0.0

    async def turn(self) -> None:
        """Waits until one more submit may be written."""
        while True:
            now = self._clock()
            if now < self._paused_until_s:
                await asyncio.sleep(self._paused_until_s - now)
                continue
            self._next_s = max(self._next_s, now - BURST_S)
            wait_s = self._next_s - now
            self._next_s += self._step_s
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if self._clock() >= self._paused_until_s:
                return

    def room(self) -> int | None:
        """How many turns are free within the horizon; None: no limit."""
        now = self._clock()
        if now < self._paused_until_s:
            return 0
        if not self._step_s:
            return None
        return max(0, int((now + HORIZON_S - max(self._next_s, now)) / self._step_s))

    def throttled(self) -> float:
        """The provider said "slower": nothing leaves for a while, twice as long each time.

        Returns the seconds. Answers to submits that were under way together count once.
        """
        now = self._clock()
        if now >= self._paused_until_s:
            self._paused_until_s = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
        return self._paused_until_s - now

    def taken(self) -> None:
        """The provider took one: the next pause is short again."""
        self._pause_s = PAUSE_MIN_S
