"""Runs programs on a connection of PostgreSQL: many rows as arrays, one text for every batch size.

What is prepared once is found again, for a statement never depends on how many rows it takes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol, TypeVar

from kodgate.store import rows, sql
from kodgate.store.columns import type_of
from kodgate.store.postgres_ids import Blocks
from kodgate.store.program import Ask, Free, Hold, Looks, Many, Program, Used, Wanted, Writes


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


async def _answer(connection: Connection, wanted: Wanted, ids: Blocks) -> Any:
    match wanted:
        case Ask(text, line):
            return await connection.fetch(translated(text), *line)
        case Many(head, lines, tail):
            return await _many(connection, head, lines, tail)
        case Looks(parts):
            return await _looks(connection, parts)
        case Writes(parts):
            line = [column for part in parts for column in _columns(part.lines)]
            return (await connection.fetch(_writes(_texts(parts)), *line))[0]
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
    columns = _columns(lines)
    if tail.startswith(") select"):
        return await connection.fetch(statement, *columns), 0
    done = await connection.execute(statement, *columns)
    return [], int(done.rpartition(" ")[2])


async def _looks(connection: Connection, parts: Sequence[Many]) -> list[list[rows.Row]]:
    line = [column for part in parts for column in _columns(part.lines)]
    found: list[list[rows.Row]] = [[] for _ in parts]
    for place, row in await connection.fetch(_unions(_texts(parts)), *line):
        found[place].append(row)
    return found


def _columns(lines: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*lines, strict=True)]


def _texts(parts: Sequence[Many]) -> tuple[tuple[str, str], ...]:
    return tuple((part.head, part.tail) for part in parts)


@lru_cache(maxsize=1024)
def translated(text: str) -> str:
    text = sql.POSTGRES.get(text, text)
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    parts = text.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


@cache
def _unions(texts: tuple[tuple[str, str], ...]) -> str:
    """One statement of several reads: the place of each, and its rows as records."""
    reads = ", ".join(f"q{n} as ({text})" for n, text in enumerate(_numbered(texts)))
    found = " union all ".join(f"select {n}, q{n} from q{n}" for n in range(len(texts)))
    return f"with {reads} {found}"


@cache
def _writes(texts: tuple[tuple[str, str], ...]) -> str:
    """One statement of several changes, which all see the rows as they were before it; its row:
    how many rows each changed."""
    changes = ", ".join(f"q{n} as ({text} returning 1)" for n, text in enumerate(_numbered(texts)))
    counts = ", ".join(f"(select count(*) from q{n})" for n in range(len(texts)))
    return f"with {changes} select {counts}"


def _numbered(texts: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Each with its own parameters."""
    first = 1
    for head, tail in texts:
        yield _bulk(head, tail, first)
        first += len(_names(head))


@cache
def _bulk(head: str, tail: str, first: int = 1) -> str:
    """`... (a, b) values`, or `with v (a, b) as (values`, over one array for each column; `first`:
    the number of the first of them."""
    arrays = [f"${n}::{type_of(name)}[]" for n, name in enumerate(_names(head), first)]
    source = f"select * from unnest({', '.join(arrays)})"
    return f"{head.removesuffix('values')}{source} {tail}"


def _names(head: str) -> list[str]:
    names = re.search(r"\(([^()]*)\)", head)
    assert names is not None and head.endswith("values")
    return names[1].split(", ")


def _lock_number(key: str) -> int:
    """64 bits, signed: two keys that share a number wait for each other, nothing worse."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), signed=True)
