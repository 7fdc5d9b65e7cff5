"""Sums settled hours in the background, so that reports over months are quick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from kodgate.core.errors import InDoubt
from kodgate.store import Store, Unavailable
from kodgate.store.sums import Sums
from kodgate.store.tables import tables

log = structlog.get_logger()

EVERY_S = 60.0


class Summing:
    """Goes over all accounts until it is stopped. Several nodes may do the same work."""

    def __init__(self, store: Store, *, now: Callable[[], int]) -> None:
        """`now`: business ms."""
        self._store = store
        self._sums = Sums(tables(store))
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.catch_up()
            except (Unavailable, InDoubt) as error:
                log.warning("hours_not_summed", action="sums", error=str(error))
            except Exception:
                log.exception("hours_not_summed", action="sums")
            await asyncio.sleep(EVERY_S)

    async def catch_up(self) -> None:
        """Raises Unavailable, InDoubt: what was summed until then stays."""
        for account in await self._store.accounts():
            while await self._sums.settle(account.id, now=self._now()):
                pass
