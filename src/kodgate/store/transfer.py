"""Copies everything from one database into another, empty one, and compares both to the last sum.

Both sides are of the newest schema. The source takes no writes meanwhile; the target shows all of
it or nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import asyncpg
from sqlalchemy import Integer, Table

from kodgate.store import is_postgres, rows, sql, verifying
from kodgate.store import sqlite as sqlite_store
from kodgate.store.postgres_driver import Connection
from kodgate.store.postgres_driver import run as run_postgres
from kodgate.store.postgres_ids import Blocks
from kodgate.store.postgres_link import connect, word
from kodgate.store.program import Program, ask, many, one
from kodgate.store.schema import metadata
from kodgate.store.sqlite_driver import run as run_sqlite

PAGE = 5_000
"""Rows that are read and written at once."""

MODULUS = 1_000_003
"""Sums of instants would pass 64 bits: their quotients and remainders are summed instead."""

Progress = Callable[[str, int, int], None]
"""(table, rows done, rows in all)"""

T = TypeVar("T")


class NotEmpty(Exception):
    """The target holds data already; nothing was changed."""


class Different(Exception):
    """The copy is not, or cannot be, what the source is; nothing was kept of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied, and what is wrong with it on both sides alike."""

    counts: dict[str, int]
    sums: int
    """How many sums were compared."""
    findings: list[str]


class Side(Protocol):
    """One of the two databases, in one transaction."""

    async def do(self, program: Program[T]) -> T: ...

    async def go_on(self) -> None:
        """The next ids of its own follow those that were copied."""


async def transfer(source: str, target: str, progress: Progress) -> Copied:
    """Copies all or nothing. Raises NotEmpty, Different, OSError where one does not answer,
    ValueError for a url of no known kind."""
    async with _side(source, reads=True) as old, _side(target, reads=False) as new:
        await _check_versions(old, new)
        held = [name for name in _names() if await new.do(one(_count(name)))]
        if held:
            raise NotEmpty(f"the target is not empty: there are rows in {', '.join(held)}")
        await new.do(ask("delete from sequence"))
        counts = {}
        for table in metadata.sorted_tables:
            counts[table.name] = await _copy(table, old, new, progress)
        await new.go_on()
        return await _compare(old, new, counts)


async def _check_versions(old: Side, new: Side) -> None:
    for name, side in (("source", old), ("target", new)):
        found = await side.do(one("select version_num from alembic_version"))
        if found != sql.REVISION:
            raise Different(f"the {name} has version {found}, this is {sql.REVISION}: upgrade it")


def _names() -> list[str]:
    """Every table but the one that a new database has rows in."""
    return [table.name for table in metadata.sorted_tables if table.name != "sequence"]


def _count(name: str) -> str:
    return f"select count(*) from {name}"


async def _copy(table: Table, old: Side, new: Side, progress: Progress) -> int:
    columns = ", ".join(column.name for column in table.columns)
    total: int = await old.do(one(_count(table.name)))
    done, last = 0, None
    progress(table.name, done, total)
    while page := await old.do(_page(table, columns, last)):
        lines = [tuple(line) for line in page]
        await new.do(many(f"insert into {table.name} ({columns}) values", lines))
        done += len(page)
        progress(table.name, done, total)
        last = [lines[-1][place] for place in _key_places(table)]
    return done


def _page(table: Table, columns: str, last: list[Any] | None) -> Program[list[rows.Row]]:
    """The rows after those with this key."""
    key = ", ".join(column.name for column in table.primary_key)
    marks = ", ".join("?" for _ in table.primary_key)
    after = "" if last is None else f" where ({key}) > ({marks})"
    query = f"select {columns} from {table.name}{after} order by {key} limit ?"
    return ask(query, *(last or ()), PAGE)


def _key_places(table: Table) -> list[int]:
    names = [column.name for column in table.columns]
    return [names.index(column.name) for column in table.primary_key]


async def _compare(old: Side, new: Side, counts: dict[str, int]) -> Copied:
    compared = 0
    for table in metadata.sorted_tables:
        before, after = await old.do(_sums(table)), await new.do(_sums(table))
        if before != after:
            wrong = sorted(name for name in before if before[name] != after[name])
            raise Different(f"table {table.name}: {', '.join(wrong)} differ")
        compared += len(before)
    findings = await old.do(verifying.verify())
    if await new.do(verifying.verify()) != findings:
        raise Different("the verifier finds other things in the copy")
    return Copied(counts=counts, sums=compared, findings=findings)


def _sums(table: Table) -> Program[dict[str, int]]:
    """Of every column: numbers in full, of texts and bytes their lengths; and the rows."""
    wanted = {"rows": "count(*)"}
    for column in table.columns:
        name = column.name
        if isinstance(column.type, Integer):
            wanted[f"{name} (quotients)"] = f"sum({name} / {MODULUS})"
            wanted[f"{name} (remainders)"] = f"sum({name} % {MODULUS})"
        else:
            wanted[f"{name} (lengths)"] = f"sum(length({name}))"
    found = yield from ask(f"select {', '.join(wanted.values())} from {table.name}")
    return {name: int(value or 0) for name, value in zip(wanted, found[0], strict=True)}


@asynccontextmanager
async def _side(url: str, *, reads: bool) -> AsyncIterator[Side]:
    """Committed at the end where it does not only read; rolled back after an exception."""
    opened = _postgres(url, reads=reads) if is_postgres(url) else _sqlite(url, reads=reads)
    async with opened as side:
        yield side


class _Sqlite:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def do(self, program: Program[T]) -> T:
        return run_sqlite(self._db, program)

    async def go_on(self) -> None:
        pass  # it takes one more than the largest


@asynccontextmanager
async def _sqlite(url: str, *, reads: bool) -> AsyncIterator[Side]:
    path = sqlite_store.path_of(url)
    if not path.exists():
        raise FileNotFoundError(f"there is no database {path}")
    with closing(sqlite_store.connect(path)) as db:
        db.execute("begin immediate")  # a source too: nobody writes meanwhile
        yield _Sqlite(db)
        db.execute("rollback" if reads else "commit")


class _Postgres:
    def __init__(self, db: Connection) -> None:
        self._db = db
        self._no_ids = Blocks(_none)

    async def do(self, program: Program[T]) -> T:
        return await run_postgres(self._db, program, self._no_ids)

    async def go_on(self) -> None:
        for table in metadata.sorted_tables:
            if "id" in table.columns and table.columns["id"].autoincrement is not False:
                await self._db.fetch(
                    f"select setval(pg_get_serial_sequence('{table.name}', 'id'), max(id))"
                    f" from {table.name} having max(id) is not null"
                )


async def _none(_name: str, _count: int) -> int:
    raise AssertionError("a copy takes no ids")


@asynccontextmanager
async def _postgres(url: str, *, reads: bool) -> AsyncIterator[Side]:
    try:
        db = await connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    try:
        await db.execute("begin isolation level repeatable read")
        if reads:
            names = ", ".join(table.name for table in metadata.sorted_tables)
            await db.execute(f"lock table {names} in share mode")
        yield _Postgres(db)
        await db.execute("rollback" if reads else "commit")
    except asyncpg.PostgresError as error:
        raise Different(f"the database refused it: {word(error)}") from error
    finally:
        db.terminate()
