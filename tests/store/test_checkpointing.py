"""The log goes back into the file beside the writer; nothing that was committed depends on it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kodgate.store import checkpointing
from kodgate.store.checkpointing import Checkpointer


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma wal_autocheckpoint = 0")
    return db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file.db"
    db = _connected(found)
    db.execute("create table line (number integer primary key, text text)")
    return found


@pytest.fixture
def checkpointer(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkpointer]:
    monkeypatch.setattr(checkpointing, "EVERY_S", 0.02)
    monkeypatch.setattr(checkpointing, "LOG_PAGES", 20)
    running = Checkpointer(lambda: _connected(path))
    running.start()
    yield running
    running.stop()


def _write(db: sqlite3.Connection, checkpointer: Checkpointer, count: int) -> None:
    for _ in range(count):
        db.execute("insert into line (text) values (?)", ("x" * 3_000,))
        checkpointer.finish(db)


def test_the_log_of_a_writer_that_never_rests_stays_short(
    path: Path, checkpointer: Checkpointer
) -> None:
    db, log = _connected(path), path.with_name(path.name + "-wal")
    ends_at = time.monotonic() + 20
    written = begun_anew = 0
    salt = b""
    while begun_anew < 3 and time.monotonic() < ends_at:
        _write(db, checkpointer, 10)
        written += 10
        found = log.read_bytes()[16:24]  # changes each time that the log is begun anew
        begun_anew += found != salt
        salt = found
    assert begun_anew >= 3
    assert db.execute("select count(*) from line").fetchone() == (written,)
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)


def test_what_is_in_the_log_only_is_there_after_the_thread_has_ended(
    path: Path, checkpointer: Checkpointer
) -> None:
    db = _connected(path)
    _write(db, checkpointer, 50)
    checkpointer.stop()
    _write(db, checkpointer, 5)
    assert _connected(path).execute("select count(*) from line").fetchone() == (55,)


def test_a_log_that_cannot_be_copied_is_told_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpointing, "EVERY_S", 0.01)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{tmp_path / 'missing'}?mode=rw", uri=True)

    running = Checkpointer(connect)
    running.start()
    ends_at = time.monotonic() + 20
    while "not copied" not in caplog.text and time.monotonic() < ends_at:
        time.sleep(0.01)
    running.stop()
    assert "not copied" in caplog.text
