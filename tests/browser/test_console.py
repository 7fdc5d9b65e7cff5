"""The operator at the console, in a browser against the real gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.browser.person import PASSWORD, Browser, Person
from tests.browser.test_journeys import UNREAD, _send

from kodgate.web.cabinet.console.app import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

SHOWN = [
    page.path
    for page in PAGES
    if page.method == "GET" and "{" not in page.path and not page.guest and page.path != "profile"
]
OPERATOR = "operator"
CSV = "prefix;zone;channel;price;cost\n7;1;telegram;2,50\n7;1;sms;4,20\n"


class Operator(Person):
    """A person whose addresses are the console's."""

    def go(self, path: str = "") -> None:
        self.page.goto(f"{self.base}/console/{path}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()


@pytest.fixture
def open_console(running: Gateway, chromium: Browser):
    """Whoever enters is signed in at the console; nothing may have been complained of."""
    with chromium.person(running.url, OPERATOR) as person:
        operator = Operator(person.page, running.url)
        yield operator
        assert operator.complaints == []


@pytest.fixture(scope="module", autouse=True)
def some_codes(running: Gateway) -> None:
    """One that falls back and one that is refused."""
    _send(running, running.secret, phone_list=UNREAD, to_sms="1")
    _send(running, "wrongwrongwrongwrong")


def test_an_account_is_opened_paid_and_sends(running: Gateway, open_console: Operator):
    olga, page = open_console, open_console.page
    olga.go("accounts")
    page.fill("#login", "bakery")
    page.fill("#name", "Bakery")
    olga.press("Открыть счёт")
    assert "Счёт открыт" in olga.text()
    page.fill("#topup-amount", "1 500,50")
    page.fill("#topup-document", "PP 17")
    olga.press("Пополнить")
    assert "+1 500,50 ₽" in olga.text().replace("\xa0", " ")
    olga.press("Создать новый http_password")
    secret = page.locator("#secret").inner_text()
    answer = _send(running, secret, http_username="bakery", phone_list="79120000077")
    assert "balance_before = 1500.5" in answer.replace(",", "."), answer


def test_a_tariff_is_compared_before_it_is_saved(open_console: Operator):
    olga, page = open_console, open_console.page
    olga.go("tariffs")
    page.fill("#name", "spring")
    page.fill("#text", CSV)
    olga.press("Посмотреть, что изменится")
    assert "цена, зона 1, Telegram закрыто 2,50 ₽" in olga.text("#changes").replace("\xa0", " ")
    olga.press("Сохранить тариф")
    assert "Тариф сохранён" in olga.text()
    assert "spring" in olga.text("table")


def test_a_route_is_added_tried_and_serves_a_zone(running: Gateway, open_console: Operator):
    olga, page = open_console, open_console.page
    olga.go("routes")
    page.get_by_role("link", name="Добавить маршрут").click()
    page.fill("#name", "north")
    page.fill("#host", "127.0.0.1")
    page.fill("#port", str(running.smsc))
    page.fill("#system_id", "sandbox")
    page.fill("#password", "wrong")
    page.uncheck("#enabled")
    olga.press("Сохранить маршрут")
    assert "Маршрут сохранён" in olga.text()
    olga.press("Проверить связь")
    assert "Неверный пароль" in olga.text("#tried")
    page.fill("#password", "sandbox")
    olga.press("Сохранить маршрут")
    olga.press("Проверить связь")
    assert "SMSC принял вход" in olga.text("#tried")
    assert page.input_value("#password") == ""
    olga.go("routes")
    page.select_option("#place1", "north")
    page.select_option("#place2", "sandbox")
    olga.press("Назначить")
    assert "north → sandbox" in olga.text("#zones")
    olga.go("routes/north")
    page.fill("#sure", "north")
    olga.press("Удалить маршрут")
    assert "north" not in olga.text("#routes")


def test_the_first_page_renews_itself_without_a_reload(open_console: Operator):
    olga, page = open_console, open_console.page
    page.clock.install()
    olga.go("")
    page.evaluate("document.querySelector('#now').dataset.old = window.kept = 'yes'")
    page.clock.fast_forward(16_000)
    page.locator("#now:not([data-old])").wait_for()
    assert page.evaluate("window.kept") == "yes"
    assert page.locator("#now").count() == 1


def test_the_console_works_without_scripts(running: Gateway, chromium: Browser):
    with chromium.person(running.url, OPERATOR, java_script_enabled=False) as person:
        olga = Operator(person.page, running.url)
        olga.go("ledger")
        olga.press("Проверить сейчас")
        assert "Книга сходится" in olga.text()
        olga.go("channels")
        olga.page.locator("details summary", has_text="Вывести из работы").first.click()
        olga.press("Вывести SMS из работы")
        assert "выведен из работы" in olga.text()
        olga.press("Вернуть SMS в работу")
        assert "Канал возвращается в работу." in olga.text()


def test_view_as_is_read_only_and_on_record(open_console: Operator):
    olga, page = open_console, open_console.page
    olga.go("accounts/1")
    olga.press("Смотреть глазами клиента")
    assert page.url.endswith("/cabinet/")
    assert "Просмотр: demo" in olga.text("header")
    assert page.get_by_role("link", name="Безопасность").count() == 0
    olga.go("audit")
    assert "просмотр от имени клиента" in olga.text()


def test_screenshots_can_be_taken_of_every_page(open_console: Operator, tmp_path: Path):
    for path in SHOWN:
        open_console.go(path)
        name = tmp_path / f"{path or 'now'}.png"
        open_console.page.screenshot(path=str(name), full_page=True)
        assert name.stat().st_size > 10_000
    assert PASSWORD not in open_console.text()
