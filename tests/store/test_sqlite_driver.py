"""Programs on SQLite: a list among the parameters means the same whatever its length."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from kodgate.store.program import ask
from kodgate.store.sqlite_driver import SIZES, run

COUNT = 2 * SIZES[-1] + 1


@pytest.fixture
def db() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute("create table word (id integer primary key, text text)")
    made.executemany("insert into word values (?, ?)", [(n, f"w{n}") for n in range(COUNT)])
    made.execute("insert into word values (?, null)", (COUNT,))
    return made


def found(db: sqlite3.Connection, text: str, *line: object) -> Sequence[int]:
    return [row[0] for row in run(db, ask(f"select id from word where {text} order by id", *line))]


@pytest.mark.parametrize("length", [0, 1, 3, SIZES[-1], SIZES[-1] + 1, COUNT])
def test_a_list_of_any_length_finds_what_is_in_it(db: sqlite3.Connection, length: int) -> None:
    wanted = list(range(length))
    assert found(db, "id in :ids", wanted) == wanted
    assert found(db, "text in :texts", [f"w{n}" for n in wanted]) == wanted


def test_lists_stand_among_other_parameters_in_their_order(db: sqlite3.Connection) -> None:
    line = (2, [1, 2, 3, 4, 5], ["w3", "w4", "w9"], 4)
    assert found(db, "id > ? and id in :ids and text in :texts and id < ?", *line) == [3]
