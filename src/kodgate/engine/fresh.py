"""What the hot path reads of the store, kept for a second; what is in use is read anew before."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

FRESH_S = 1.0
"""A changed secret, block, setting or price is in force everywhere after this (S-19, S-20)."""

AGAIN_S = 0.5
"""A value of this age is read anew while it is still given out, so that nobody waits for it."""

KEPT_MAX = 10_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Fresh(Generic[Key, Value]):
    """Values by key, none older than FRESH_S. Whoever asks at once shares one read."""

    def __init__(
        self, read: Callable[[Key], Awaitable[Value]], *, steady_s: Callable[[], float]
    ) -> None:
        self._read = read
        self._steady_s = steady_s
        self._values: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        """Key -> when it was asked for, and the answer; the newest last."""
        self._reading: dict[Key, asyncio.Task[Value]] = {}

    def clear(self) -> None:
        """After a change made in this process: nothing that was asked for before it counts."""
        self._values.clear()
        self._reading.clear()

    async def get(self, key: Key) -> Value:
        """Raises what reading raises."""
        known = self._values.get(key)
        if known is not None:
            age_s = self._steady_s() - known[0]
            if age_s < FRESH_S:
                if age_s >= AGAIN_S:
                    self._begin(key)
                return known[1]
        return await asyncio.shield(self._begin(key))

    def _begin(self, key: Key) -> asyncio.Task[Value]:
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def _fetch(self, key: Key) -> Value:
        asked_s = self._steady_s()
        value = await self._read(key)
        if self._reading.get(key) is asyncio.current_task():
            self._values[key] = (asked_s, value)
            self._values.move_to_end(key)
            while len(self._values) > KEPT_MAX:
                self._values.popitem(last=False)
        return value

    def _ended(self, key: Key, task: asyncio.Task[Value]) -> None:
        if self._reading.get(key) is task:
            del self._reading[key]
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; where nobody does, the next one asks anew
