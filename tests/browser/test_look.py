"""Every page in both languages, light and dark, wide and narrow: accessible, and never too wide."""

from __future__ import annotations

import re

import pytest
from bench.gateway import Gateway
from tests.browser.person import Browser
from tests.browser.test_journeys import UNREAD, _packet, _send

from kodgate.web.cabinet.app import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

LOOKS = [
    ("light", "ru", 1280),
    ("dark", "en", 1280),
    ("dark", "ru", 390),
    ("light", "en", 390),
    ("light", "ru", 320),
    ("dark", "en", 320),
]
SHOWN = [
    page.path
    for page in PAGES
    if page.method == "GET" and "{" not in page.path and "." not in page.path and not page.guest
]


@pytest.fixture(scope="module")
def packet(running: Gateway) -> str:
    """The story with the most to tell, not over yet."""
    _send(running, "wrongwrongwrongwrong")
    return _packet(_send(running, running.secret, phone_list=UNREAD, to_sms="1"))


@pytest.mark.parametrize(("theme", "language", "width"), LOOKS)
def test_pages_are_accessible_and_fit(
    running: Gateway, chromium: Browser, packet: str, theme: str, language: str, width: int
) -> None:
    found = []
    with chromium.person(running.url) as alice:
        alice.look(theme=theme, language=language, width=width)
        for path in (*SHOWN, f"messages/{packet}", "messages?q=nothing", "nowhere"):
            alice.go(path)
            if alice.overflow() > 0:
                found.append(f"{path}: {alice.overflow()} px too wide")
            found += [f"{path}: {each}" for each in alice.axe()]
            if language == "en":
                title = alice.page.title()
                assert not re.search(r"[А-Яа-я]", title), title
        alice.complaints = [text for text in alice.complaints if "404" not in text]
    assert not found


@pytest.mark.parametrize("path", ["sign-in"])
@pytest.mark.parametrize(("theme", "language", "width"), LOOKS)
def test_the_door_is_accessible(
    running: Gateway, chromium: Browser, path: str, theme: str, language: str, width: int
) -> None:
    with chromium.person(running.url) as alice:
        alice.look(theme=theme, language=language, width=width)
        alice.page.locator("header form button").last.click()
        alice.page.wait_for_url("**/sign-in")
        assert alice.axe() == [] and alice.overflow() <= 0


def test_the_main_road_needs_no_mouse(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        alice.page.keyboard.press("Tab")
        assert alice.page.evaluate("document.activeElement.className") == "skip"
        alice.page.keyboard.press("Enter")
        alice.go("messages")
        alice.page.focus("#q")
        alice.page.keyboard.type("70000000002")
        alice.page.keyboard.press("Enter")
        alice.page.wait_for_load_state()
        assert "7000***0002" in alice.text()
