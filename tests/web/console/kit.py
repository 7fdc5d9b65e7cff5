"""A person at the console: real pages, sessions, engine and store; only the socket is missing."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.engine.house import House, house

from kodgate.store.cabinet import AuditEntry, CabinetStore
from kodgate.store.requests import RequestStore
from kodgate.store.tables import tables
from kodgate.web.addresses import Networks
from kodgate.web.asgi import Receive, Scope, Send
from kodgate.web.cabinet import passwords
from kodgate.web.cabinet.app import cabinet
from kodgate.web.cabinet.console.app import console
from kodgate.web.cabinet.console.desk import Console, Facts
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.journal import Journal

PASSWORD = "correct horse battery"
KEPT = passwords.make_hash(PASSWORD)
BASE = "http://127.0.0.1"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(kw_only=True)
class Office:
    """A gateway with a cabinet and a console."""

    house: House
    cabinet: Site
    console: Console
    people: CabinetStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        site = self.console if scope["path"].startswith("/console") else self.cabinet
        await site(scope, receive, send)

    @asynccontextmanager
    async def person(self, login: str = "olga") -> AsyncIterator[Person]:
        """Signed in."""
        transport = httpx2.ASGITransport(app=self)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as browser:
            person = Person(browser)
            await person.sign_in(login)
            yield person

    async def audits(self, action: str) -> list[AuditEntry]:
        return [each for each in await self.people.audits(None) if each.action == action]

    async def stale(self) -> None:
        """The password that was given at sign-in is no longer a proof."""
        await self.people._tables.run([("update cabinet_session set proved_at = ?", (0,))])


class Person:
    def __init__(self, browser: httpx2.AsyncClient) -> None:
        self.browser = browser

    async def sign_in(self, login: str) -> None:
        page = await self.browser.get("/console/sign-in")
        form = {"csrf": token(page.text), "login": login, "password": PASSWORD, "next": ""}
        done = await self.browser.post("/console/sign-in", data=form)
        assert done.status_code == 303, done.text

    async def get(self, path: str = "") -> httpx2.Response:
        return await self.browser.get(f"/console/{path}")

    async def see(self, path: str = "") -> str:
        """The words of a page that must be there, without its tags."""
        page = await self.get(path)
        assert page.status_code == 200, f"{path}: {page.status_code} {page.text[:500]}"
        return words(page.text)

    async def post(self, path: str, **form: Any) -> httpx2.Response:
        """A form of one of our pages."""
        form.setdefault("csrf", token((await self.get("system")).text))
        return await self.browser.post(f"/console/{path}", data=form)

    async def do(self, path: str, **form: Any) -> str:
        """A form, and the words of the page that it leads to."""
        answer = await self.post(path, **form)
        if answer.status_code == 303:
            answer = await self.browser.get(answer.headers["location"])
        return words(answer.text)


def token(page: str) -> str:
    found = _CSRF.search(page)
    assert found is not None, page[:500]
    return html.unescape(found[1])


def words(page: str) -> str:
    text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


@asynccontextmanager
async def office(
    tmp_path: Path, *, alone_max: int | None = None, **options: Any
) -> AsyncIterator[Office]:
    """Olga and Igor are operators; Oscar owns alice's account."""
    async with house(tmp_path, **options) as found:
        site = cabinet(
            engine=found.engine,
            keyring=found.keyring,
            journal=Journal(
                RequestStore(tables(found.store)), found.keyring, now=found.clock.now, node="one"
            ),
            settings=SiteSettings(proxies=Networks(())),
        )
        facts = Facts(
            version="1.2.3",
            database="sqlite:///kodgate.db",
            data=tmp_path,
            roles=("http", "web"),
            alone_max=alone_max,
            settings=(("http.port", "8080"), ("master_key", "***")),
        )
        people = CabinetStore(tables(found.store))
        now = int(time.time() * 1000)
        for login, account, role in (
            ("olga", None, "operator"),
            ("igor", None, "operator"),
            ("oscar", found.alice.id, "owner"),
        ):
            await people.create_user(
                account_id=account, login=login, role=role, password=KEPT, at=now
            )
        desk = console(beside=site, facts=facts)
        yield Office(house=found, cabinet=site, console=desk, people=people)
