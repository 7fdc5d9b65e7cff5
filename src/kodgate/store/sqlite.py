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

from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.life import Verdict
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.tariffs import Tariff
from kodgate.core.types import Observation, Transfer
from kodgate.store import (
    Claimed,
    Due,
    LedgerEntry,
    PacketRow,
    Recorded,
    Route,
    TimelineEntry,
    Unavailable,
    batches,
    placing,
    reading,
    rows,
    sql,
    verifying,
)
from kodgate.store import accounts as books
from kodgate.store.advancing import UNMATCHED, Unit
from kodgate.store.placing import Placing
from kodgate.store.writer import QUEUE_MAX, Work, Writer

READERS = 2
BUSY_TIMEOUT_S = 5.0
CHECKPOINT_PAGES = 4_000
"""16 MB of log between two checkpoints."""

DURABLE = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: the log is synced with every commit
    "foreign_keys": 1,
    "wal_autocheckpoint": CHECKPOINT_PAGES,
}
"""Set, and then read again: a database that does not take them is refused."""

FAULTY = Recorded(matched=False, may_go_on=False, woken=(), words=("faulty",))
"""An observation that broke a rule of money or state: nothing of it was stored."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class SqliteStore:
    """`Store` in one file. Several processes may use it; each has its own writer."""

    def __init__(self, path: Path, *, queue_max: int = QUEUE_MAX) -> None:
        self._path = path
        self._queue_max = queue_max
        self._stopped: set[int] = set()
        self._connections = local()
        self._opened: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kodgate-reader")
        self._accept = Work(apply=self._place, failed=_not_placed, last=True)
        self._record = Work(apply=_advance, failed=self._faulty)
        self.writer: Writer

    async def open(self) -> None:
        """Raises RuntimeError where the schema or the durability is not as it must be."""
        self.writer = Writer(self._connect, queue_max=self._queue_max)
        self.writer.start()

    async def close(self) -> None:
        await self.writer.stop()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    # Accounts, secrets, tariffs

    async def account(self, login: str) -> Account | None:
        return await self._read(lambda db: books.account(db, sql.ACCOUNT_BY_LOGIN, login))

    async def account_by_id(self, account_id: int) -> Account | None:
        return await self._read(lambda db: books.account(db, sql.ACCOUNT_BY_ID, account_id))

    async def accounts(self) -> list[Account]:
        return await self._read(lambda db: books.accounts(db, sql.ACCOUNTS))

    async def create_account(
        self,
        *,
        login: str,
        name: str,
        at: int,
        tariff: str = "default",
        credit_limit: int = 0,
        settings: AccountSettings | None = None,
    ) -> Account:
        text = rows.settings_text(settings or AccountSettings())
        line = (login, name, tariff, credit_limit, credit_limit, at, text)
        return await self._write(lambda db: books.create(db, line))

    async def change_account(
        self,
        account_id: int,
        *,
        status: AccountStatus | None = None,
        settings: AccountSettings | None = None,
        credit_limit: int | None = None,
        tariff: str | None = None,
    ) -> Account:
        text = None if settings is None else rows.settings_text(settings)
        line = (status and status.value, text, credit_limit, tariff, account_id)
        return await self._write(lambda db: books.change(db, account_id, line))

    async def add_secret(
        self, account_id: int, digest: bytes, *, at: int, others_expire_at: int | None
    ) -> None:
        await self._write(
            lambda db: books.add_secret(
                db, account_id, digest, at=at, others_expire_at=others_expire_at
            )
        )

    async def post(
        self, account_id: int, transfer: Transfer, *, at: int, document: str, comment: str
    ) -> int:
        return await self._write(
            lambda db: books.post(
                db, account_id, transfer, at=at, document=document, comment=comment
            )
        )

    async def save_tariff(self, tariff: Tariff, *, at: int) -> None:
        await self._write(lambda db: books.save_tariff(db, tariff, at=at))

    async def tariffs(self) -> list[Tariff]:
        return await self._read(books.tariffs)

    async def save_route(self, route: Route) -> None:
        line = (route.name, route.channel, route.profile, route.created_at)
        await self._write(lambda db: db.execute(sql.SAVE_ROUTE, line) and None)

    async def routes(self) -> list[Route]:
        return await self._read(books.routes)

    # The hot path

    async def accept(self, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
        return await self.writer.do(self._accept, orders)

    async def claim(
        self, *, channel: str, node: str, now: int, lease_until: int, attempts_max: int, limit: int
    ) -> list[Claimed]:
        def claim(db: sqlite3.Connection) -> list[Claimed]:
            found = db.execute(sql.CLAIMABLE, (channel, now, now, limit)).fetchall()
            if not found:
                return []
            unit = Unit(batches.load(db, (row[1] for row in found)))
            claims = [
                unit.claim(
                    row[0],
                    node=node,
                    at=now,
                    lease_until=lease_until,
                    attempts_max=attempts_max,
                )
                for row in found
            ]
            batches.write_unit(db, unit)
            return [claimed for claimed in claims if claimed is not None]

        return await self._write(claim)

    async def record(self, observations: Sequence[Observation]) -> list[Recorded]:
        return await self.writer.do(self._record, observations)

    async def due(self, *, now: int, until: int, limit: int) -> list[Due]:
        return await self._write(lambda db: reading.due(db, now=now, until=until, limit=limit))

    async def next_due(self) -> int | None:
        return await self._read(reading.next_due)

    async def release(self, node: str) -> int:
        def release(db: sqlite3.Connection) -> int:
            found = db.execute(sql.LEASED_BY, (node,)).fetchall()
            unit = Unit(batches.load(db, (row[1] for row in found)))
            for row in found:
                unit.free(row[0])
            batches.write_unit(db, unit)
            return len(found)

        return await self._write(release)

    async def confirm(
        self, packet_id: int, *, right: bool, at: int
    ) -> tuple[Verdict, tuple[str, ...]]:
        def confirm(db: sqlite3.Connection) -> tuple[Verdict, tuple[str, ...]]:
            unit = Unit(batches.load(db, [packet_id]))
            if packet_id not in unit.loaded.packets:
                raise LookupError("no such packet")
            answer = unit.confirm(packet_id, right=right, at=at)
            batches.write_unit(db, unit)
            return answer

        return await self._write(confirm)

    # Reading

    async def packet(
        self,
        account_id: int,
        *,
        packet_id: int | None = None,
        message_id: int | None = None,
        user_message_id: str | None = None,
        user_packet_id: str | None = None,
    ) -> PacketRow | None:
        asked = (
            (sql.PACKET_BY_ID, packet_id),
            (sql.PACKET_BY_MESSAGE, message_id),
            (sql.PACKET_BY_USER_MESSAGE, user_message_id),
            (sql.PACKET_BY_USER_PACKET, user_packet_id),
        )
        query, key = next(pair for pair in asked if pair[1] is not None)
        return await self._read(lambda db: reading.packet(db, query, account_id, key))

    async def find(
        self, *, account_id: int | None, phone_digest: bytes, limit: int
    ) -> list[PacketRow]:
        line = (phone_digest, account_id, account_id, limit)
        return await self._read(lambda db: reading.packets(db, sql.FIND, line))

    async def timeline(self, packet_id: int) -> list[TimelineEntry]:
        return await self._read(lambda db: reading.timeline(db, packet_id))

    async def ledger(
        self, account_id: int, *, before_id: int | None = None, limit: int = 100
    ) -> list[LedgerEntry]:
        line = (account_id, before_id, before_id, limit)
        return await self._read(
            lambda db: [rows.ledger_of(row) for row in db.execute(sql.LEDGER, line)]
        )

    async def purge(self, *, now: int) -> list[str]:
        await self._write(lambda db: reading.prune(db, now=now))
        return await self._read(lambda db: reading.purgeable_days(db, now=now))

    async def counts(self) -> dict[str, int]:
        return await self._read(reading.counts)

    async def verify(self) -> list[str]:
        return await self._read(verifying.verify)

    # Small durable values

    async def get(self, key: str) -> str | None:
        return await self._read(lambda db: reading.value(db, key))

    async def put(self, key: str, value: str) -> None:
        await self._write(lambda db: db.execute(sql.PUT, (key, value)) and None)

    # Tables of the cabinet (store/cabinet.py): its statements, run here

    async def fetch(self, query: str, *line: Any) -> list[rows.Row]:
        return await self._read(lambda db: db.execute(query, line).fetchall())

    async def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[rows.Row]:
        def run(db: sqlite3.Connection) -> list[rows.Row]:
            found: list[rows.Row] = []
            for statement, line in statements:
                found = db.execute(statement, line).fetchall()
            return found

        return await self._write(run)

    # Within

    async def _write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        found: list[T] = await self.writer.do(_CALL, [act])
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
        except BaseException:
            db.close()
            raise
        return db

    def _place(self, db: sqlite3.Connection, orders: Sequence[Order]) -> list[Placed | NotPlaced]:
        batch = Placing(batches.known(db, orders, self._stopped))
        answers = [batch.place(order) for order in orders]
        batches.write_placing(db, batch)
        return answers

    def _faulty(self, db: sqlite3.Connection, seen: Observation, error: Exception) -> Recorded:
        """A broken rule of money or state stops the account's accepts, nothing else (D16)."""
        unit = Unit(batches.load_for(db, [seen]))
        message_id = unit.resolve(seen)
        account = None if message_id is None else unit.row(message_id).packet.account_id
        if account is not None and isinstance(error, AssertionError | sqlite3.IntegrityError):
            self._stopped.add(account)
        log.critical(
            "an observation was refused: message %s, account %s, source %s: %s",
            message_id,
            account,
            seen.source,
            type(error).__name__,
        )
        return FAULTY if message_id is not None else UNMATCHED


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


def _advance(db: sqlite3.Connection, observations: Sequence[Observation]) -> list[Recorded]:
    unit = Unit(batches.load_for(db, observations))
    answers = [unit.observe(seen) for seen in observations]
    batches.write_unit(db, unit)
    return answers


def _not_placed(db: sqlite3.Connection, order: Order, error: Exception) -> NotPlaced:
    log.error("an order of account %s was refused: %s", order.account_id, type(error).__name__)
    return placing.UNAVAILABLE


def _call(db: sqlite3.Connection, acts: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    return [act(db) for act in acts]


_CALL = Work(apply=_call)
"""Any other piece of work, done for itself."""


def path_of(url: str) -> Path:
    """`sqlite:///relative.db`, `sqlite:////absolute.db`. Raises ValueError."""
    prefix = "sqlite:///"
    path = url.removeprefix(prefix)
    if not url.startswith(prefix) or path in {"", ":memory:"}:
        raise ValueError("a database is named by sqlite:///path")
    return Path(path)
