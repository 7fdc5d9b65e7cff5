"""A node's sign of life, and its ear: a mark in the database every few seconds, and what the
operator wants of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable

import structlog

from kodgate.channels import Channel
from kodgate.core.errors import InDoubt
from kodgate.store import Store, Unavailable
from kodgate.store.console import NODE_PREFIX
from kodgate.web import drains, reported

log = structlog.get_logger()

EVERY_S = 5.0


class Pulse:
    """Beats until it is stopped; a clean stop says so. Instants: wall clock, ms."""

    def __init__(
        self,
        store: Store,
        *,
        node: str,
        version: str,
        sends: Iterable[str],
        channels: Iterable[Channel] = (),
    ) -> None:
        """`sends`: the channels that this node sends through. `channels`: those with valves follow
        what is drained."""
        self._channels = tuple(channels)
        self._store = store
        self._node = node
        self._mark = {"since": _wall_ms(), "version": version, "sends": sorted(sends)}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._leave(stopped=True)

    async def _beat(self) -> None:
        while True:
            await self._leave(stopped=False)
            await self.listen()
            await asyncio.sleep(EVERY_S)

    async def listen(self) -> None:
        """Also before the first message is sent: a restart changes nothing."""
        try:
            await drains.follow(self._store, self._channels)
            await reported.share(self._store, self._channels, wall_ms=_wall_ms())
        except (Unavailable, InDoubt) as error:
            log.warning("pulse_not_heard", action="pulse", error=str(error))

    async def _leave(self, *, stopped: bool) -> None:
        mark = json.dumps({**self._mark, "at": _wall_ms(), "stopped": stopped})
        try:
            await self._store.put(f"{NODE_PREFIX}{self._node}", mark)
        except (Unavailable, InDoubt) as error:
            log.warning("pulse_not_stored", action="pulse", error=str(error))


def _wall_ms() -> int:
    return int(time.time() * 1000)
