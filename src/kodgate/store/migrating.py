"""Brings a database to the newest schema: what a start needs of it, when all is there already."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from kodgate.store import is_postgres, sql
from kodgate.store.sqlite import path_of

VERSIONS = "select version_num from alembic_version"


def migrate(url: str) -> None:
    """Creates the tables where there are none. Raises ValueError for a url of another kind,
    ConnectionError where the database does not answer."""
    if is_postgres(url):
        asyncio.run(_migrate_postgres(url))
        return
    path = path_of(url)
    if not path.exists() or _sqlite_versions(path, "rw") != [sql.REVISION]:
        from kodgate.store import upgrading

        _create(path)
        upgrading.sqlite(path)
    _sync(path.absolute().parent)


async def version(url: str) -> str | None:
    """The schema's version; None: there are no tables. Raises OSError where there is no database,
    ValueError for a url of no known kind."""
    if is_postgres(url):
        return _only(await _postgres_versions(url))
    path = path_of(url)
    if not path.exists():
        raise FileNotFoundError(f"there is no database {path}")
    return _only(_sqlite_versions(path, "ro"))


def _only(versions: list[str]) -> str | None:
    return versions[0] if versions else None


def _sqlite_versions(path: Path, mode: str) -> list[str]:
    """As they stand there; where all is well exactly one."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as db:
        tables = db.execute("select 1 from sqlite_master where name = 'alembic_version'")
        if tables.fetchone() is None:
            return []
        return [str(row[0]) for row in db.execute(VERSIONS)]


async def _postgres_versions(url: str) -> list[str]:
    """The same. Raises ConnectionError."""
    import asyncpg

    from kodgate.store.postgres_link import connect

    try:
        connection = await connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    try:
        return [str(row[0]) for row in await connection.fetch(VERSIONS)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()


async def _migrate_postgres(url: str) -> None:
    """Runs in a loop, and so in a thread, of its own."""
    if await _postgres_versions(url) != [sql.REVISION]:
        from kodgate.store import upgrading

        await upgrading.postgres(url)


def _create(path: Path) -> None:
    """Readable by its owner alone: phones and codes are encrypted, the rest is not."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _sync(folder: Path) -> None:
    """A file's name is durable only once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
