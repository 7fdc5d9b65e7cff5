"""A customer's code: plain HTTP and the answers' own formats, nothing of kodgate's."""

from __future__ import annotations

import asyncio
import configparser
import json
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from xml.etree import ElementTree

from bench.gateway import Gateway
from typer.testing import CliRunner

from kodgate.cli.main import app
from kodgate.store import open_store
from kodgate.store.common import CommonStore

Found = TypeVar("Found")
FINAL = {"5", "6", "7", "9", "10", "12", "13"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the customer's ledger."""

    kind: str
    amount: int
    balance_after: int
    message_id: int | None


class Caller:
    """Speaks to one gateway as the demo account."""

    def __init__(
        self, gateway: Gateway, *, login: str = "demo", password: str | None = None
    ) -> None:
        self.gateway = gateway
        self.login = login
        self.password = gateway.secret if password is None else password

    def command(self, *words: str) -> str:
        """`kodgate WORDS` beside the running gateway, on its data; what it printed."""
        environ = {"KODGATE_DATABASE": self.gateway.database}
        done = CliRunner().invoke(app, [*words, "--data", str(self.gateway.data)], env=environ)
        assert done.exit_code == 0, done.output
        return done.output

    def account(self, login: str, *settings: str, balance: str = "1000.00") -> Caller:
        """Another customer of this gateway. `settings`: NAME=VALUE."""
        options = [word for setting in settings for word in ("--set", setting)]
        printed = self.command("account", "create", login, *options)
        self.command("account", "top-up", login, balance)
        secret = printed.partition("http_password: ")[2].split()[0]
        return Caller(self.gateway, login=login, password=secret)

    def set(self, *settings: str) -> None:
        """Changes the account's settings; returns when they are in force."""
        options = [word for setting in settings for word in ("--set", setting)]
        self.command("account", "set", self.login, *options)
        time.sleep(1.1)  # settings are at most a second old

    def until_login(self) -> None:
        """Accounts are at most a second old: returns when the credentials are taken."""
        until(lambda: self.post("/http_credit.asp") != "0", 5)

    def until_refused(self) -> None:
        until(lambda: self.post("/http_credit.asp") == "0", 5)

    def raw(self, data: bytes, *, port: int | None = None) -> bytes:
        """Bytes over a socket of its own; all that came until the other side closed."""
        address = ("127.0.0.1", port or self.gateway.wire)
        received = []
        with socket.create_connection(address, timeout=15) as connection:
            connection.sendall(data)
            while part := connection.recv(65_536):
                received.append(part)
        return b"".join(received)

    def get(self, path: str, **parameters: object) -> str:
        """A GET with the credentials in the URL, as much old code does it."""
        fields = {"http_username": self.login, "http_password": self.password, **parameters}
        url = f"http://127.0.0.1:{self.gateway.wire}{path}?{urllib.parse.urlencode(fields)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            body: bytes = answer.read()
        return body.decode("utf-8")

    def books(self) -> dict[str, list[Any]]:
        """All that a request could change: rows, money, and what the providers were asked.

        Taken once nothing is under way any more.
        """
        is_open = "select 1 from message where decide_at is not null"
        until(lambda: not self.rows(is_open), 20)
        counted = ("packet", "message", "transfer", "event", "unique_id", "parked")
        found = {name: self.rows(f"select count(*) from {name}") for name in counted}
        found["money"] = self.rows("select id, balance, held from account order by id")
        found["truth"] = self.control("/log")
        return found

    def post(self, path: str, **parameters: object) -> str:
        """A form POST with the credentials; the body as text."""
        fields = {"http_username": self.login, "http_password": self.password, **parameters}
        data = urllib.parse.urlencode(fields).encode()
        url = f"http://127.0.0.1:{self.gateway.wire}{path}"
        with urllib.request.urlopen(url, data, timeout=20) as answer:
            body: bytes = answer.read()
        return body.decode("utf-8")

    def send(self, phone: str, **parameters: object) -> dict[str, str]:
        """http_in5 in txt: all keys of the answer, flat."""
        body = self.post("/http_in5.asp", mode="TELE", phone_list=phone, **parameters)
        return flat(body)

    def packet(self, packet_id: str) -> list[dict[str, str]]:
        """http_out5 by packet in xml: the attributes of every message."""
        body = self.post("/http_out5.asp", packet_id=packet_id, format="xml")
        root = ElementTree.fromstring(body)
        answer = root[0]
        assert answer.get("error_num") == "0", body
        return [dict(sms.attrib) for sms in answer.findall("sms")]

    def json(self, path: str, **fields: object) -> dict[str, Any]:
        """The JSON service."""
        body = {"login": self.login, "pass": self.password, **fields}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.gateway.json}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def control(self, path: str, **fields: object) -> Any:
        """The sandbox's control API; with fields a POST."""
        url = f"http://127.0.0.1:{self.gateway.telegram}/control{path}"
        data = json.dumps(fields).encode() if fields else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def truth(self, kind: str, phone: str = "") -> list[dict[str, Any]]:
        """What the sandbox really did: fee, send, delivered, read, sms, ..."""
        found: list[dict[str, Any]] = self.control(f"/log?kind={kind}&phone={phone}")
        return found

    def until_final(self, packet_id: str, seconds: float = 40) -> list[dict[str, str]]:
        """The packet's messages once the newest has ended."""

        def final() -> list[dict[str, str]] | None:
            messages = self.packet(packet_id)
            return messages if messages[-1]["result_id"] in FINAL else None

        return until(final, seconds)

    def ledger(self) -> list[Entry]:
        """The customer's operations, oldest first, straight from the database."""
        rows = self.rows(
            "select kind, amount, balance_after, message_id from transfer"
            " where balance_after is not null"
            f" and account_id = (select id from account where login = '{self.login}') order by id"
        )
        return [Entry(*row) for row in rows]

    def rows(self, query: str) -> list[Any]:
        """A question to the database itself."""

        async def ask(store: CommonStore) -> list[Any]:
            return [tuple(row) for row in await store.fetch(query)]

        return self._with_store(ask)

    def problems(self) -> list[str]:
        """What the ledger's verifier finds wrong; nothing, one hopes."""
        return self._with_store(CommonStore.verify)

    def _with_store(self, act: Callable[[CommonStore], Awaitable[list[Any]]]) -> list[Any]:
        async def open_and_act() -> list[Any]:
            store = open_store(self.gateway.database)
            assert isinstance(store, CommonStore)
            await store.open()
            try:
                return await act(store)
            finally:
                await store.close()

        return asyncio.run(open_and_act())


def flat(body: str) -> dict[str, str]:
    """A txt answer through a strict INI reader; sections folded, the first value of a key wins."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.read_string(body)
    found: dict[str, str] = {}
    for section in parser.sections():
        for key, value in parser.items(section):
            found.setdefault(key, value)
    return found


def until(look: Callable[[], Found | None], seconds: float) -> Found:
    """The first thing found; fails after `seconds`."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
