"""Журнал запросов: filters, reasons in Russian, and what each role sees."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.web.cabinet.kit import Hall, Person
from tests.web.test_journal import ONE

import kodgate
from kodgate.core.errors import TABLE
from kodgate.web.cabinet.pages.requests import reason
from kodgate.web.cabinet.texts import Writer
from kodgate.web.journal import Asked

SOURCES = Path(kodgate.__file__).parent
RUSSIAN = re.compile(r"[А-Яа-яЁё]")
PHONE, CODE = "79120000001", "918273"


def whys(folder: str) -> Iterator[str]:
    """The reasons that stand in the code, values of f-strings as `1`."""
    for path in (SOURCES / folder).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            if call.func.id != "Refused":
                continue
            for word in call.keywords:
                if word.arg == "why" and isinstance(word.value, ast.Constant | ast.JoinedStr):
                    parts = getattr(word.value, "values", [word.value])
                    yield "".join(str(getattr(part, "value", "")) if isinstance(
                        part, ast.Constant) else "1" for part in parts)  # fmt: skip


def hear(hall: Hall, **more: object) -> Asked:
    journal = hall.site.journal
    known = {"at": journal.now(), "parameters": {"phone": PHONE, "code": CODE}, "body": CODE}
    asked = replace(ONE, **{**known, **more})  # type: ignore[arg-type]
    assert journal.counts(hall.house.alice.id, asked.error, asked.at)
    journal.keep(hall.house.alice.id, 86_400, asked)
    return asked


@pytest.mark.parametrize("why", sorted({*whys("web"), *whys("engine"), *whys("wire")}))
def test_every_reason_is_told_in_russian(why: str) -> None:
    assert RUSSIAN.search(reason(replace(ONE, error=13, why=why), Writer("ru"))), why


def test_most_errors_say_what_to_do_without_a_reason_of_their_own() -> None:
    told = [row for row in TABLE if reason(replace(ONE, error=row.number), Writer("ru"))]
    assert {row.number for row in told} >= {1, 3, 5, 6, 13, 19, 23, 24, 101, 109}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"a1", "a2", "a3"}),
        ("?error=3", {"a2"}),
        ("?error=refused", {"a2", "a3"}),
        ("?path=/status", {"a3"}),
        ("?ip=198.51.100.1", {"a1"}),
        ("?id=aaaaaaaa2", {"a2"}),
        ("?error=zz&path=&ip=%27&before=x&since=-1", {"a1", "a2", "a3"}),
    ],
)
async def test_filters_stand_in_the_address(
    open_hall: Hall, owner: Person, query: str, shown: set[str]
) -> None:
    hear(open_hall, id="aaaaaaaa1", ip="198.51.100.1")
    hear(open_hall, id="aaaaaaaa2", error=3)
    hear(open_hall, id="aaaaaaaa3", error=19, path="/status")
    text = await owner.see(f"requests{query}")
    assert {f"a{n}" for n in (1, 2, 3) if f"aaaaaaaa{n}" in text} == shown


async def test_the_owner_sees_masks_too(open_hall: Hall, owner: Person) -> None:
    hear(open_hall, error=3)
    text = await owner.see("requests")
    assert "7912***0001" in text and PHONE not in text and CODE not in text


async def test_a_page_says_how_many_were_only_counted(open_hall: Hall, owner: Person) -> None:
    journal = open_hall.site.journal
    for _ in range(100):
        journal.counts(open_hall.house.alice.id, 3, journal.now())
    text = await owner.see("requests")
    assert "За период 100 запросов, 100 отказов" in text
    assert re.search(r"\d+ только посчитан", text)


async def test_more_than_a_page_leads_to_what_was_before(open_hall: Hall, owner: Person) -> None:
    for number in range(60):
        hear(open_hall, id=f"bbbbbb{number:03d}", error=(3, 10, 19)[number % 3])
    first = (await owner.get("requests?period=all")).text
    link = re.search(r'href="/cabinet/(requests\?[^"]*before=[^"]*)"', first)
    assert link is not None
    second = (await owner.get(link[1].replace("&amp;", "&"))).text
    ids = re.findall(r"bbbbbb\d{3}", first), re.findall(r"bbbbbb\d{3}", second)
    assert len(ids[0]) == 50 and len(ids[1]) == 10 and not set(ids[0]) & set(ids[1])


async def test_refusals_are_drawn_and_lead_to_their_requests(
    open_hall: Hall, owner: Person
) -> None:
    hear(open_hall, error=3)
    hear(open_hall, error=0, id="cccccccc1")
    page = (await owner.get("reports?period=1h")).text
    assert 'data-table="refused-table"' in page and "Отказы: 1 из 2 запросов" in page
    link = re.search(r'<td class="right" data-y="1"><a href="/cabinet/([^"]+)"', page)
    assert link is not None
    assert ONE.id in await owner.see(link[1].replace("&amp;", "&"))


async def test_finance_sees_refusals_without_links_to_a_log_that_it_may_not_open(
    open_hall: Hall,
) -> None:
    hear(open_hall, error=3)
    async with open_hall.person("finance") as carol:
        page = (await carol.get("reports?period=1h")).text
    assert 'data-table="refused-table"' in page and "requests?error" not in page
