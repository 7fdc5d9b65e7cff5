"""Tariffs at the console: looked at, compared before they are saved, in force from their date."""

from __future__ import annotations

import re

import pytest
from tests.web.console.kit import Office, Person, words

from kodgate.core import tariff_csv
from kodgate.core.tariffs import current

CSV = "prefix;zone;channel;price;cost\n7;1;telegram;2,50;0,01\n7;1;sms;4,20\n*;2;sms;9\n"


async def preview(olga: Person, **form: str) -> str:
    answer = await olga.post("tariffs/preview", **{"name": "default", "since": "", **form})
    return words(answer.text).replace("\xa0", " ")


async def test_versions_are_listed_with_their_standing(open_office: Office, olga: Person):
    now = open_office.house.clock.now()
    later = tariff_csv.parse(CSV, name="default", valid_from=now + 1_000_000)
    await open_office.house.store.save_tariff(later, at=now)
    text = await olga.see("tariffs")
    assert "i ещё не начал" in text
    assert "✓ действует" in text


async def test_a_preview_shows_what_changes_and_saves_nothing(open_office: Office, olga: Person):
    text = await preview(olga, text=CSV)
    assert "цена, зона 1, Telegram 2,10 ₽ 2,50 ₽ себестоимость 0,01" in text
    assert "цена, зона 1, SMS" not in text
    assert "префикс * нет зона 2" in text
    assert len(await open_office.house.store.tariffs()) == 1


async def test_what_was_previewed_is_saved_and_priced_at_once(open_office: Office, olga: Person):
    form = {"name": "default", "since": "", "text": CSV}
    assert "Тариф сохранён" in await olga.do("tariffs/save", **form)
    sent = await open_office.house.send()
    assert sent.messages[0].cost == 25_000
    assert (await open_office.audits("tariff_saved"))[0].detail.endswith("3 changes")


async def test_a_tariff_may_begin_later(open_office: Office, olga: Person):
    form = {"name": "default", "since": "2090-01-02T03:04", "text": CSV}
    await olga.do("tariffs/save", **form)
    sent = await open_office.house.send()
    assert sent.messages[0].cost == 21_000
    versions = await open_office.house.store.tariffs()
    later = current(versions, "default", 2**52)
    assert later is not None
    assert later.valid_from == 3_787_009_440_000


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"text": "7;1;telegram"}, "строка 1: нужны столбцы"),
        ({"text": "7;1;telegram;x"}, "строка 1: это не сумма денег"),
        ({"text": "7;1;telegram;0"}, "должна быть больше нуля"),
        ({"text": ""}, "нет ни одной строки"),
        ({"text": CSV, "name": "Имя"}, "имя тарифа – от 1 до 32"),
        ({"text": CSV, "since": "tomorrow"}, "дата пишется как ГГГГ-ММ-ДД"),
        ({"text": CSV, "since": "2026-02-30"}, "такой даты нет"),
        ({"text": "7;1;telegram;" + "9" * 140_000}, "строка 1: ячейка длиннее"),
    ],
)
async def test_a_file_that_is_wrong_is_shown_again_with_the_line(
    open_office: Office, olga: Person, form: dict[str, str], said: str
):
    text = await preview(olga, **form)
    assert said in text
    assert "ничего не изменено" in text
    assert len(await open_office.house.store.tariffs()) == 1


async def test_the_same_file_again_changes_nothing(open_office: Office, olga: Person):
    page = await olga.see("tariffs/default")
    assert "зона" not in page or "Зоны и цены" in page
    text = (await olga.get("tariffs/default")).text
    given = re.findall(r'aria-label="CSV">(.*?)</pre>', text, re.DOTALL)[0]
    assert "Ничего: это та же версия." in await preview(olga, text=given)


async def test_a_tariff_tells_the_zone_of_a_number(open_office: Office, olga: Person):
    text = (await olga.see("tariffs/default?phone=%2B7 912 345-67-89")).replace("\xa0", " ")
    assert "зона 1" in text
    assert "SMS: 4,20 ₽" in text
    assert "номер ни в одной зоне" in await olga.see("tariffs/default?phone=4912345678")
    assert "это не номер телефона" in await olga.see("tariffs/default?phone=x")


async def test_an_unknown_tariff_is_not_found(open_office: Office, olga: Person):
    assert (await olga.get("tariffs/other")).status_code == 404
    assert (await olga.get("tariffs/default?since=5")).status_code == 404
