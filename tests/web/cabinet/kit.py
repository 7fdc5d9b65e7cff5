"""A person at the cabinet: real pages, sessions, engine and store; only the socket is missing."""

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

from kodgate.store.cabinet import AuditEntry, CabinetStore, User
from kodgate.store.requests import RequestStore
from kodgate.store.tables import tables
from kodgate.web.addresses import Networks
from kodgate.web.cabinet import passwords
from kodgate.web.cabinet.app import cabinet
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.journal import Journal

PASSWORD = "correct horse battery"
KEPT = passwords.make_hash(PASSWORD)
BASE = "http://127.0.0.1"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')

PEOPLE = ("owner", "developer", "finance", "support")
"""Users of alice's account, each named as the role; `bob` owns another account."""


@dataclass(kw_only=True)
class Hall:
    """A gateway with its cabinet."""

    house: House
    site: Site
    people: CabinetStore

    @asynccontextmanager
    async def guest(self, *, base: str = BASE, **headers: str) -> AsyncIterator[Person]:
        """Nobody yet."""
        transport = httpx2.ASGITransport(app=self.site, client=("127.0.0.1", 5000))
        async with httpx2.AsyncClient(
            transport=transport, base_url=base, headers=headers
        ) as browser:
            yield Person(browser)

    @asynccontextmanager
    async def person(self, login: str = "owner", **headers: str) -> AsyncIterator[Person]:
        async with self.guest(**headers) as person:
            await person.sign_in(login)
            yield person

    async def user(self, login: str) -> User:
        found = await self.people.user(login)
        assert found is not None
        return found

    async def audits(self, action: str) -> list[AuditEntry]:
        return [each for each in await self.people.audits(None) if each.action == action]

    async def stale(self) -> None:
        """The password that was given at sign-in is no longer a proof."""
        await self.run("update cabinet_session set proved_at = ?", 0)

    async def run(self, statement: str, *line: Any) -> None:
        await tables(self.house.store).run([(statement, line)])


class Person:
    """A browser without JavaScript."""

    def __init__(self, browser: httpx2.AsyncClient) -> None:
        self.browser = browser

    async def sign_in(self, login: str, password: str = PASSWORD) -> httpx2.Response:
        page = await self.browser.get("/cabinet/sign-in")
        form = {"csrf": token(page.text), "login": login, "password": password, "next": ""}
        return await self.browser.post("/cabinet/sign-in", data=form)

    async def get(self, path: str = "") -> httpx2.Response:
        return await self.browser.get(f"/cabinet/{path}")

    async def see(self, path: str = "") -> str:
        """The words of a page that must be there, without its tags."""
        page = await self.get(path)
        assert page.status_code == 200, f"{path}: {page.status_code} {page.text[:500]}"
        return words(page.text)

    async def post(self, path: str, **form: Any) -> httpx2.Response:
        """A form of one of our pages, with that person's token."""
        if "csrf" not in form:
            form["csrf"] = token((await self.get("profile")).text)
        return await self.browser.post(f"/cabinet/{path}", data=form)

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
async def hall(tmp_path: Path, *, proxies: tuple[str, ...] = ()) -> AsyncIterator[Hall]:
    """Alice's account with a user of each role; bob's with its owner; an operator."""
    async with house(tmp_path) as found:
        site = cabinet(
            engine=found.engine,
            keyring=found.keyring,
            journal=Journal(
                RequestStore(tables(found.store)), found.keyring, now=found.clock.now, node="one"
            ),
            settings=SiteSettings(proxies=Networks(proxies)),
        )
        people = CabinetStore(tables(found.store))
        bob = await found.store.create_account(login="bob", name="Bob", at=found.clock.now())
        rows = [(role, found.alice.id, role) for role in PEOPLE]
        rows += [("bob", bob.id, "owner")]
        for login, account_id, role in (*rows, ("olga", None, "operator")):
            await people.create_user(
                account_id=account_id,
                login=login,
                role=role,
                password=KEPT,
                at=int(time.time() * 1000),
            )
        yield Hall(house=found, site=site, people=people)
