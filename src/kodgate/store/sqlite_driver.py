"""Runs programs on a connection of SQLite: many rows in one statement."""

from __future__ import annotations

import json
import re
import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any, TypeVar

from kodgate.store import rows, sql
from kodgate.store.program import Ask, Free, Hold, Looks, Many, Program, Used, Wanted, Writes

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Rows that a statement has room for: few sizes, so that the prepared ones are found again. A batch
takes the next larger one and leaves the rest of it empty: after every statement the thread waits
for the interpreter, which costs more than some empty parameters."""

LISTS = re.compile(":ids|:texts")
JSON_LIST = "(select value from json_each(?))"
"""A list that is longer than the largest size; SQLite takes three times as long to begin on it."""

T = TypeVar("T")


def run(connection: sqlite3.Connection, program: Program[T]) -> T:
    """What the program returns. Raises what it raises, and sqlite3.Error."""
    answer: Any = None
    while True:
        try:
            wanted = program.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = _answer(connection, wanted)


def _answer(connection: sqlite3.Connection, wanted: Wanted) -> Any:
    match wanted:
        case Ask(text, line):
            return _ask(connection, text, line)
        case Many(head, lines, tail):
            return _many(connection, head, lines, tail)
        case Looks(parts):
            return [_many(connection, part.head, part.lines, part.tail)[0] for part in parts]
        case Writes(parts):
            return [_many(connection, part.head, part.lines, part.tail)[1] for part in parts]
        case Free(_, names):
            free = {row[0]: row[1] for row in _ask(connection, sql.FREE_IDS, [list(names)])}
            return [count(free[name]) for name in names]
        case Used(taken):
            lines = [(name, next(ids)) for name, ids in taken]
            _, changed = _many(connection, sql.TAKE_IDS, lines, sql.TAKE_IDS_TAIL)
            assert changed == len(lines), "ids were taken by somebody else"
        case Hold():
            pass  # one transaction writes at a time
    return None


def _ask(connection: sqlite3.Connection, text: str, line: Sequence[Any]) -> list[rows.Row]:
    """A list among the parameters is as many as its size has room for; the rest of them is null,
    which is in no list."""
    sizes, parameters = [], []
    for value in line:
        if type(value) is not list:
            parameters.append(value)
        elif len(value) > SIZES[-1]:
            sizes.append(0)
            parameters.append(json.dumps(value))
        else:
            size = _size(len(value))
            sizes.append(size)
            parameters += [*value, *[None] * (size - len(value))]
    return connection.execute(_translated(text, *sizes), parameters).fetchall()


def _size(count: int) -> int:
    return SIZES[bisect_left(SIZES, count)]


@lru_cache(maxsize=512)
def _translated(text: str, *sizes: int) -> str:
    """`sizes`: of its lists; 0: it is JSON. The one writer needs no lock on rows."""
    left = iter(sizes)

    def places(_: re.Match[str]) -> str:
        size = next(left)
        return f"({', '.join('?' * size)})" if size else JSON_LIST

    return LISTS.sub(places, text.replace(" :lock", ""))


@lru_cache(maxsize=256)
def _statement(head: str, tail: str, width: int, size: int) -> str:
    """`head` ends with `values`; the last parameter is how many of the rows count."""
    row = f"({', '.join('?' * width)})"
    lines = f"select * from (values {', '.join([row] * size)}) limit ?"
    return f"{head.removesuffix('values')}{lines} {tail}"


def _many(
    connection: sqlite3.Connection, head: str, lines: Sequence[Sequence[Any]], tail: str
) -> tuple[list[rows.Row], int]:
    """Runs `head (?, ...), (?, ...) tail` over all lines; what it returned, and rows changed."""
    found: list[rows.Row] = []
    before, width = connection.total_changes, len(lines[0])
    for place in range(0, len(lines), SIZES[-1]):
        part = lines[place : place + SIZES[-1]]
        size = _size(len(part))
        line = [*chain.from_iterable(part), *[None] * (width * (size - len(part))), len(part)]
        cursor = connection.execute(_statement(head, tail, width, size), line)
        if cursor.description is not None:
            found += cursor.fetchall()
    return found, connection.total_changes - before
