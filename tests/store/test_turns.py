"""Several writers of one file take turns."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from kodgate.store.turns import Turns

OWN = 30
"""Transactions of the writer that asks now and then."""
BETWEEN_MAX = 2
"""Transactions of the other one while it waits: the one under way, and one that had its turn."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "kodgate.db"
    db = sqlite3.connect(found)
    db.execute("pragma journal_mode = wal")
    db.close()
    return found


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def test_a_writer_that_never_rests_lets_another_one_in(path: Path) -> None:
    ended, commits = threading.Event(), [0]

    def write_on_and_on() -> None:
        turns, db = Turns(path, patience_s=5), connect(path)
        while not ended.is_set():
            turns.begin(db)
            time.sleep(0.002)
            db.execute("commit")
            commits[0] += 1
        turns.close()
        db.close()

    busy = threading.Thread(target=write_on_and_on)
    busy.start()
    turns, db = Turns(path, patience_s=5), connect(path)
    waited = []
    try:
        for _ in range(OWN):
            before = commits[0]
            turns.begin(db)
            waited.append(commits[0] - before)
            db.execute("commit")
            time.sleep(0.001)
    finally:
        ended.set()
        busy.join()
        turns.close()
        db.close()
    assert max(waited) <= BETWEEN_MAX
    assert commits[0] >= OWN / 2, "the other one had its turns too"


def test_a_turn_that_does_not_come_is_told_as_busy(path: Path) -> None:
    holder, db = connect(path), connect(path)
    holder.execute("begin immediate")
    turns = Turns(path, patience_s=0.01)
    with pytest.raises(sqlite3.OperationalError) as told:
        turns.begin(db)
    assert told.value.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    holder.execute("rollback")
    turns.begin(db)
    turns.close()


def test_one_that_was_stopped_while_it_was_next_is_passed_by(path: Path) -> None:
    with path.with_name(f"{path.name}-turn").open("wb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        turns, db = Turns(path, patience_s=0.01), connect(path)
        turns.begin(db)
        db.execute("commit")
    turns.close()


def test_an_error_of_the_database_is_told_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "kodgate.db"
    broken.write_bytes(b"this is no database" * 100)
    turns = Turns(broken, patience_s=60)
    with pytest.raises(sqlite3.DatabaseError):
        turns.begin(connect(broken))
    turns.close()
