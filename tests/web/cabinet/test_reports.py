"""Отчёты: every chart is a table first, and the file says the same."""

from __future__ import annotations

import csv
import io
import re

import pytest
from tests.engine.house import until
from tests.web.cabinet.kit import Hall, words

from kodgate.channels import Delivery, Journal
from kodgate.core.types import Event, Observation
from kodgate.web.cabinet import figures

TABLES = ("pace-table", "slot-times", "cost-table", "saved-table")
PHONES = ("79120000001", "79120000002", "79120000003")


async def read_codes(hall: Hall) -> None:
    """Three codes that Telegram brings and people read."""
    house = hall.house

    async def reads(delivery: Delivery, journal: Journal) -> Observation:
        said = (Event.ACCEPTED, Event.READ)
        return house.telegram.said(delivery, *said, provider_id=str(delivery.message_id))

    house.telegram.answer = reads
    for phone in PHONES:
        sent = await house.send(phone)

        async def is_read(sent=sent) -> bool:
            return (await house.messages(sent))[0].state.value == "confirmed"

        await until(is_read)


def cells(page: str, table: str) -> list[list[str]]:
    """The body of one table, as text."""
    body = re.search(rf'<table id="{table}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert body is not None, table
    return [
        [words(cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


async def test_an_account_without_codes_is_told_so(open_hall: Hall):
    async with open_hall.person() as alice:
        text = await alice.see("reports")
    assert "За этот период кодов не было" in text
    assert "Отправлено кодов 0" in text


async def test_every_chart_stands_as_a_table_without_javascript(open_hall: Hall):
    await read_codes(open_hall)
    async with open_hall.person() as alice:
        page = (await alice.get("reports")).text
    assert set(re.findall(r'data-table="([^"]+)"', page)) == set(TABLES)
    assert all(cells(page, table) for table in TABLES)


async def test_the_pace_counts_what_was_accepted_in_each_minute(open_hall: Hall):
    await read_codes(open_hall)
    async with open_hall.person() as alice:
        page = (await alice.get("reports?period=1h")).text
    assert sum(int(row[1]) for row in cells(page, "pace-table")) == 3
    assert sum(int(row[2]) for row in cells(page, "pace-table")) == 0


async def test_savings_are_the_sms_price_less_what_was_paid(open_hall: Hall):
    await read_codes(open_hall)
    async with open_hall.person() as alice:
        text = await alice.see("reports")
    assert "Экономия: 6,30 ₽" in text.replace("\xa0", " ")
    assert "периодом раньше: 0,00 ₽" in text.replace("\xa0", " ")


async def test_the_file_reads_back_as_the_page_says(open_hall: Hall):
    await read_codes(open_hall)
    async with open_hall.person() as alice:
        answer = await alice.get("reports/report.csv?period=24h")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.text.startswith("\ufeff")
    found = list(csv.reader(io.StringIO(answer.text[1:]), delimiter=";"))
    assert found[0][:3] == ["Начало", "Зона", "Канал"]
    assert [row[1:] for row in found[1:]] == [["1", "Telegram", "3", "3", "6,30", "0,00", "6,30"]]
    assert len(await open_hall.audits("export")) == 1


async def test_support_sees_no_reports(open_hall: Hall):
    async with open_hall.person("support") as bob:
        assert (await bob.get("reports")).status_code == 403
        assert (await bob.get("reports/report.csv")).status_code == 403


@pytest.mark.parametrize("period", ["1h", "24h", "7d", "30d", "", "²", "99999999999999999999"])
async def test_any_period_is_answered(open_hall: Hall, period: str):
    async with open_hall.person() as alice:
        assert (await alice.browser.get("/cabinet/reports", params={"period": period})).is_success


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_counted_values_have_the_percentiles_of_the_values_themselves(share: float):
    values = [3] * 7 + [1] * 2 + [100]
    assert figures.percentile_of({1: 2, 3: 7, 100: 1}, share) == figures.percentile(values, share)


def test_nothing_has_no_percentile():
    assert figures.percentile_of({}, 0.5) is None
