"""SQLite: the conformance suite, and what only this database can show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable, migrate, open_store, sqlite
from kodgate.store.sqlite import SqliteStore

from .conformance import *  # noqa: F403
from .kit import FUNDS, NOW, TELEGRAM, account, claim, fresh, order, place

BreakLedger = Callable[[int], Awaitable[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty database of the newest schema."""
    path = tmp_path / "kodgate.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other_node(store: SqliteStore, path: Path) -> AsyncIterator[SqliteStore]:
    """Another process's store on the same file."""
    other = SqliteStore(path)
    await other.open()
    yield other
    await other.close()


@pytest.fixture
def break_ledger(path: Path) -> BreakLedger:
    """Puts a refund into the ledger that no decision made."""

    async def break_it(message_id: int) -> None:
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "insert into transfer (account_id, at, kind, debit, credit, amount, customer,"
                " balance_after, packet_id, message_id, attempt, document, comment)"
                " select account_id, at, 'refund', credit, debit, amount, amount, 0, packet_id,"
                " message_id, 0, '', '' from transfer where message_id = ? and kind = 'charge'",
                (message_id,),
            )

    return break_it


# The database is what it must be


async def test_commits_are_durable(store: SqliteStore, path: Path) -> None:
    db = store.writer._connection
    assert db is not None
    found = {name: db.execute(f"pragma {name}").fetchone()[0] for name in sqlite.DURABLE}
    assert found == {**found, "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert path.stat().st_mode & 0o077 == 0


async def test_a_database_without_a_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(sqlite3.OperationalError, match="alembic_version"):
        await open_store(f"sqlite:///{tmp_path}/empty.db").open()


async def test_a_database_of_another_version_is_refused(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("update alembic_version set version_num = '0000'")
    with pytest.raises(RuntimeError, match="migrate"):
        await SqliteStore(path).open()


async def test_a_table_that_is_not_strict_is_refused(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("create table lax (id integer)")
    with pytest.raises(RuntimeError, match="lax"):
        await SqliteStore(path).open()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "x.db"])
def test_a_file_is_named_in_full(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        open_store(url)


async def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    first = SqliteStore(path)
    await first.open()
    alice = await account(first)
    (placed,) = await place(first, order(alice))
    await first.close()
    second = SqliteStore(path)
    await second.open()
    (next_one,) = await place(second, order(alice))
    assert next_one.packet_id == placed.packet_id + 1
    assert next_one.balance_before == placed.balance_after
    assert await second.verify() == []
    await second.close()


# Group commit


async def test_concurrent_calls_share_one_commit(store: SqliteStore) -> None:
    alice = await account(store)
    await place(store, order(alice))
    gate = asyncio.get_running_loop().create_future()
    before = store.writer.commits
    calls = [
        *(store.accept([order(alice, phone=f"7912{n:07d}")]) for n in range(50)),
        claim(store),
        store.confirm(1_000_000, right=False, at=NOW),
        store.put("clock", "1"),
    ]
    gate.set_result(None)
    await hold_writer(store, calls)
    assert store.writer.commits - before == 2  # the one that held the writer, and all the others


async def hold_writer(store: SqliteStore, calls: list[Awaitable[object]]) -> list[object]:
    """Starts calls while the writer is busy, so that all of them wait for its next batch."""
    import threading

    started, go_on = threading.Event(), threading.Event()

    def busy(db: sqlite3.Connection) -> None:
        started.set()
        assert go_on.wait(30)

    holding = asyncio.ensure_future(store._write(busy))
    await asyncio.to_thread(started.wait, 30)
    waiting = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    go_on.set()
    await holding
    return list(await asyncio.gather(*waiting, return_exceptions=True))


async def test_claims_and_records_go_before_accepts(store: SqliteStore) -> None:
    alice = await account(store)
    (_, claimed) = await hold_writer(store, [store.accept([order(alice)]), claim(store)])
    assert claimed == []


async def test_a_full_queue_is_unavailable_before_any_work(path: Path) -> None:
    store = SqliteStore(path, queue_max=3)
    await store.open()
    alice = await account(store)
    answers = await hold_writer(store, [store.accept([order(alice)]) for _ in range(5)])
    assert [type(answer) for answer in answers[3:]] == [Unavailable, Unavailable]
    assert (await fresh(store, alice)).balance == FUNDS - 3 * TELEGRAM
    await store.close()


async def test_a_caller_that_went_away_harms_nobody(store: SqliteStore) -> None:
    alice = await account(store)

    async def impatient() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(store.accept([order(alice)]), 0)

    await hold_writer(store, [impatient(), store.accept([order(alice)])])
    assert await store.verify() == []


async def test_after_closing_nothing_is_taken(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    with pytest.raises(Unavailable):
        await store.put("clock", "1")


async def test_a_reader_does_not_wait_for_the_writer(store: SqliteStore) -> None:
    await account(store)
    answers = await hold_writer(store, [store.account("alice")])
    assert getattr(answers[0], "login", None) == "alice"


# Failures of the disk


async def test_a_full_disk_is_unavailable_and_recovers(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await account(store)
    limit = await limit_pages(store, extra=6)
    placed = 0
    with pytest.raises(Unavailable):
        for n in range(500):
            await place(store, *(order(alice, phone=f"7912{n:07d}") for _ in range(10)))
            placed += 10
    assert limit > 0
    assert (await fresh(store, alice)).balance == FUNDS - placed * TELEGRAM
    await place(store, order(alice))  # the new connection has no such limit: room again
    assert await store.verify() == []


async def limit_pages(store: SqliteStore, extra: int) -> int:
    """A quota of pages on the writer's connection, as a small disk would set it."""

    def limit(db: sqlite3.Connection) -> int:
        used: int = db.execute("pragma page_count").fetchone()[0]
        found: int = db.execute(f"pragma max_page_count = {used + extra}").fetchone()[0]
        return found

    return await store._write(limit)


async def test_what_one_process_accepts_another_one_hears_of(
    store: SqliteStore, other_node: SqliteStore
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await other_node.listen(heard.put_nowait)
    await store.listen(None)
    await place(store, order(await account(store)))
    async with asyncio.timeout(10):
        assert await heard.get() == "telegram"


async def test_another_writer_that_holds_on_makes_it_unavailable_for_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    store = SqliteStore(path)
    await store.open()
    alice = await account(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(Unavailable):
            await store.accept([order(alice)])
        other.execute("rollback")
    await place(store, order(alice))
    assert await store.verify() == []
    await store.close()


class FailingCommit:
    """A connection whose next COMMIT ends with an error of the disk."""

    def __init__(self, real: sqlite3.Connection, code: int) -> None:
        self._real = real
        self._code = code

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def execute(self, text: str, *parameters: object) -> sqlite3.Cursor:
        if text == "commit":
            error = sqlite3.OperationalError("disk")
            error.sqlite_errorcode = self._code
            error.sqlite_errorname = "SQLITE_TEST"
            raise error
        return self._real.execute(text, *parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sqlite3.SQLITE_FULL, Unavailable),
        (sqlite3.SQLITE_BUSY, Unavailable),
        (sqlite3.SQLITE_READONLY, Unavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, InDoubt),
        (sqlite3.SQLITE_CORRUPT, InDoubt),
    ],
)
async def test_a_failed_commit_is_told_as_what_it_is(
    store: SqliteStore, code: int, told: type[Exception]
) -> None:
    alice = await account(store)
    real = store.writer._connection
    assert real is not None
    store.writer._connection = FailingCommit(real, code)  # type: ignore[assignment]
    with pytest.raises(told):
        await store.accept([order(alice)])
    (placed,) = await place(store, order(alice))
    assert placed.balance_before == FUNDS
    assert await store.verify() == []


# A crash

CHILD = """
import asyncio, sys
from kodgate.store import open_store
from tests.store.kit import order

async def main():
    store = open_store(sys.argv[1])
    await store.open()
    async def caller(n):
        for i in range(1_000_000):
            (placed,) = await store.accept([order(1, phone=f"7912{n:03d}{i:06d}")])
            print(placed.packet_id, flush=True)
    await asyncio.gather(*(caller(n) for n in range(8)))

asyncio.run(main())
"""


async def test_what_was_answered_survives_a_kill(path: Path) -> None:
    url = f"sqlite:///{path}"
    store = open_store(url)
    await store.open()
    await account(store, funds=10**12)
    await store.close()
    acked = kill_after(url, lines=200)
    store = open_store(url)
    await store.open()
    for packet_id in acked:
        assert await store.packet(1, packet_id=packet_id) is not None
    assert len(acked) >= 200
    assert await store.verify() == []
    await place(store, order(1))
    await store.close()


def kill_after(url: str, lines: int) -> list[int]:
    """Packet ids that a process had told when it was killed in the middle of its work."""
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
    )
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.wait(30)
    whole = "".join(told) + rest
    complete = whole[: whole.rindex("\n")]
    return [int(line) for line in complete.split("\n")]


async def test_a_reader_that_failed_connects_anew(store: SqliteStore) -> None:
    await account(store)

    def fail(db: sqlite3.Connection) -> None:
        db.execute("select nothing from nowhere")

    for _ in range(2 * sqlite.READERS):
        with pytest.raises(Unavailable):
            await store._read(fail)
    assert await store.account("alice") is not None
