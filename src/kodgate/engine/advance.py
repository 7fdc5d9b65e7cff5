"""One observation moves one message: recorded in batches, then announced (hops 8 and 9)."""

from __future__ import annotations

from collections.abc import Callable

from kodgate.core.types import Observation
from kodgate.engine.batch import Batcher
from kodgate.engine.meters import Meters
from kodgate.store import Recorded


class Advance:
    """The only caller of `Store.record`."""

    def __init__(
        self,
        observations: Batcher[Observation, Recorded],
        meters: Meters,
        *,
        wake: Callable[[str], None],
    ) -> None:
        self._observations = observations
        self._meters = meters
        self._wake = wake

    async def __call__(self, seen: Observation) -> Recorded:
        """Durable when it returns. Raises Unavailable or InDoubt."""
        recorded = await self._observations.submit(seen)
        for channel in recorded.woken:
            self._wake(channel)
        self._meters.words(seen.channel or "", recorded.words)
        return recorded
