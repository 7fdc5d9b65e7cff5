"""Runs programs on a connection of PostgreSQL: many rows as arrays, one text for every batch size.

What is prepared once is found again, for a statement never depends on how many rows it takes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import BigInteger, Integer, LargeBinary, Text

from kodgate.store import rows, sql
from kodgate.store.postgres_ids import Blocks
from kodgate.store.program import Ask, Free, Hold, Many, Program, Used
from kodgate.store.schema import metadata


class Connection(Protocol):
    """What we use of a connection of asyncpg."""

    async def fetch(self, query: str, *line: Any) -> list[rows.Row]: ...

    async def fetchval(self, query: str, *line: Any) -> Any: ...

    async def execute(self, query: str, *line: Any) -> str: ...

    async def add_listener(self, topic: str, callback: Callable[..., None]) -> None: ...

    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...

    def add_log_listener(self, callback: Callable[..., None]) -> None: ...

    def remove_log_listener(self, callback: Callable[..., None]) -> None: ...

    def get_server_version(self) -> Any: ...

    def get_server_pid(self) -> int: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


WORDS = {
    "in :ids": "= any(?::bigint[])",
    "in :texts": "= any(?::text[])",
    # Rows that others only point at (foreign keys) are not in our way.
    ":lock": "for no key update",
}
_TYPES = {BigInteger: "bigint", Integer: "bigint", Text: "text", LargeBinary: "bytea"}

T = TypeVar("T")


async def run(connection: Connection, program: Program[T], ids: Blocks) -> T:
    """What the program returns. Raises what it raises, and what asyncpg raises."""
    answer: Any = None
    while True:
        try:
            wanted = program.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = await _answer(connection, wanted, ids)


async def _answer(
    connection: Connection, wanted: Ask | Many | Free | Used | Hold, ids: Blocks
) -> Any:
    match wanted:
        case Ask(text, line):
            return await connection.fetch(translated(text), *line)
        case Many(head, lines, tail):
            return await _many(connection, head, lines, tail)
        case Free(count, names):
            return await ids.free(count, names)
        case Hold(keys):
            await connection.fetch(sql.HOLD_KEYS, sorted({_lock_number(key) for key in keys}))
        case Used():
            pass  # a block was taken for good before its ids were given
    return None


async def _many(
    connection: Connection, head: str, lines: Sequence[Sequence[Any]], tail: str
) -> tuple[list[rows.Row], int]:
    statement = _bulk(head, tail)
    columns = [list(column) for column in zip(*lines, strict=True)]
    if tail.startswith(") select"):
        return await connection.fetch(statement, *columns), 0
    done = await connection.execute(statement, *columns)
    return [], int(done.rpartition(" ")[2])


@lru_cache(maxsize=1024)
def translated(text: str) -> str:
    text = sql.POSTGRES.get(text, text)
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    parts = text.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


@cache
def _bulk(head: str, tail: str) -> str:
    """`... (a, b) values`, or `with v (a, b) as (values`, over one array for each column."""
    names = re.search(r"\(([^()]*)\)", head)
    assert names is not None and head.endswith("values")
    arrays = [f"${n}::{_type(name)}[]" for n, name in enumerate(names[1].split(", "), 1)]
    source = f"select * from unnest({', '.join(arrays)})"
    return f"{head.removesuffix('values')}{source} {tail}"


@cache
def _type(column: str) -> str:
    """Columns of one name have one type in all tables."""
    if column == "since":  # an instant to compare with
        return "bigint"
    found = {
        _TYPES[type(table.c[column].type)]
        for table in metadata.tables.values()
        if column in table.c
    }
    (only,) = found
    return only


def _lock_number(key: str) -> int:
    """64 bits, signed: two keys that share a number wait for each other, nothing worse."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), signed=True)
