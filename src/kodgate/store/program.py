"""What the store does, told apart from who does it: one text for every database.

A program is a generator. It yields what it wants of the database, and gets the answer back; what
drives it talks to SQLite in a thread or to PostgreSQL over a socket.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kodgate.core.values import quick

Row = Sequence[Any]
Line = Sequence[Any]


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """One statement; the answer is its rows. A list among the parameters is one parameter."""

    text: str
    line: Line


@quick
@dataclass(frozen=True, slots=True)
class Many:
    """`head` with a row for every line, then `tail`; the answer: rows returned, rows changed."""

    head: str
    lines: Sequence[Line]
    tail: str = ""
    exact: bool = False
    """Of a write: a row must be met for every line. A lost compare-and-set is a bug."""


@quick
@dataclass(frozen=True, slots=True)
class Looks:
    """Reads that do not wait for each other; the answer: the rows of each."""

    parts: Sequence[Many]


@quick
@dataclass(frozen=True, slots=True)
class Writes:
    """Changes of different rows, in any order; the answer: how many rows each changed."""

    parts: Sequence[Many]


@quick
@dataclass(frozen=True, slots=True)
class Free:
    """The answer: for each name an iterator over at least `count` ids that nobody has."""

    count: int
    names: Sequence[str]


@quick
@dataclass(frozen=True, slots=True)
class Used:
    """Ids that were taken from iterators of `Free`, by name, are used, for ever (I-19)."""

    taken: Sequence[tuple[str, Iterator[int]]]


@quick
@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody else holds these keys until the end of the transaction."""

    keys: Sequence[str]


T = TypeVar("T")
Wanted = Ask | Many | Looks | Writes | Free | Used | Hold
Program = Generator[Wanted, Any, T]


def ask(text: str, *line: Any) -> Program[list[Row]]:
    found: list[Row] = yield Ask(text, line)
    return found


def one(text: str, *line: Any) -> Program[Any]:
    """The first value of the first row; None where there is no row."""
    found = yield from ask(text, *line)
    return found[0][0] if found else None


def many(head: str, lines: Sequence[Line], tail: str = "") -> Program[list[Row]]:
    found: tuple[list[Row], int] = (yield Many(head, lines, tail)) if lines else ([], 0)
    return found[0]


def look_all(*parts: Many) -> Program[list[list[Row]]]:
    """The rows of each part; a part without lines has none."""
    asked = [part for part in parts if part.lines]
    answers = iter((yield Looks(asked)) if asked else ())
    return [next(answers) if part.lines else [] for part in parts]


def write_all(*parts: Many) -> Program[None]:
    wanted = [part for part in parts if part.lines]
    if not wanted:
        return
    for part, changed in zip(wanted, (yield Writes(wanted)), strict=True):
        lost = len(part.lines) - changed
        assert not (part.exact and lost), f"{lost} rows were not as they were read"
