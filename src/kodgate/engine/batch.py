"""Group commit, the engine's half: whatever waits goes into the next batch (D6)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from kodgate.store import Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Batcher(Generic[Item, Outcome]):
    """Collects items while a batch is under way; no timer, so an idle system answers in one commit.

    `apply` gets at most `batch_max` items and returns as many outcomes, or raises for all of them.
    """

    def __init__(
        self,
        apply: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        batch_max: int,
        queue_max: int,
    ) -> None:
        self._apply = apply
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        return len(self._waiting)

    async def submit(self, item: Item) -> Outcome:
        """The item's outcome once its batch is durable. Raises Unavailable when the queue is full,
        before any work, and whatever `apply` raises."""
        if len(self._waiting) >= self._queue_max:
            raise Unavailable("the queue is full")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        # A caller that goes away leaves its item in the batch; nobody is told its outcome.
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), self._batch_max)
                batch = [self._waiting.popleft() for _ in range(size)]
                await self._settle(batch)
        finally:
            self._worker = None

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._apply([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # seen: its caller may have gone
            return
        assert len(outcomes) == len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
