"""Charts in a browser: drawn from their tables, in both languages, on a clock of 24 hours."""

from __future__ import annotations

import pytest
from bench.gateway import Gateway
from tests.browser.person import Browser
from tests.browser.test_journeys import UNREAD, _packet, _send

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

SERIES = "plot => [...plot.querySelectorAll('.u-series .u-label')].map(one => one.textContent)"
HEADS = "id => [...document.querySelectorAll(`#${id} th[data-colour]`)].map(one => one.textContent)"


@pytest.fixture(scope="module", autouse=True)
def codes(running: Gateway) -> None:
    """One that is read and one that falls back."""
    _packet(_send(running, running.secret, phone_list="70000000001", to_sms="1"))
    _packet(_send(running, running.secret, phone_list=UNREAD, to_sms="1"))


@pytest.mark.parametrize(("language", "locale"), [("ru", "ru-RU"), ("en", "en-US")])
def test_every_plot_draws_the_series_of_its_table(
    running: Gateway, chromium: Browser, language: str, locale: str
) -> None:
    with chromium.person(running.url, locale=locale) as alice:
        alice.look(theme="light", language=language, width=1280)
        alice.go("reports?period=1h")
        plots = alice.page.locator(".plot")
        assert plots.count() >= 3
        for plot in plots.all():
            assert plot.locator("canvas").count() == 1
            assert plot.locator("canvas").evaluate("canvas => canvas.width") > 300
            drawn = plot.evaluate(SERIES)
            named = alice.page.evaluate(HEADS, plot.get_attribute("data-table"))
            assert sorted(drawn[1:]) == sorted(named)


def test_a_click_on_a_refusal_opens_its_requests(running: Gateway, chromium: Browser) -> None:
    _send(running, running.secret, phone_list="no phone")
    with chromium.person(running.url) as alice:
        alice.go("reports?period=1h")
        drawn = alice.page.locator(".plot[data-table=refused-table] .u-over")
        drawn.scroll_into_view_if_needed()
        box = drawn.bounding_box()
        assert box is not None
        for place in range(int(box["width"]), 0, -4):
            alice.page.mouse.move(box["x"] + place, box["y"] + 0.95 * box["height"])
            if drawn.evaluate("over => over.style.cursor") == "pointer":
                alice.page.mouse.down()
                alice.page.mouse.up()
                break
        alice.page.wait_for_url("**/requests?error=*")
        assert alice.page.locator("tbody tr").count() >= 1


def test_a_chart_s_table_opens_and_has_its_numbers(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        alice.go("reports?period=1h")
        table = alice.page.locator("#pace-table")
        assert not table.is_visible()
        alice.page.locator("section.chart summary").first.click()
        assert table.is_visible()
        counted = table.locator("tbody td:nth-child(2)").all_inner_texts()
        assert sum(int(text) for text in counted) >= 2


def test_a_chart_follows_the_window_s_width(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        alice.go("reports?period=1h")
        alice.page.set_viewport_size({"width": 390, "height": 800})
        alice.page.wait_for_function("document.querySelector('.plot .uplot').clientWidth < 390")
        assert alice.overflow() <= 0


def test_a_program_of_the_documentation_is_copied(running: Gateway, chromium: Browser) -> None:
    with chromium.person(running.url) as alice:
        alice.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        alice.go("documentation")
        shown = alice.page.locator("section pre").first.text_content()
        alice.page.get_by_role("button", name="Скопировать").first.click()
        alice.page.get_by_role("button", name="Скопировано").wait_for()
        assert alice.page.evaluate("navigator.clipboard.readText()") == shown
