"""Brings SQLite's log back into its file beside the writer, so that no commit waits for it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable

PASSIVE = "pragma wal_checkpoint(passive)"
EVERY_S = 1.0
LOG_PAGES = 4_000
"""16 MB: a log longer than that is begun anew as soon as all of it is in the file."""

log = logging.getLogger(__name__)


class Checkpointer:
    """A thread with a connection of its own that copies and syncs most of the log.

    While others write, a few pages are always missing at the end of a pass; `finish`, called by the
    writer between two transactions, copies those, and the next transaction begins the log anew.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._long = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kodgate-checkpointer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has closed its connection."""
        self._stop.set()
        self._thread.join()

    def finish(self, connection: sqlite3.Connection) -> None:
        """Of the writer, outside a transaction: the rest, if the log is long enough for it."""
        if not self._long.is_set():
            return
        self._long.clear()
        try:
            connection.execute(PASSIVE).fetchone()
        except sqlite3.Error as error:  # the log is whole: only its copying is late
            _tell(error)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._stop.wait(EVERY_S):
            try:
                connection = connection or self._connect()
                _, pages, _ = connection.execute(PASSIVE).fetchone()
            except sqlite3.Error as error:
                _tell(error)
                continue
            if pages >= LOG_PAGES:
                self._long.set()
        if connection is not None:
            connection.close()


def _tell(error: sqlite3.Error) -> None:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    log.warning("the log was not copied: %s", name)
