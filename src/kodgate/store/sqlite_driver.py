"""Runs programs on a connection of SQLite: many rows in one statement, lists as JSON."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any, TypeVar

from kodgate.store import rows, sql
from kodgate.store.program import Ask, Free, Hold, Many, Program, Used

CHUNKS = (128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: few sizes, so that the prepared statements are found again, and few
statements for any number of rows, since after each one the thread waits for the interpreter."""

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


def _answer(connection: sqlite3.Connection, wanted: Ask | Many | Free | Used | Hold) -> Any:
    match wanted:
        case Ask(text, line):
            return connection.execute(_translated(text), _parameters(line)).fetchall()
        case Many(head, lines, tail):
            return _many(connection, head, lines, tail)
        case Free(_, names):
            return [count(connection.execute(sql.NEXT, (name,)).fetchone()[0]) for name in names]
        case Used(name, ids):
            free = next(ids)
            assert connection.execute(sql.TAKE_IDS, (free, name, free)).rowcount == 1
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
def _statement(head: str, tail: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{head} {', '.join([row] * count)} {tail}"


def _many(
    connection: sqlite3.Connection, head: str, lines: Sequence[Sequence[Any]], tail: str
) -> tuple[list[rows.Row], int]:
    """Runs `head (?, ...), (?, ...) tail` over all lines; what it returned, and rows changed."""
    found: list[rows.Row] = []
    before, place = connection.total_changes, 0
    for size in CHUNKS:
        while len(lines) - place >= size:
            part = lines[place : place + size]
            cursor = connection.execute(
                _statement(head, tail, len(part[0]), size), tuple(chain.from_iterable(part))
            )
            if cursor.description is not None:
                found += cursor.fetchall()
            place += size
    return found, connection.total_changes - before
