"""Brings a database to the newest schema."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from kodgate.store.sqlite import path_of


def migrate(url: str) -> None:
    """Creates the database where there is none. Raises ValueError for a url of another kind."""
    path = path_of(url)
    _create(path)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            connection.execute(text("pragma journal_mode = wal"))
            connection.execute(text("pragma synchronous = full"))
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()
    _sync(path.absolute().parent)


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
