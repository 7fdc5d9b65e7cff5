"""Group commit, the engine's half: whatever waits goes into the next batch (D6)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Generic, TypeVar

from kodgate.store import Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Batcher(Generic[Item, Outcome]):
    """Collects items while a batch is under way. `gather_s`: and before each batch for so long, for
    what nobody waits for; without it there is no timer, and an idle system answers in one commit.

    `apply` gets at most `batch_max` items and returns as many outcomes, or raises for all of them.
    With `flights` above 1 the next batches are handed over while one is being committed, so that
    the store never waits for us between two of them.
    """

    def __init__(
        self,
        apply: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        batch_max: int,
        queue_max: int,
        flights: int = 1,
        gather_s: float = 0.0,
    ) -> None:
        self._apply = apply
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome], float]] = deque()
        """What was submitted, who waits for it, and since when on the loop's clock."""
        self._flights = flights
        self._gather_s = gather_s
        self._flying = 0
        self._since: dict[int, float] = {}
        """Batches under way, the oldest first -> since when its first item has waited."""
        self._number = 0
        self._begun = True
        """The newest worker has taken what waited for it."""
        self._workers: set[asyncio.Task[None]] = set()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The one that everything is submitted from: to ask for it is a call of the system."""
        return asyncio.get_running_loop()

    @property
    def depth(self) -> int:
        return len(self._waiting)

    def takes(self, *, age_max_s: float) -> bool:
        """Whether one more may come: there is room, and none has waited for `age_max_s` seconds."""
        since = next(iter(self._since.values()), None)
        if since is None:
            if not self._waiting:
                return True
            since = self._waiting[0][2]
        age_s = self._loop.time() - since
        return len(self._waiting) < self._queue_max and age_s < age_max_s

    async def submit(self, item: Item) -> Outcome:
        """The item's outcome once its batch is durable. Raises Unavailable when the queue is full,
        before any work, and whatever `apply` raises."""
        if len(self._waiting) >= self._queue_max:
            raise Unavailable("the queue is full")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.append((item, future, self._loop.time()))
        if self._begun and self._flying < self._flights:
            self._begun = False
            self._flying += 1
            worker = self._loop.create_task(self._run())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        # A caller that goes away leaves its item in the batch; nobody is told its outcome.
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._gather_s:
                    await asyncio.sleep(self._gather_s)
                size = min(len(self._waiting), self._batch_max)
                batch = [self._waiting.popleft() for _ in range(size)]
                self._begun = True
                if batch:
                    await self._settle(batch)
        finally:
            self._begun = True
            self._flying -= 1

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Outcome], float]]) -> None:
        self._number += 1
        flight = self._number
        self._since[flight] = batch[0][2]
        try:
            outcomes = await self._apply([item for item, _, _ in batch])
        except Exception as error:
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # seen: its caller may have gone
            return
        finally:
            del self._since[flight]
        assert len(outcomes) == len(batch)
        for (_, future, _), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
