"""In a language of brackets no page of the menus, nor one behind them, has a Russian word left."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.web.console.kit import Office, office

from kodgate.core.requests import Mode
from kodgate.web.cabinet import texts

LANGUAGE = "en"
_RUSSIAN = re.compile(r"[А-Яа-яЁё]+")
_OWN_NAME = re.compile(r'<button[^>]* lang="ru"[^>]*>.*?</button>', re.DOTALL)
"""A language is called by its own name."""
_FORMAT = re.compile(r"%\(\w+\)[sd]|%%")
_MENU = re.compile(r'<ul class="menu">(.*?)</ul>', re.DOTALL)
_LINK = re.compile(r'href="([^"]+)"')
_CODE = re.compile(r"<pre.*?</pre>", re.DOTALL)
"""A program to be pasted: 1C is written in Russian."""


class Pseudo:
    """Every text becomes its placeholders in brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{' '.join(_FORMAT.findall(message)) or 'text'}⟧"

    def ngettext(self, one: str, many: str, num: int) -> str:
        return self.gettext(many)

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)

    def npgettext(self, context: str, one: str, many: str, num: int) -> str:
        return self.gettext(many)


@pytest.fixture
async def pseudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(texts, "catalogue", lambda language: Pseudo())
    async with office(tmp_path) as found:
        yield found


async def russian(browser: httpx2.AsyncClient, path: str) -> list[str]:
    """The Russian words of one page, attributes included."""
    answer = await browser.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    text = _CODE.sub("", _OWN_NAME.sub("", answer.text))
    return [f"{path}: {word}" for word in _RUSSIAN.findall(text)]


async def menu(browser: httpx2.AsyncClient, prefix: str) -> list[str]:
    found = _MENU.search((await browser.get(prefix)).text)
    assert found is not None
    return _LINK.findall(found[1])


@pytest.mark.parametrize(("login", "prefix"), [("oscar", "/cabinet/"), ("olga", "/console/")])
async def test_no_text_of_a_menu_s_page_is_left_untranslated(
    pseudo: Office, login: str, prefix: str
):
    await pseudo.house.send()
    async with pseudo.person(login) as person:
        person.browser.cookies.set("kodgate_language", LANGUAGE)
        paths = await menu(person.browser, prefix)
        assert len(paths) >= 8
        found = [word for path in paths for word in await russian(person.browser, path)]
    assert found == []


async def test_no_text_behind_the_menus_is_left_untranslated(pseudo: Office):
    sent = await pseudo.house.send(mode=Mode.TELE_TO_SMS)
    paths = [
        "profile",
        "money/statement",
        "messages?q=nothing",
        f"messages/{sent.packet_id}",
        *(f"reports?period={period}" for period in ("1h", "7d", "30d")),
    ]
    async with pseudo.person("oscar") as oscar:
        oscar.browser.cookies.set("kodgate_language", LANGUAGE)
        found = [w for path in paths for w in await russian(oscar.browser, f"/cabinet/{path}")]
        refused = await oscar.browser.get("/cabinet/nowhere")
        oscar.browser.cookies.delete("kodgate_session")
        found += await russian(oscar.browser, "/cabinet/sign-in")
    assert found == []
    assert not _RUSSIAN.findall(_OWN_NAME.sub("", refused.text))


async def test_the_brackets_are_seen_where_a_text_is(pseudo: Office):
    async with pseudo.person("oscar") as oscar:
        assert "⟦text⟧" in (await oscar.browser.get("/cabinet/")).text
