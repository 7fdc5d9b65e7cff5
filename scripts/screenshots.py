"""Takes the pictures of docs/screenshots: `.venv/bin/python -m scripts.screenshots`, a minute.

A gateway with its sandbox and a month of codes, seen in Chromium; Playwright drives it.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from pathlib import Path

from bench.filling import DAYS, fill
from bench.gateway import Gateway
from playwright.sync_api import Page, sync_playwright

from kodgate.core import cascade, tariffs
from kodgate.store import open_store, rows
from kodgate.store.keyring import Keyring

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
PASSWORD = "correct horse battery"  # noqa: S105 - of a sandbox that lives a minute
PACKETS = 20_000
WIDTH, HEIGHT, PHONE = 1280, 900, 390
UNREAD = "79123456789"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

CABINET = (
    ("overview", "/cabinet/"),
    ("messages", "/cabinet/messages"),
    ("packet", "/cabinet/messages/{packet}"),
    ("test", "/cabinet/test"),
    ("balance", "/cabinet/money"),
    ("reports", "/cabinet/reports?period=7d"),
    ("security", "/cabinet/security"),
    ("inbox", "/inbox?lang=ru"),
)
CONSOLE = (("console", "/console/"), ("channels", "/console/channels"))
"""Names and addresses; what is below the window's edge is cut off."""


def rhythm(day: float) -> float:
    """Busy and calm hours, busy and calm days; the month ends now."""
    left = DAYS - day
    return day + 0.1 * math.sin(2 * math.pi * left) + 0.25 * math.sin(2 * math.pi * left / 7)


async def month(gateway: Gateway) -> None:
    """Of the demo account, whose gateway has made its keys and rests."""
    store = open_store(gateway.database)
    await store.open()
    try:
        account = await store.account("demo")
        (tariff,) = await store.tariffs()
        plan = tariffs.plan(tariff, 1, cascade.tele_to_sms(300))
        assert account is not None and plan is not None
    finally:
        await store.close()
    master = bytes.fromhex((gateway.data / "master.key").read_text("ascii").strip())
    await asyncio.to_thread(
        fill,
        gateway.database,
        Keyring(gateway.data / "keys", master),
        account_id=account.id,
        plan=rows.plan_text(plan),
        packets=PACKETS,
        rhythm=rhythm,
    )


def today(gateway: Gateway) -> int:
    """A few live codes; returns the packet of one that went on by SMS."""
    gateway.will(UNREAD, "unread")
    with gateway.client() as client:
        for number in range(6):
            client.send(f"7912345670{number}", to_sms=True)
        sent = client.send(UNREAD, to_sms=True, valid_period=30)
        client.wait(sent.packet_id, timeout=90)
    return sent.packet_id


def sign_in(page: Page, gateway: Gateway, login: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{gateway.url}/cabinet/sign-in")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.locator("form.card button").click()
    page.wait_for_url(lambda url: not url.endswith("sign-in"))


def take(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.wait_for_timeout(500)  # charts, and the inbox's stream
    page.screenshot(path=str(FOLDER / f"{name}.png"))
    print(f"{name}.png", (FOLDER / f"{name}.png").stat().st_size // 1024, "KiB")


def pictures(page: Page, gateway: Gateway, packet: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    sign_in(page, gateway, "demo")
    for name, path in CABINET:
        take(page, gateway.url + path.format(packet=packet), name)
    page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    take(page, f"{gateway.url}/cabinet/messages/{packet}", "packet-phone")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    cookies = {"kodgate_theme": "dark", "kodgate_language": "en"}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": gateway.url} for name, value in cookies.items()]
    )
    take(page, f"{gateway.url}/cabinet/", "overview-dark")
    sign_in(page, gateway, "operator")
    for name, path in CONSOLE:
        take(page, gateway.url + path, name)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kodgate-screenshots-") as folder:
        environ = {"KODGATE_DEMO_PASSWORD": PASSWORD}
        gateway = Gateway(Path(folder) / "data", balance="0", environ=environ)
        gateway.start()
        gateway.stop()
        asyncio.run(month(gateway))
        gateway.start()
        try:
            packet = today(gateway)
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=CHROMIUM)
                page = chromium.new_page(locale="ru-RU")
                pictures(page, gateway, packet)
                chromium.close()
        finally:
            gateway.stop()


if __name__ == "__main__":
    main()
