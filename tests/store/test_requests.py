"""The request log's tables behave alike on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kodgate.core.accounts import AccountSettings
from kodgate.store import Store, migrate, open_store, requests
from kodgate.store.requests import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Chosen,
    Counted,
    RequestRow,
    RequestStore,
)
from kodgate.store.sums import ALL, Slots
from kodgate.store.tables import tables

NOW = 1_760_000_040_000 // HOUR_MS * HOUR_MS + 10 * MINUTE_MS
EVER = Chosen(since=0, until=NOW + DAY_MS)


@dataclass(kw_only=True)
class Log:
    store: Store
    log: RequestStore
    alice: int
    bob: int
    batches: int = 0

    def row(self, number: int, **more: Any) -> RequestRow:
        plain = RequestRow(
            request_id=f"{number:09x}",
            at=NOW + number,
            account_id=self.alice,
            path="/http_in5.asp",
            dialect="http_asp",
            ip="203.0.113.7",
            error=0,
            why="",
            took_us=900,
            in_query=False,
            packet_id=None,
            purge_at=NOW + DAY_MS,
            sealed=b"sealed",
        )
        return replace(plain, **more)

    async def save(self, *rows: RequestRow, counts: tuple[Counted, ...] = ()) -> None:
        self.batches += 1
        await self.log.save(rows, counts, node="one", batch=str(self.batches))

    async def numbers(self, chosen: Chosen = EVER) -> list[int]:
        found = await self.log.requests(self.alice, chosen, limit=1_000)
        return [int(row.request_id, 16) for _, row in found]

    async def prune(self, now: int = NOW, rows_max: int = 1_000) -> None:
        await self.log.prune(now=now, days=3, rows_max=rows_max, accounts=[self.alice])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> str:
    """Of an empty database of the newest schema."""
    if request.param == "postgres":
        found: str = request.getfixturevalue("cluster").fresh()
        return found
    found = f"sqlite:///{tmp_path / 'kodgate.db'}"
    migrate(found)
    return found


@pytest.fixture
async def log(url: str) -> AsyncIterator[Log]:
    store = open_store(url)
    await store.open()
    settings = AccountSettings(code_retention_s=77)
    alice = await store.create_account(login="alice", name="", at=NOW, settings=settings)
    bob = await store.create_account(login="bob", name="", at=NOW)
    yield Log(store=store, log=RequestStore(tables(store)), alice=alice.id, bob=bob.id)
    await store.close()


async def test_a_row_is_read_as_it_was_written(log: Log) -> None:
    row = log.row(1, error=3, why="because", in_query=True, packet_id=1_000_000, purge_at=None)
    await log.save(row)
    ((number, found),) = await log.log.requests(log.alice, EVER, limit=10)
    assert found == row and number > 0
    assert await log.log.of_packet(log.alice, 1_000_000) == row
    assert await log.log.of_packet(log.bob, 1_000_000) is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"error": 3}, [3]),
        ({"refused": True}, [4, 3]),
        ({"path": "/status"}, [2]),
        ({"ip": "198.51.100.1"}, [4]),
        ({"request_id": "000000002"}, [2]),
        ({"since": NOW + 2, "until": NOW + 4}, [3, 2]),
    ],
)
async def test_a_list_shows_what_is_asked_for(
    log: Log, wanted: dict[str, Any], found: list[int]
) -> None:
    rows = [
        log.row(1),
        log.row(2, path="/status"),
        log.row(3, error=3),
        log.row(4, error=19, ip="198.51.100.1"),
    ]
    await log.save(*rows, log.row(5, account_id=log.bob))
    assert await log.numbers(replace(EVER, **wanted)) == found


async def test_pages_follow_each_other_without_gap_or_repeat(log: Log) -> None:
    await log.save(*(log.row(number, at=NOW + number // 3) for number in range(10)))
    seen: list[str] = []
    chosen = EVER
    while page := await log.log.requests(log.alice, chosen, limit=3):
        seen += [row.request_id for _, row in page]
        chosen = replace(EVER, before=(page[-1][1].at, page[-1][0]))
    assert len(seen) == len(set(seen)) == 10


async def test_groups_are_counted_the_largest_first(log: Log) -> None:
    await log.save(log.row(1), log.row(2, error=3), log.row(3, error=3, in_query=True))
    assert await log.log.tally(log.alice, EVER, by="error") == [(3, 2), (0, 1)]
    assert await log.log.tally(log.alice, EVER, by="ip") == [("203.0.113.7", 3)]
    assert await log.log.in_url(log.alice, EVER) == 1


async def test_the_last_use_is_that_of_a_request_that_was_done(log: Log) -> None:
    assert await log.log.last_done(log.alice) is None
    await log.save(log.row(1, ip="192.0.2.1"), log.row(2, error=1))
    assert await log.log.last_done(log.alice) == (NOW + 1, "192.0.2.1")


async def test_a_batch_is_stored_once(log: Log) -> None:
    counts = [Counted(log.alice, NOW, 3, 5, 1)]
    for _ in range(2):
        await log.log.save([log.row(1)], counts, node="one", batch="b1")
    assert await log.numbers() == [1]
    found = await log.log.counts(log.alice, since=NOW, until=NOW + 1, slots=ALL)
    assert [(one.total, one.dropped) for one in found] == [(5, 1)]


async def test_nodes_count_into_the_same_minute(log: Log) -> None:
    for node in ("one", "two"):
        counts = [Counted(log.alice, NOW, 3, 2, 0), Counted(log.alice, NOW, 0, 1, 1)]
        await log.log.save([], counts, node=node, batch="b1")
    found = await log.log.counts(log.alice, since=NOW, until=NOW + 1, slots=Slots(MINUTE_MS))
    assert [(one.at, one.error, one.total, one.dropped) for one in found] == [
        (NOW, 0, 2, 2),
        (NOW, 3, 4, 0),
    ]


async def test_a_long_period_is_told_by_hours_and_says_the_same(log: Log) -> None:
    counts = [Counted(log.alice, NOW + minute * MINUTE_MS, 3, 1, 0) for minute in range(120)]
    await log.save(counts=tuple(counts))
    for since in (NOW - DAY_MS, NOW - 30 * DAY_MS):
        found = await log.log.counts(log.alice, since=since, until=NOW + DAY_MS // 2, slots=ALL)
        assert [one.total for one in found] == [120]


async def test_logins_are_looked_up_with_how_long_they_keep_codes(log: Log) -> None:
    found = await log.log.known(["alice", "mallory"])
    assert {login: (one.id, one.code_retention_s) for login, one in found.items()} == {
        "alice": (log.alice, 77)
    }
    assert await log.log.known([]) == {}


async def test_texts_go_first_then_the_row(log: Log) -> None:
    await log.save(log.row(1), log.row(2, purge_at=NOW + 2 * DAY_MS))
    await log.prune(now=NOW + DAY_MS)
    rows = {row.request_id[-1]: row for _, row in await log.log.requests(log.alice, EVER, limit=9)}
    assert (rows["1"].sealed, rows["1"].purge_at) == (b"", None) and rows["2"].sealed
    assert await log.log.oldest_text() == NOW + 2
    await log.prune(now=NOW + 4 * DAY_MS)
    assert await log.numbers() == [] and await log.log.oldest_text() is None


async def test_one_account_holds_its_part_and_no_more(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "PIECE", 7)
    await log.save(*(log.row(number) for number in range(60)))
    await log.save(log.row(100, error=3), log.row(101, account_id=log.bob))
    await log.prune(rows_max=400)
    assert await log.numbers() == [100, *range(59, 39, -1)]
    assert len(await log.log.requests(log.bob, EVER, limit=9)) == 1


async def test_all_accounts_together_hold_so_much_and_no_more(log: Log) -> None:
    await log.save(*(log.row(n, account_id=(log.alice, log.bob)[n % 2]) for n in range(60)))
    await log.prune(rows_max=40)
    found = await tables(log.store).fetch("select count(*) from request_log")
    assert found[0][0] <= 40


async def test_counts_are_kept_by_their_span(log: Log) -> None:
    await log.save(counts=(Counted(log.alice, NOW, 3, 1, 0),))
    for days, spans in ((1, 2), (3, 1), (63, 0)):
        await log.prune(now=NOW + days * DAY_MS)
        found = await tables(log.store).fetch("select span_ms from request_count")
        assert len(found) == spans
