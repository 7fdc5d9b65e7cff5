"""The request log: every request counted, a bounded part of them written down, sealed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.house import House, house

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable
from kodgate.store.requests import DAY_MS, MINUTE_MS, Chosen, RequestStore
from kodgate.store.sums import ALL
from kodgate.store.tables import Tables, tables
from kodgate.web import journal as rules
from kodgate.web.journal import BODY_MAX, Asked, Journal, excerpt, without_secrets

DAY_S = 86_400
ONE = Asked(
    id="a1b2c3d41",
    at=0,
    path="/http_in5.asp",
    dialect="http_asp",
    ip="203.0.113.7",
    error=0,
    why="",
    seconds=0.001,
    in_query=False,
    packet_id=1_000_000,
    parameters={"phone": "79120000001"},
    body="code = 4711",
)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, running=False) as found:
        yield found


def journal_of(home: House, node: str = "one", lent: Tables | None = None) -> Journal:
    store = RequestStore(lent or tables(home.store))
    return Journal(store, home.keyring, now=home.clock.now, node=node, rows_max=1_000)


def hear(
    journal: Journal, who: int | str, *, number: int = 1, retention_s: int = DAY_S, **more: object
) -> bool:
    """One request; whether it is written down."""
    asked = replace(ONE, id=f"a1b2c3d4{number:x}", at=journal.now(), **more)  # type: ignore[arg-type]
    kept = journal.counts(who, asked.error, asked.at)
    if kept:
        journal.keep(who, retention_s, asked)
    return kept


def period(journal: Journal, **more: object) -> Chosen:
    return Chosen(since=0, until=journal.now() + 1, **more)  # type: ignore[arg-type]


async def listed(journal: Journal, account_id: int, **more: object) -> list[Asked]:
    await journal.flush()
    return await journal.requests(account_id, period(journal, **more), limit=1_000)


async def total(journal: Journal, account_id: int) -> dict[int, tuple[int, int]]:
    """Error -> (how many, of these only counted)."""
    await journal.flush()
    chosen = period(journal)
    found = await journal.store.counts(account_id, since=0, until=chosen.until, slots=ALL)
    return {one.error: (one.total, one.dropped) for one in found}


async def test_another_process_reads_what_one_has_heard(home: House) -> None:
    heard, other = journal_of(home, "http"), journal_of(home, "web")
    hear(heard, home.alice.id)
    await heard.flush()
    (asked,) = await listed(other, home.alice.id)
    assert asked.parameters == ONE.parameters and asked.body == ONE.body
    assert asked.packet_id == 1_000_000 and asked.seconds == 0.001


async def test_the_newest_request_comes_first(home: House) -> None:
    journal = journal_of(home)
    for number in range(3):
        hear(journal, home.alice.id, number=number)
    assert [one.id[-1] for one in await listed(journal, home.alice.id)] == ["2", "1", "0"]


async def test_each_account_has_its_own(home: House) -> None:
    journal = journal_of(home)
    bob = await home.store.create_account(login="bob", name="Bob", at=home.clock.now())
    hear(journal, home.alice.id)
    assert await listed(journal, bob.id) == [] and await total(journal, bob.id) == {}


async def test_a_wrong_password_stands_in_the_log_of_whose_login_it_was(home: House) -> None:
    journal = journal_of(home)
    hear(journal, "alice", error=1, why="the password is not an API secret of this account")
    (asked,) = await listed(journal, home.alice.id)
    assert asked.error == 1 and await total(journal, home.alice.id) == {1: (1, 0)}


async def test_a_login_of_nobody_leaves_nothing_in_the_database(home: House) -> None:
    journal = journal_of(home)
    for number, login in enumerate(("mallory", "\x00", "x" * 65, "алиса")):
        hear(journal, login, number=number, error=1)
    await journal.flush()
    for table in ("request_log", "request_count"):
        assert await tables(home.store).fetch(f"select * from {table}") == []


async def test_every_request_is_counted_and_a_part_of_them_written_down(home: House) -> None:
    journal = journal_of(home)
    kept = sum(hear(journal, home.alice.id, number=number) for number in range(1_000))
    assert kept <= 2 * rules.ALIKE_MAX  # a minute may begin in between
    assert await total(journal, home.alice.id) == {0: (1_000, 1_000 - kept)}
    assert len(await listed(journal, home.alice.id)) == kept


async def test_refusals_have_room_when_requests_that_were_done_have_none(home: House) -> None:
    journal = journal_of(home)
    accounts = [
        await home.store.create_account(login=f"a{n}", name="", at=home.clock.now())
        for n in range(rules.DONE_MAX // rules.ALIKE_MAX + 1)
    ]
    for place, account in enumerate(accounts):
        for number in range(rules.ALIKE_MAX):
            hear(journal, account.id, number=place * 1_000 + number)
    assert not hear(journal, home.alice.id, number=90_000)
    assert hear(journal, home.alice.id, number=90_001, error=3)


async def test_strangers_take_up_no_more_than_their_part(home: House) -> None:
    journal = journal_of(home)
    kept = sum(hear(journal, f"login{n}", number=n, error=1) for n in range(2_000))
    assert kept == rules.STRANGE_MAX
    assert hear(journal, home.alice.id, number=9_999, error=3)


class Away:
    """Tables of a database that fails as often as it is told to."""

    def __init__(self, real: Tables, error: Exception, *, done: bool = False) -> None:
        self.real, self.error, self.done, self.fails = real, error, done, 1

    async def fetch(self, query: str, *line: object) -> object:
        return await self.real.fetch(query, *line)

    async def run(self, statements: object) -> object:
        return await self.real.run(statements)  # type: ignore[arg-type]

    async def change(self, make: object) -> object:
        self.fails -= 1
        if self.fails < 0:
            return await self.real.change(make)  # type: ignore[arg-type]
        if self.done:
            await self.real.change(make)  # type: ignore[arg-type]
        raise self.error


@pytest.mark.parametrize(
    ("error", "done"), [(Unavailable(), False), (InDoubt(), False), (InDoubt(), True)]
)
async def test_what_the_database_did_not_surely_take_is_stored_once(
    home: House, error: Exception, done: bool
) -> None:
    lent = Away(tables(home.store), error, done=done)
    journal = journal_of(home, lent=lent)  # type: ignore[arg-type]
    hear(journal, home.alice.id)
    await journal.flush()
    hear(journal, home.alice.id, number=2)
    await journal.flush()
    assert await total(journal, home.alice.id) == {0: (2, 0)}
    assert len(await listed(journal, home.alice.id)) == 2


async def test_a_minute_counts_as_its_requests_came(home: House) -> None:
    journal = journal_of(home)
    at = home.clock.now() // MINUTE_MS * MINUTE_MS
    for moment in (at, at + MINUTE_MS - 1, at + MINUTE_MS):
        journal.counts(home.alice.id, 3, moment)
    await journal.flush()
    found = await tables(home.store).fetch(
        "select at, count from request_count where span_ms = ? order by at", MINUTE_MS
    )
    assert [tuple(row) for row in found] == [(at, 2), (at + MINUTE_MS, 1)]


async def test_texts_are_sealed_and_gone_when_codes_are(home: House) -> None:
    journal = journal_of(home)
    hear(journal, home.alice.id, retention_s=60)
    await journal.flush()
    (row,) = await tables(home.store).fetch("select sealed from request_log")
    assert b"79120000001" not in bytes(row[0]) and b"4711" not in bytes(row[0])
    home.pass_s(61)
    (asked,) = await listed(journal, home.alice.id)
    assert asked.parameters is None and asked.body == ""
    await journal.prune()
    (row,) = await tables(home.store).fetch("select sealed from request_log")
    assert bytes(row[0]) == b""


async def test_who_keeps_no_codes_keeps_no_texts(home: House) -> None:
    journal = journal_of(home)
    hear(journal, home.alice.id, retention_s=0)
    (asked,) = await listed(journal, home.alice.id)
    assert asked.parameters is None and asked.path == ONE.path


async def test_old_requests_and_their_keys_are_removed(home: House) -> None:
    journal = journal_of(home)
    hear(journal, home.alice.id)
    await journal.flush()
    assert len(home.keyring.days("request")) == 1
    home.pass_s(4 * DAY_S)
    await journal.prune()
    assert await listed(journal, home.alice.id) == []
    assert home.keyring.days("request") == []


async def test_what_was_done_never_pushes_out_what_was_refused(home: House) -> None:
    journal = journal_of(home)  # 1,000 rows in all, 50 of an account of either kind
    hear(journal, home.alice.id, error=3)
    for second in range(4):
        for number in range(rules.ALIKE_MAX):
            hear(journal, home.alice.id, number=1_000 * second + number + 10)
        await journal.flush()
        home.pass_s(1)
    await journal.prune()
    found = await listed(journal, home.alice.id)
    assert sum(one.error == 0 for one in found) <= 50
    assert sum(one.error == 3 for one in found) == 1


async def test_minutes_are_kept_for_two_days_and_hours_for_longer(home: House) -> None:
    journal = journal_of(home)
    hear(journal, home.alice.id, error=3)
    await journal.flush()
    home.pass_s(3 * DAY_S)
    await journal.prune()
    now = journal.now()
    store = journal.store
    recent = await store.counts(home.alice.id, since=now - DAY_MS, until=now, slots=ALL)
    month = await store.counts(home.alice.id, since=now - 30 * DAY_MS, until=now, slots=ALL)
    assert recent == [] and [one.total for one in month] == [1]


async def test_the_request_of_a_packet_is_found_by_its_owner(home: House) -> None:
    journal = journal_of(home)
    hear(journal, home.alice.id)
    await journal.flush()
    found = await journal.of_packet(home.alice.id, 1_000_000)
    assert found is not None and found.body == ONE.body
    assert await journal.of_packet(home.alice.id + 1, 1_000_000) is None


async def test_a_stop_stores_what_was_heard(home: House) -> None:
    journal = journal_of(home)
    journal.start()
    await asyncio.sleep(0)
    hear(journal, home.alice.id)
    await journal.stop()
    assert len(await listed(journal_of(home, "web"), home.alice.id)) == 1


def test_passwords_are_left_out_under_any_name() -> None:
    given = {"http_password": "x1", "password": "y", "pass": "z", "code": "s3", "mode": "TELE"}
    assert without_secrets(given, "s3") == {"mode": "TELE"}


def test_a_long_answer_is_cut() -> None:
    assert len(excerpt(b"x" * 10_000)) == BODY_MAX


def test_what_was_asked_is_not_in_a_log_line() -> None:
    assert "79120000001" not in repr(ONE) and "4711" not in repr(ONE)
