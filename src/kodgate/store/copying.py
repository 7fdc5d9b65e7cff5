"""A copy of an SQLite database that is in use: whole, as of one instant, checked."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

PAGES = 2_000
"""Copied at a time, so that a copy never holds up what is written meanwhile."""


def copy(source: Path, target: Path) -> None:
    """Replaces `target` once the copy is whole and on disk. Raises OSError, ValueError."""
    if not source.exists():
        raise ValueError(f"there is no database {source}")
    written = target.with_name(f"{target.name}.new")
    written.unlink(missing_ok=True)
    written.touch(mode=0o600)
    try:
        _fill(source, written)
        with written.open("rb") as file:
            os.fsync(file.fileno())
        written.rename(target)
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error
    finally:
        written.unlink(missing_ok=True)


def _fill(source: Path, written: Path) -> None:
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as old, closing(sqlite3.connect(written)) as new:
        with old:
            old.execute("begin")  # one snapshot: writers go on beside it
            old.execute("select count(*) from alembic_version").fetchone()
            old.backup(new, pages=PAGES)
        new.execute("pragma journal_mode = delete")
        found = new.execute("pragma quick_check").fetchone()[0]
        if found != "ok":
            raise ValueError(f"the copy is damaged: {found}")
