"""Whose turn it is to write, where several processes write to one file of SQLite.

SQLite's lock has no queue: who commits and begins again takes it before a sleeper wakes. Here the
next writer holds a lock on a file of its own for as long as it waits, and everybody asks for that
one first; so a writer that has just ended stands behind it. A process that dies leaves no lock.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path

LOOK_S = 0.000_5
"""Between two looks at a lock: a small part of the shortest transaction."""


class Turns:
    """One writer's place in the queue. Its methods are called by one thread."""

    def __init__(self, database: Path, *, patience_s: float) -> None:
        """`patience_s`: how long a turn is waited for."""
        self._path = database.with_name(f"{database.name}-turn")
        self._patience_s = patience_s
        self._file: int | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begins a transaction that writes. Raises sqlite3.OperationalError: SQLITE_BUSY where the
        turn did not come in time; OSError."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until_s = time.monotonic() + self._patience_s
        is_next = self._comes_next(until_s)
        try:
            self._take(connection, until_s)
        finally:
            if is_next:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _comes_next(self, until_s: float) -> bool:
        """False: whoever is next has not come to its turn for so long either."""
        assert self._file is not None
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    return False
            time.sleep(LOOK_S)

    @staticmethod
    def _take(connection: sqlite3.Connection, until_s: float) -> None:
        while True:
            try:
                connection.execute("begin immediate")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() >= until_s:
                    raise
            time.sleep(LOOK_S)
