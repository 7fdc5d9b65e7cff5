"""The store on SQLite: one writer with group commit, readers beside it (D6, D7)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any, TypeVar

from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.types import Observation
from kodgate.store import Recorded, Unavailable, batches, placing, sql
from kodgate.store.checkpointing import Checkpointer
from kodgate.store.common import CommonStore
from kodgate.store.program import Program
from kodgate.store.sqlite_driver import run
from kodgate.store.sqlite_wakes import Wakes
from kodgate.store.turns import Turns
from kodgate.store.writer import QUEUE_MAX, Work, Writer

READERS = 2
BUSY_TIMEOUT_S = 5.0
CHECKPOINT_PAGES = 40_000
"""160 MB of log, after which a commit copies it itself: the checkpointer is far ahead of that."""

CACHE_KIB = 16_384
"""What the writer keeps of the database in memory: the indexes over digests are met at random."""

DURABLE = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: the log is synced with every commit
    "foreign_keys": 1,
    "wal_autocheckpoint": CHECKPOINT_PAGES,
}
"""Set, and then read again: a database that does not take them is refused."""

log = logging.getLogger(__name__)
T = TypeVar("T")


def _call(db: sqlite3.Connection, acts: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    return [act(db) for act in acts]


_CALL = Work(apply=_call)
_SHORT_CALL = Work(apply=_call, short=True)
"""Any other piece of work, done for itself."""


class SqliteStore(CommonStore):
    """`Store` in one file. Several processes may use it; each has its own writer."""

    def __init__(self, path: Path, *, queue_max: int = QUEUE_MAX) -> None:
        self._path = path
        self._queue_max = queue_max
        self._connections = local()
        self._opened: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kodgate-reader")
        self._wakes: Wakes = Wakes(path)
        self.writer: Writer
        self._checkpointer: Checkpointer

    async def open(self) -> None:
        """Raises RuntimeError where the schema or the durability is not as it must be."""
        self._checkpointer = Checkpointer(lambda: connect(self._path))
        self.writer = Writer(
            self._connect,
            turns=Turns(self._path, patience_s=BUSY_TIMEOUT_S),
            queue_max=self._queue_max,
            between=self._checkpointer.finish,
        )
        self.writer.start()
        self._checkpointer.start()

    async def close(self) -> None:
        self._wakes.close()
        await asyncio.to_thread(self._checkpointer.stop)
        await self.writer.stop()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    # The hot path

    async def accept(self, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
        answers = await self.writer.do(_ACCEPT, orders)
        self._tell_placed(orders, answers)
        return answers

    async def record(self, observations: Sequence[Observation]) -> list[Recorded]:
        answers = await self.writer.do(_RECORD, observations)
        self._tell_recorded(answers)
        return answers

    async def _change(self, make: Callable[[], Program[T]]) -> T:
        return await self._write(lambda db: run(db, make()))

    async def _change_shortly(self, make: Callable[[], Program[T]]) -> T:
        return await self._write(lambda db: run(db, make()), _SHORT_CALL)

    async def _look(self, make: Callable[[], Program[T]]) -> T:
        return await self._read(lambda db: run(db, make()))

    async def _look_shortly(self, make: Callable[[], Program[T]]) -> T:
        """In the event loop: to hand it to a thread and back costs several times as much."""
        return self._in_snapshot(lambda db: run(db, make()))

    # Within

    async def _write(self, act: Callable[[sqlite3.Connection], T], work: Work = _CALL) -> T:
        found: list[T] = await self.writer.do(work, [act])
        return found[0]

    async def _read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: self._in_snapshot(act)
        )

    def _in_snapshot(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """All statements of one read see one state of the database."""
        try:
            db = self._reader()
            db.execute("begin")
            try:
                return act(db)
            finally:
                db.rollback()
        except sqlite3.OperationalError as error:
            self._connections.db = None  # the next read connects anew
            raise Unavailable(error.sqlite_errorname) from error

    def _reader(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._connections, "db", None)
        if db is None:
            db = connect(self._path)
            db.execute("pragma query_only = on")
            self._connections.db = db
            self._opened.append(db)
        return db

    def _connect(self) -> sqlite3.Connection:
        """A connection whose commits are durable, to a database of this version."""
        db = connect(self._path)
        try:
            _check(db)
            db.execute(f"pragma cache_size = -{CACHE_KIB}")
            # what a savepoint may have to give back: else it is written to a file from 64 KiB on
            db.execute("pragma temp_store = memory")
            db.execute("pragma busy_timeout = 0")  # the turns are waited for, in order
        except BaseException:
            db.close()
            raise
        return db


def connect(path: Path) -> sqlite3.Connection:
    """Transactions are begun and ended by us alone. The file must exist."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    for name, setting in DURABLE.items():
        db.execute(f"pragma {name} = {setting}")
    return db


def _check(db: sqlite3.Connection) -> None:
    for name, setting in DURABLE.items():
        found = db.execute(f"pragma {name}").fetchone()[0]
        if found != setting:
            raise RuntimeError(f"the database refuses {name} = {setting}: it is {found}")
    lax = db.execute(
        "select name from pragma_table_list where schema = 'main' and type = 'table'"
        " and not strict and name not in ('sqlite_schema', 'alembic_version')"
    ).fetchall()
    if lax:
        raise RuntimeError(f"tables that are not STRICT: {', '.join(row[0] for row in lax)}")
    found = db.execute("select version_num from alembic_version").fetchall()
    if found != [(sql.REVISION,)]:
        raise RuntimeError(f"the database has version {found}, this is {sql.REVISION}: migrate it")


def _place(db: sqlite3.Connection, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
    return run(db, batches.place(orders))


def _faulty(db: sqlite3.Connection, seen: Observation, error: Exception) -> Recorded:
    broken = isinstance(error, AssertionError | sqlite3.IntegrityError)
    return run(db, batches.refuse(seen, error, broken=broken))


def _advance(db: sqlite3.Connection, observations: Sequence[Observation]) -> list[Recorded]:
    return run(db, batches.advance(observations))


def _not_placed(db: sqlite3.Connection, order: Order, error: Exception) -> NotPlaced:
    log.error("an order of account %s was refused: %s", order.account_id, type(error).__name__)
    return placing.UNAVAILABLE


_ACCEPT = Work(apply=_place, failed=_not_placed, short=True, last=True)
_RECORD = Work(apply=_advance, failed=_faulty, short=True)


def path_of(url: str) -> Path:
    """`sqlite:///relative.db`, `sqlite:////absolute.db`. Raises ValueError."""
    prefix = "sqlite:///"
    path = url.removeprefix(prefix)
    if not url.startswith(prefix) or path in {"", ":memory:"}:
        raise ValueError("a database is named by sqlite:///path or postgresql://host/name")
    return Path(path)
