"""Runs the migrations. Imported only where there is one to run: SQLAlchemy and Alembic would be a
sixth of a gateway's memory."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

MIGRATING = 0x6B6F6467
"""The advisory lock of PostgreSQL under which one node migrates and the others wait."""


def sqlite(path: Path) -> None:
    """The file must exist."""
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


async def postgres(url: str) -> None:
    """Raises ConnectionError where the database does not answer."""
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
