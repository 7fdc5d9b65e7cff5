"""Wakes other nodes when there is something to send: LISTEN and NOTIFY, as hints only (D7).

A hint goes out after its transaction, on a connection of its own: within the transaction it would
make all commits of the server stand in one line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from kodgate.store import nothing, sql
from kodgate.store.postgres_driver import Connection
from kodgate.store.postgres_link import connect, word

TOPIC = "kodgate_wake"
GATHER_S = 0.02
"""Hints of one channel within this time are one."""

AGAIN_S = 1.0
"""Before a lost connection is made anew."""

BEAT_S = 10.0
"""A connection on which nothing was told for so long is asked whether it lives: a server that has
vanished says nothing, and a node that only hears would wait for it for ever."""

ANSWER_S = 10.0
"""How long the server may take for a hint."""

log = logging.getLogger(__name__)


class Wakes:
    """One connection that tells and hears; there is none before `listen`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._callback: Callable[[str], None] | None = None
        self._takes: Callable[[str], bool] = nothing
        self._news: set[str] = set()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def listen(
        self, callback: Callable[[str], None] | None, takes: Callable[[str], bool]
    ) -> None:
        """Returns when others are heard, or when a first try has failed (polling goes on).
        `takes`: whether this node sends what there is for a channel: then nobody is told."""
        self._callback = callback
        self._takes = takes
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await self._ready.wait()

    def tell(self, channel: str) -> None:
        if self._task is not None and not self._takes(channel):
            self._news.add(channel)
            self._some.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("other nodes are not heard for a while: %s", word(error))
            self._ready.set()
            await asyncio.sleep(AGAIN_S)

    async def _serve(self) -> None:
        connection = await connect(self._url)
        try:
            await connection.execute("set synchronous_commit = off")  # a hint needs no disk
            connection.add_termination_listener(lambda _: self._some.set())
            await connection.add_listener(TOPIC, self._hear)
            self._ready.set()
            while True:
                await self._wait()
                async with asyncio.timeout(ANSWER_S):
                    await self._tell_all(connection)
                await asyncio.sleep(GATHER_S)
        finally:
            connection.terminate()

    async def _wait(self) -> None:
        """For news, the end of the connection, or the next beat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await self._some.wait()
        self._some.clear()

    async def _tell_all(self, connection: Connection) -> None:
        """Raises what shows that the connection is gone."""
        news, self._news = self._news, set()
        if not news:
            await connection.execute("select 1")
        for channel in sorted(news):
            await connection.execute(sql.WAKE, TOPIC, channel)

    def _hear(self, connection: Connection, pid: int, _topic: str, channel: str) -> None:
        own = connection.get_server_pid() == pid
        if not own and self._callback is not None:
            self._callback(channel)
