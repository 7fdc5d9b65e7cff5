"""Ids of packets and messages on several nodes: each takes a block for good, then gives from it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

BLOCK = 1_000
"""What a restart may leave unused of each name; 2.1 billion ids are there."""


class Block(Iterator[int]):
    """Ids of one name that are this process's own, in the order in which they were taken."""

    def __init__(self) -> None:
        self._spans: deque[tuple[int, int]] = deque()
        self.left = 0

    def add(self, first: int, count: int) -> None:
        self._spans.append((first, first + count))
        self.left += count

    def __next__(self) -> int:
        assert self.left > 0, "more ids are used than were asked for"
        first, end = self._spans.popleft()
        if first + 1 < end:
            self._spans.appendleft((first + 1, end))
        self.left -= 1
        return first


class Blocks:
    """`take(name, count)` makes a block ours, durably, and returns its first id."""

    def __init__(self, take: Callable[[str, int], Awaitable[int]]) -> None:
        self._take = take
        self._blocks: dict[str, Block] = {}
        self._taking = asyncio.Lock()

    async def free(self, count: int, names: Sequence[str]) -> list[Block]:
        """Who uses them before he awaits anything has at least `count` of each."""
        blocks = [self._blocks.setdefault(name, Block()) for name in names]
        while any(block.left < count for block in blocks):
            async with self._taking:
                for name, block in zip(names, blocks, strict=True):
                    if block.left < count:
                        size = max(BLOCK, count)
                        block.add(await self._take(name, size), size)
        return blocks
