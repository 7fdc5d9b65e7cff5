"""Brings a database to the newest schema."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from kodgate.store import is_postgres
from kodgate.store.sqlite import path_of

VERSION = "select version_num from alembic_version"
MIGRATING = 0x6B6F6467
"""The advisory lock of PostgreSQL under which one node migrates and the others wait."""


def migrate(url: str) -> None:
    """Creates the tables where there are none. Raises ValueError for a url of another kind,
    ConnectionError where the database does not answer."""
    if is_postgres(url):
        asyncio.run(_migrate_postgres(url))
        return
    path = path_of(url)
    _create(path)
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            # Closed at once: a commit is refused while a statement is in progress.
            connection.execute(text("pragma journal_mode = wal")).close()
            connection.execute(text("pragma synchronous = full")).close()
            connection.commit()
            _upgrade(connection)
            connection.commit()
    finally:
        engine.dispose()
    _sync(path.absolute().parent)


async def version(url: str) -> str | None:
    """The schema's version; None: there are no tables. Raises OSError where there is no database,
    ValueError for a url of no known kind."""
    if is_postgres(url):
        return await _postgres_version(url)
    path = path_of(url)
    if not path.exists():
        raise FileNotFoundError(f"there is no database {path}")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        tables = db.execute("select 1 from sqlite_master where name = 'alembic_version'")
        if tables.fetchone() is None:
            return None
        return str(db.execute(VERSION).fetchone()[0])


async def _postgres_version(url: str) -> str | None:
    import asyncpg

    from kodgate.store.postgres_link import connect

    try:
        connection = await connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    try:
        return str(await connection.fetchval(VERSION))
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


async def _migrate_postgres(url: str) -> None:
    """Runs in a loop, and so in a thread, of its own."""
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    from kodgate.store.postgres_link import connect

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade_alone)
            await connection.commit()
    except (OSError, asyncpg.PostgresError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    finally:
        await engine.dispose()


def _upgrade_alone(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATING})
    try:
        connection.commit()
        _upgrade(connection)
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": MIGRATING})


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


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
