"""The journeys of the people of an account, in a browser against the real gateway."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.browser.person import Browser, Person

from kodgate.web.cabinet.snippets import Posting, all_of

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

RUN: dict[str, object] = {"capture_output": True, "text": True, "timeout": 60}
UNREAD = "70000000002"
"""Never reads in Telegram; the SMS is delivered."""

STORY = (
    "Запрос принят",
    "Списание: Telegram",
    "Telegram: передано",
    "Telegram: доставлено на телефон",
    "Telegram: время вышло",
    "Возврат: Telegram",
    "Переотправка: SMS, новое сообщение",
    "Списание: SMS",
    "SMS: передано",
    "SMS: доставлено",
)


def _send(running: Gateway, secret: str, **more: str) -> str:
    """The body of an answer of the wire."""
    import urllib.parse
    import urllib.request

    form = {
        "http_username": "demo",
        "http_password": secret,
        "mode": "TELE",
        "phone_list": "79120000001",
        **more,
    }
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{running.url}/http_in5.asp", body, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def _packet(answer: str) -> str:
    found = re.search(r"packet_id = ([0-9]+)", answer)
    assert found is not None, answer
    return found[1]


def _saved(person: Person) -> None:
    person.page.wait_for_selector(".note.good")


def test_a_code_that_is_not_read_is_followed_live_to_its_sms(
    running: Gateway, chromium: Browser
) -> None:
    with chromium.person(running.url) as alice:
        alice.go("test")
        alice.page.fill("#phone_list", UNREAD)
        alice.page.fill("#valid_period", "60")
        alice.page.locator("main form button").click()
        alice.page.wait_for_selector(".verdict.good")
        steps = alice.page.locator(".line .what").all_inner_texts()
        assert tuple(steps) == STORY
        cash = [
            text.replace("\xa0", " ")
            for text in alice.page.locator(".cash strong").all_inner_texts()
        ]
        assert cash == ["−2,10 ₽", "+2,10 ₽", "−4,20 ₽"]
        balances = alice.page.locator(".cash .muted").all_inner_texts()
        alice.go("money")
        newest = alice.page.locator("tbody tr").first.inner_text()
        assert balances[-1].removeprefix("баланс ") in newest


def test_the_old_password_works_while_the_new_one_is_rolled_out(
    running: Gateway, chromium: Browser
) -> None:
    with chromium.person(running.url) as alice:
        alice.go("security")
        alice.page.get_by_role("button", name="Создать новый http_password").click()
        fresh = alice.page.locator("#secret").inner_text()
        assert "error_num = OK" in _send(running, fresh, test="1")
        assert "error_num = OK" in _send(running, running.secret, test="1")


def test_the_uniqueness_switch_shows_error_19_on_the_wire_at_once(
    running: Gateway, chromium: Browser
) -> None:
    def switch(person: Person, on: bool) -> None:
        person.go("security")
        person.page.set_checked("#unique_message_ids", on)
        person.page.locator("#unique button").click()
        _saved(person)

    with chromium.person(running.url) as alice:
        switch(alice, True)
        first = _send(running, running.secret, message_id="1700001")
        again = _send(running, running.secret, message_id="1700001")
        assert "error_code = 19" in again and _packet(first) in again
        switch(alice, False)
        assert "error_num = OK" in _send(running, running.secret, message_id="1700001")
        alice.go("requests?error=19")
        assert "ошибка 19" in alice.text()


def test_a_packet_is_found_by_phone(running: Gateway, chromium: Browser) -> None:
    packet = _packet(_send(running, running.secret, phone_list="79135550199"))
    with chromium.person(running.url) as alice:
        alice.go("messages")
        alice.page.fill("#q", "+7 (913) 555-01-99")
        alice.page.keyboard.press("Enter")
        alice.page.wait_for_url(f"**/messages/{packet}")
        assert "7913***0199" in alice.text("#phone")


def test_the_export_reads_back_and_a_top_up_stands_in_it(
    running: Gateway, chromium: Browser, downloads: Path
) -> None:
    _top_up(running, "250.50", "PAY-77")
    with chromium.person(running.url) as alice:
        alice.go("money")
        assert "PAY-77" in alice.text()
        with alice.page.expect_download() as expected:
            alice.page.get_by_role("link", name="CSV").click()
        kept = downloads / "operations.csv"
        expected.value.save_as(kept)
    rows = list(csv.reader(io.StringIO(kept.read_text("utf-8-sig")), delimiter=";"))
    found = next(row for row in rows if "PAY-77" in row)
    assert found[1:3] == ["пополнение", "250,50"]


def _top_up(running: Gateway, amount: str, document: str) -> None:
    command = [sys.executable, "-m", "kodgate", "account", "top-up", "demo", amount]
    options = ["--document", document, "--data", str(running.data)]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=60)


def test_support_sees_masks_only(running: Gateway, chromium: Browser) -> None:
    phone = "79135550142"
    packet = _packet(_send(running, running.secret, phone_list=phone, code="918273"))
    password = _new_user(running, chromium, "eve", "support")
    with chromium.person(running.url) as alice:
        alice.go(f"messages/{packet}")
        alice.page.get_by_role("button", name="Показать номер и код").click()
        assert alice.text("#phone") == phone and alice.text("#code") == "918273"
        alice.page.get_by_role("button", name="Выйти").click()
        alice.sign_in("eve", password)
        alice.go(f"messages/{packet}")
        page = alice.page.content()
        assert phone not in page and "918273" not in page
        assert alice.page.get_by_role("button", name="Показать номер и код").count() == 0


def _new_user(running: Gateway, chromium: Browser, login: str, role: str) -> str:
    with chromium.person(running.url) as alice:
        alice.go("users")
        alice.page.fill("#login", login)
        alice.page.check(f"#role-{role}")
        alice.page.get_by_role("button", name="Добавить").click()
        found: str = alice.page.locator(".secret").inner_text()
        return found


def test_a_story_that_went_on_while_the_browser_was_away_is_whole_again(
    running: Gateway, chromium: Browser
) -> None:
    with chromium.person(running.url) as alice:
        packet = _packet(_send(running, running.secret, phone_list=UNREAD, to_sms="1"))
        alice.go(f"messages/{packet}")
        alice.page.get_by_text("Telegram: доставлено на телефон").wait_for()
        alice.page.context.set_offline(True)
        time.sleep(1.0)
        alice.page.context.set_offline(False)
        alice.page.wait_for_selector(".verdict.good", timeout=60_000)
        assert tuple(alice.page.locator(".line .what").all_inner_texts()) == STORY
        alice.complaints.clear()  # the browser does say that it was offline


def test_forms_work_without_javascript(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url, java_script_enabled=False) as alice:
        alice.go("security")
        alice.page.fill("#packets_per_phone_day", "100")
        alice.page.locator("#limits button").click()
        assert "Сохранено" in alice.text()
        packet = _packet(_send(running, running.secret))
        alice.go(f"messages/{packet}")
        assert "Списание: Telegram" in alice.text()


def test_the_snippets_of_the_documentation_work(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as person:
        person.go("documentation")
        shown = person.page.locator("section").first.locator("pre").all_text_contents()
    for text, command in zip(shown, _commands(), strict=False):
        for dots in ("http_password=...", "'...'"):
            text = text.replace(dots, dots.replace("...", running.secret))
        assert "error_num = OK" in _ran(command, text)


@pytest.mark.parametrize("path", ["/json_in5.asp", "/send"])
def test_snippets_in_json_work(running: Gateway, path: str) -> None:
    names = {"/send": ("login", "pass", "tel_list")}.get(
        path, ("http_username", "http_password", "phone_list")
    )
    given = dict(zip(names, ("demo", running.secret, "79120000002"), strict=True))
    posting = Posting(
        base=running.url, path=path, parameters={**given, "mode": "TELE"}, as_json=True
    )
    for text, command in zip(all_of(posting).values(), _commands(), strict=False):
        assert '"error":"OK"' in _ran(command, text)


def _commands() -> list[list[str]]:
    """What runs curl, Python and PHP snippets; the file is named last. No 1C is here."""
    php = shutil.which("php")
    return [["bash"], [sys.executable], *([[php]] if php else [])]


def _ran(command: list[str], text: str) -> str:
    done = subprocess.run([*command, "/dev/stdin"], input=text, **RUN)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
