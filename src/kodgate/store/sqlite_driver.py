"""Runs programs on a connection of SQLite: many rows in one statement, lists as JSON."""

from __future__ import annotations

import json
import sqlite3
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

_JSON_LIST = "(select value from json_each(?))"
WORDS = {":ids": _JSON_LIST, ":texts": _JSON_LIST, " :lock": ""}
"""The one writer needs no lock on rows."""

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
            return connection.execute(_translated(text), _parameters(line)).fetchall()
        case Many(head, lines, tail):
            return _many(connection, head, lines, tail)
        case Looks(parts):
            return [_many(connection, part.head, part.lines, part.tail)[0] for part in parts]
        case Writes(parts):
            return [_many(connection, part.head, part.lines, part.tail)[1] for part in parts]
        case Free(_, names):
            line = _parameters([list(names)])
            free = dict(connection.execute(_translated(sql.FREE_IDS), line).fetchall())
            return [count(free[name]) for name in names]
        case Used(taken):
            lines = [(name, next(ids)) for name, ids in taken]
            _, changed = _many(connection, sql.TAKE_IDS, lines, sql.TAKE_IDS_TAIL)
            assert changed == len(lines), "ids were taken by somebody else"
        case Hold():
            pass  # one transaction writes at a time
    return None


def _parameters(line: Sequence[Any]) -> Sequence[Any]:
    if any(type(value) is list for value in line):
        return [json.dumps(value) if type(value) is list else value for value in line]
    return line


@lru_cache(maxsize=512)
def _translated(text: str) -> str:
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    return text


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
        size = next(size for size in SIZES if size >= len(part))
        line = [*chain.from_iterable(part), *[None] * (width * (size - len(part))), len(part)]
        cursor = connection.execute(_statement(head, tail, width, size), line)
        if cursor.description is not None:
            found += cursor.fetchall()
    return found, connection.total_changes - before
