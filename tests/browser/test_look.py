"""Every page in both languages, light and dark, wide and narrow: accessible, and never too wide."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench.gateway import Gateway
from tests.browser.looks import LANGUAGES, Eye
from tests.browser.person import PASSWORD, Browser, Person
from tests.browser.test_journeys import UNREAD, _packet, _send

from kodgate.web.cabinet import app as cabinet
from kodgate.web.cabinet.console import app as console
from kodgate.web.cabinet.site import Page

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

OPERATOR = "operator"
NEW = "florist"
FILES = (".csv", ".json", "/events")
"""Ends of addresses that are no pages."""


def shown(prefix: str, pages: tuple[Page, ...], given: dict[str, str]) -> list[str]:
    """The addresses of a site's pages; `given`: what stands for the parts in braces."""
    found = [
        f"{prefix}{page.path.format(**given)}"
        for page in pages
        if page.method == "GET" and not page.guest and not page.path.endswith(FILES)
    ]
    assert len(found) > len(given)
    return found


@contextmanager
def eye(browser: Browser, gateway: Gateway, login: str, language: str) -> Iterator[Eye]:
    """Signed in; at the end nothing may have been found. `Код` is the demo account's template."""
    with browser.person(gateway.url, login) as person:
        person.speak(language)
        seen = Eye(person=person, language=language, names=frozenset({"Код"}))
        yield seen
        assert not seen.found, "\n".join(seen.found)


@pytest.fixture(scope="module")
def packet(running: Gateway) -> str:
    """The story with the most to tell; before it one of each other kind."""
    _send(running, "wrongwrongwrongwrong")
    _send(running, running.secret, phone_list="70000000007", to_sms="1")
    _send(running, running.secret, phone_list="79120000001")
    return _packet(_send(running, running.secret, phone_list=UNREAD, to_sms="1"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cabinet(running: Gateway, chromium: Browser, packet: str, language: str) -> None:
    with eye(chromium, running, "demo", language) as alice:
        for address in shown(cabinet.PREFIX, cabinet.PAGES, {"packet_id": packet}):
            alice.open(address)
        alice.open("/cabinet/messages?q=nothing")
        alice.open("/cabinet/requests?error=refused&period=all")
        alice.open("/cabinet/requests?error=13")
        alice.open("/cabinet/money?until=2020-01-01")
        alice.open("/cabinet/reports?period=30d")
        alice.open("/cabinet/nowhere", 404)
        alice.open("/cabinet/test")
        alice.person.page.locator("main form button").first.click()
        alice.person.page.locator(".verdict").wait_for()
        alice.see("a sent test")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_console(running: Gateway, chromium: Browser, packet: str, language: str) -> None:
    given = {"account_id": "1", "name": "{name}"}
    pages = [page for page in console.PAGES if page.path != "profile"]
    with eye(chromium, running, OPERATOR, language) as olga:
        for address in shown(console.PREFIX, tuple(pages), given):
            name = "sandbox" if "routes/" in address else "default"
            olga.open(address.format(name=name))
        olga.open("/console/accounts?q=nobody")
        olga.open("/console/nowhere", 404)
        olga.open("/cabinet/")
        olga.open("/console/accounts/1")
        olga.person.page.locator("form[action$=view-as] button").click()
        olga.person.page.wait_for_url("**/cabinet/")
        olga.see("view as")
        olga.open("/cabinet/security", 403)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_doors(running: Gateway, chromium: Browser, language: str) -> None:
    with eye(chromium, running, "demo", language) as alice:
        alice.person.page.locator("header form button").last.click()
        alice.person.page.wait_for_url("**/sign-in")
        alice.see("sign-in")
        alice.person.page.fill("#login", "demo")
        alice.person.page.fill("#password", "wrong")
        alice.person.page.locator("form.card button").click()
        alice.person.page.locator(".note.bad").wait_for()
        alice.person.complaints.clear()  # of the status 422
        alice.see("sign-in refused")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_inbox(running: Gateway, chromium: Browser, packet: str, language: str) -> None:
    with eye(chromium, running, "demo", language) as alice:
        alice.open(f"/inbox?lang={language}")
        alice.open(f"/inbox?lang={language}&phone={UNREAD}")
        alice.open(f"/inbox?lang={language}&phone=79990000000")


@pytest.fixture(scope="module")
def new(running: Gateway) -> str:
    """The owner of an account that was opened this minute."""
    for command in (
        ["account", "create", NEW, "--name", "Florist"],
        ["user", "create", NEW, "--account", NEW, "--password-stdin"],
    ):
        whole = [sys.executable, "-m", "kodgate", *command, "--data", str(running.data)]
        subprocess.run(whole, check=True, capture_output=True, input=PASSWORD.encode(), timeout=60)
    return NEW


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_an_account_sees_on_its_first_day(
    running: Gateway, chromium: Browser, new: str, language: str
) -> None:
    with eye(chromium, running, new, language) as bob:
        for address in shown(cabinet.PREFIX, cabinet.PAGES, {"packet_id": "1"}):
            if address != "/cabinet/messages/1":
                bob.open(address, name=f"first day {address}")


@pytest.fixture(scope="module", autouse=True)
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Its senders died with codes on their way; operators need each other for any sum. Started
    before all tests, for a message is stuck only a real minute after its end."""
    environ = {"KODGATE_DEMO_PASSWORD": PASSWORD, "KODGATE_CONSOLE__ALONE_MAX": "0"}
    data = tmp_path_factory.mktemp("troubled") / "data"
    gateway = Gateway(data, time_scale=100, environ=environ)
    gateway.start()
    try:
        for number in range(3):
            _send(gateway, gateway.secret, phone_list=UNREAD, message_id=str(number))
        gateway.kill()
        gateway.start(KODGATE_ROLES="http,web")
        yield gateway
    finally:
        gateway.kill()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bad_day_at_the_console(troubled: Gateway, chromium: Browser, language: str) -> None:
    with eye(chromium, troubled, OPERATOR, language) as olga:
        page = olga.person.page
        page.goto(f"{troubled.url}/console/accounts/1")
        page.fill("#topup-amount", "1500")
        page.fill("#topup-document", f"PP {language}")
        page.locator("form[action$=topup] button").click()
        page.locator(".note").wait_for()
        _until_stuck(olga.person, f"{troubled.url}/console/queue")
        page.locator(".letter summary").first.click()
        olga.see("a dead letter")
        for address in ("", "channels", "accounts", "accounts/1"):
            olga.open(f"/console/{address}", name=f"bad day {address}")


def _until_stuck(person: Person, address: str) -> None:
    for _ in range(90):
        person.page.goto(address)
        if person.page.locator(".letter").count():
            return
        time.sleep(1)
    raise AssertionError("nothing is stuck")


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


FADES = (
    """one => ['--before', '--after'].map(name => getComputedStyle(one).getPropertyValue(name))"""
)
FADED = "([one, edges]) => String((" + FADES + ")(one)) === edges"


def test_a_wide_table_fades_at_the_edge_that_has_more(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        _packet(_send(running, running.secret, phone_list=UNREAD, to_sms="1"))
        alice.go("messages")
        table = alice.page.locator(".scroll").first.element_handle()
        for width, place, edges in (
            (1280, 0, "0px,0px"),
            (320, 0, "0px,48px"),
            (320, 200, "48px,48px"),
            (320, 9999, "48px,0px"),
        ):
            alice.page.set_viewport_size({"width": width, "height": 800})
            table.evaluate("(one, place) => one.scrollLeft = place", place)
            alice.page.wait_for_function(FADED, arg=[table, edges])


def test_on_a_phone_the_menu_shows_where_you_are(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        alice.look(theme="light", language="ru", width=390)
        alice.go("actions")
        here = alice.page.locator(".menu a[aria-current]").bounding_box()
        assert here["x"] >= 0
        assert here["x"] + here["width"] <= 390
