"""`python -m bench.pages`: server time of every page over 100,000 packets of one account.

The pages are those of the menus of cabinet and console, and what their forms and links ask for.
Real sites, engine, store and keys in this process: what is left out is only the socket.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.databases import fresh
from bench.filling import SMS, TELEGRAM, ZONES, fill
from kodgate.core import cascade, tariffs
from kodgate.core.accounts import AccountSettings
from kodgate.core.tariffs import Price, Tariff
from kodgate.engine import Engine
from kodgate.engine.clock import Clock, Sources, restore
from kodgate.store import Store, migrate, open_store, rows, schema
from kodgate.store.cabinet import CabinetStore
from kodgate.store.keyring import Keyring
from kodgate.store.requests import DAY_MS, MINUTE_MS, SHARE, Counted, RequestStore
from kodgate.store.tables import tables
from kodgate.web.addresses import Networks
from kodgate.web.asgi import Receive, Scope, Send
from kodgate.web.cabinet import passwords, templating
from kodgate.web.cabinet.app import cabinet
from kodgate.web.cabinet.console.app import console
from kodgate.web.cabinet.console.desk import Facts
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.journal import ALIKE_MAX, Asked, Journal
from kodgate.web.summing import Summing

PACKETS = 100_000
RUNS = 7
ROWS_MAX = 200_000
"""Of the request log, as the setting has it by default."""
LIMIT_MS = 200
BASE = "http://127.0.0.1"
PERIODS = ("1h", "24h", "7d", "30d")

_MENU = re.compile(r'<ul class="menu">(.*?)</ul>', re.DOTALL)
_LINK = re.compile(r'href="([^"]+)"')
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')

IGNORING = ("tariffs", "test", "requests", "documentation", "security", "users", "actions",
            "accounts", "audit", "system", "messages", "money", "ledger", "channels",
            "routes")  # fmt: skip
"""Pages that know no period."""

LAST = schema.PACKET_ID_MIN + 1
ASKED = {
    "/cabinet/requests": ("?period=all", "?error=refused", "?error=1&period=all&ip=203.0.113.7"),
    "/cabinet/messages": (
        f"/{LAST}",
        "?q=79120000001",
        f"?q={LAST}",
        "?q=telegram-7000001",
        "?state=failed",
        "?channel=sms",
        "?state=queued",
        "?since=2020-01-01&until=2099-12-31",
        "?until=2020-01-01",
        f"?before={LAST + 50}",
    ),
    "/cabinet/money": ("?kind=topup", "?until=2020-01-01", "?before=1000", "/statement"),
    "/console/accounts": ("/1", "?q=ali"),
    "/console/tariffs": ("/default",),
}
"""Beyond the menus: the dearest of what a page can be asked."""


@dataclass(frozen=True, slots=True)
class House:
    """Both sites as one app."""

    cabinet: Site
    console: Site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        site = self.console if scope["path"].startswith("/console") else self.cabinet
        await site(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    path: str
    status: int
    kib: float
    ms: list[float]
    cpu_ms: list[float]
    """Of this process, SQLite included: what a busy machine cannot change."""


async def _account(store: Store, at: int) -> tuple[int, str]:
    """Its id, and the plan of a code to Telegram, then SMS."""
    settings = AccountSettings(sender="kodgate", template="Code: {code}")
    zones = {f"79{n}": n + 1 for n in range(ZONES)} | {"7": 1}
    prices = {(zone, "telegram"): Price(price=TELEGRAM) for zone in range(1, ZONES + 1)}
    prices |= {(zone, "sms"): Price(price=SMS) for zone in range(1, ZONES + 1)}
    tariff = Tariff(name="default", valid_from=0, zones=zones, prices=prices)
    await store.save_tariff(tariff, at=at)
    account = await store.create_account(login="alice", name="Alice", at=at, settings=settings)
    plan = tariffs.plan(tariff, 1, cascade.tele_to_sms(300))
    assert plan is not None
    return account.id, rows.plan_text(plan)


@asynccontextmanager
async def house(url: str, folder: Path, packets: int) -> AsyncIterator[House]:
    began = time.perf_counter()
    await asyncio.to_thread(migrate, url)
    store = open_store(url)
    await store.open()
    try:
        keyring = Keyring(folder / "keys", bytes(32))
        now = int(time.time() * 1000)
        account_id, plan = await _account(store, now)
        await asyncio.to_thread(
            fill, url, keyring, account_id=account_id, plan=plan, packets=packets
        )
        print(f"{packets:,} packets stored in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        await Summing(store, now=lambda: int(time.time() * 1000)).catch_up()
        print(
            f"past hours summed, as the gateway does all along, in "
            f"{time.perf_counter() - began:.1f} s\n"
        )
        yield await _sites(store, keyring, folder, account_id)
    finally:
        await store.close()


async def _sites(store: Store, keyring: Keyring, folder: Path, account_id: int) -> House:
    people = CabinetStore(tables(store))
    kept = passwords.make_hash(BASE)
    for login, of, role in (("alice", account_id, "owner"), ("olga", None, "operator")):
        await people.create_user(account_id=of, login=login, role=role, password=kept, at=0)
    clock = restore(None, Sources(wall_s=time.time, steady_s=time.monotonic, boot_id=""), scale=1.0)
    engine = Engine(
        store,
        {},
        keyring,
        clock,
        node="bench",
        secret_digest=keyring.secret_digest,
        randbelow=secrets.randbelow,
        steady_s=time.monotonic,
        wall_s=time.time,
    )
    site = cabinet(
        engine=engine,
        keyring=keyring,
        journal=await _journal(store, keyring, clock, account_id),
        settings=SiteSettings(proxies=Networks(())),
    )
    facts = Facts(version="bench", database="", data=folder, roles=("web",))
    templating.compile_all()  # as every process that shows pages does when it starts
    return House(site, console(beside=site, facts=facts))


async def _journal(store: Store, keyring: Keyring, clock: Clock, account_id: int) -> Journal:
    """With as many requests as one account may have, and the counts of a month."""
    log, now = RequestStore(tables(store)), clock.now()
    journal = Journal(log, keyring, now=clock.now, node="bench")
    minutes = range(now - 30 * DAY_MS, now, MINUTE_MS)
    counts = [
        Counted(account_id, at, error, 5, 0)
        for at in minutes
        for error in (0, 1 + at // MINUTE_MS % 3)
    ]
    await log.save([], counts, node="bench", batch="counts")
    for second in range(2 * ROWS_MAX // SHARE // ALIKE_MAX):
        at = now - 2 * DAY_MS // (second + 1)
        for number in range(ALIKE_MAX):
            asked = _asked(f"{second:05x}{number:05x}", at, error=second % 2)
            assert journal.counts(account_id, asked.error, at)
            journal.keep(account_id, 2 * 86_400, asked)
        await journal.flush()
    return journal


def _asked(id: str, at: int, *, error: int) -> Asked:
    return Asked(
        id=id,
        at=at,
        path="/http_in5.asp",
        dialect="http_asp",
        ip=f"203.0.113.{at % 99}",
        error=error,
        why="",
        seconds=0.001,
        in_query=False,
        packet_id=None,
        parameters={"mode": "TELE", "phone": "79120000001", "to_sms": "1"},
        body="error_num = OK",
    )


async def measure(app: House, login: str, prefix: str, runs: int) -> list[Timed]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as browser:
        page = await browser.get(f"{prefix}sign-in")
        found = _CSRF.search(page.text)
        assert found is not None
        form = {"csrf": found[1], "login": login, "password": BASE, "next": ""}
        assert (await browser.post(f"{prefix}sign-in", data=form)).status_code == 303
        menu = _MENU.search((await browser.get(prefix)).text)
        assert menu is not None
        paths = [path for link in _LINK.findall(menu[1]) for path in variants(link)]
        return [await timed(browser, path, runs) for path in paths]


def variants(link: str) -> Iterator[str]:
    yield link
    if not link.endswith(IGNORING):
        yield from (f"{link}?period={period}" for period in PERIODS)
    yield from (f"{link}{more}" for more in ASKED.get(link, ()))


async def timed(browser: httpx2.AsyncClient, path: str, runs: int) -> Timed:
    """The first answer is measured too: nobody's page is warm."""
    ms, cpu_ms = [], []
    for _ in range(runs):
        began, worked = time.perf_counter(), time.process_time()
        answer = await browser.get(path)
        ms.append((time.perf_counter() - began) * 1000)
        cpu_ms.append((time.process_time() - worked) * 1000)
    size = len(answer.content) / 1024
    return Timed(path=path, status=answer.status_code, kib=size, ms=ms, cpu_ms=cpu_ms)


def told(found: list[Timed]) -> str:
    lines = ["| page | median ms | max ms | CPU ms | KiB |", "|---|---|---|---|---|"]
    for one in found:
        mark = "" if max(one.ms) < LIMIT_MS else f" over {LIMIT_MS}"
        state = "" if one.status == 200 else f" ({one.status})"
        lines.append(
            f"| `{one.path}`{state} | {statistics.median(one.ms):.1f} |"
            f" {max(one.ms):.1f}{mark} | {statistics.median(one.cpu_ms):.1f} | {one.kib:.0f} |"
        )
    return "\n".join(lines)


async def run(url: str, folder: Path, *, packets: int, runs: int) -> None:
    async with house(url, folder, packets) as app:
        found = await measure(app, "alice", "/cabinet/", runs)
        found += await measure(app, "olga", "/console/", runs)
    print(told(found))
    slow = sum(max(one.ms) >= LIMIT_MS for one in found)
    print(f"\n{len(found)} pages; {slow} took {LIMIT_MS} ms or more at least once")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=PACKETS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--database", default="sqlite", help="sqlite, postgres, or a url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as name:
        folder = Path(name)
        with fresh(options.database, folder) as url:
            asyncio.run(run(url, folder, packets=options.packets, runs=options.runs))


if __name__ == "__main__":
    main()
