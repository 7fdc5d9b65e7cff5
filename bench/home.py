"""A gateway that is ready to be measured: its data folder, accounts with money, routes, meters."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.gateway import SECRET, Gateway
from bench.load import Plan, Result, run
from bench.machine import children, cpu_s, resident_mib
from bench.opening import Opening, send_all
from kodgate.channels.smpp.route import RouteProfile, save
from kodgate.core import ledger
from kodgate.core.accounts import AccountSettings
from kodgate.store import Route, Store, open_store
from kodgate.store.keyring import Keyring

MONEY = 10**13
SMS_LOGIN = "sms"
"""An account whose codes go by SMS at once."""

_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? ([0-9.e+]+)$", re.MULTILINE)


class Home:
    """One gateway over all of its restarts; `roles` and more by the environment."""

    def __init__(self, folder: Path, *, database: str = "") -> None:
        self.data = folder / "data"
        self.url = database or f"sqlite:///{self.data / 'kodgate.db'}"
        self._database = {"KODGATE_DATABASE": database} if database else {}
        self.logins: tuple[str, ...] = ()

    @contextmanager
    def running(self, roles: str = "http,deliver,smpp,web", **environ: str) -> Iterator[Running]:
        """Started and stopped again."""
        gateway = Gateway(
            self.data,
            balance="900000000.00",
            environ={"KODGATE_ROLES": roles, **self._database, **environ},
        )
        gateway.start()
        try:
            yield Running(gateway)
        finally:
            gateway.terminate()

    def prepare(self, *, accounts: int, smsc_port: int) -> None:
        """After a first start: more accounts, and a route to the SMSC of the benchmark."""
        asyncio.run(self._prepare(accounts, smsc_port))

    async def _prepare(self, accounts: int, smsc_port: int) -> None:
        store = open_store(self.url)
        await store.open()
        try:
            digest = Keyring(self.data / "keys", self._master()).secret_digest(SECRET)
            self.logins = tuple(f"bench{number}" for number in range(accounts))
            plain = AccountSettings(sender="kodgate", template="Code: {code}")
            by_sms = replace(plain, telegram_allowed=False)
            await asyncio.gather(
                *(_create(store, login, plain, digest) for login in self.logins),
                _create(store, SMS_LOGIN, by_sms, digest),
            )
            await store.save_route(_route(smsc_port))
        finally:
            await store.close()

    def open(self, count: int) -> None:
        """So many messages of the first account that Telegram has taken and nobody has read."""
        asyncio.run(self._open(count))
        send_all(self.url)

    async def _open(self, count: int) -> None:
        store = open_store(self.url)
        await store.open()
        try:
            keyring = Keyring(self.data / "keys", self._master())
            await Opening(login=self.logins[0], keyring=keyring, count=count).place(store)
        finally:
            await store.close()

    def _master(self) -> bytes:
        return bytes.fromhex((self.data / "master.key").read_text("ascii").strip())


async def _create(store: Store, login: str, settings: AccountSettings, digest: bytes) -> None:
    account = await store.create_account(login=login, name=login, at=0, settings=settings)
    await store.add_secret(account.id, digest, at=0, others_expire_at=None)
    money = ledger.top_up(account.id, MONEY)
    await store.post(account.id, money, at=0, document="bench", comment="")


def _route(port: int) -> Route:
    profile = RouteProfile(
        name="bench", host="127.0.0.1", port=port, system_id="bench", window=100, prefixes=("7",)
    )
    return Route(name=profile.name, channel="sms", profile=save(profile), created_at=0)


class Running:
    """A started gateway and what it uses."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        assert gateway.process is not None
        self.pid = gateway.process.pid
        self.sandbox, *workers = children(self.pid)
        self.pids = (self.pid, *workers)
        """The gateway's processes."""
        self._meters = (gateway.metrics, *gateway.ready()["workers"])

    def load(self, **given: object) -> tuple[Result, float]:
        """What the callers saw, and the gateway's processor time for each request in us."""
        plan = Plan(port=self.gateway.wire, secret=SECRET, **given)  # type: ignore[arg-type]
        before = self.cpu_s()
        result = run(plan)
        answered = result.good + sum(result.errors.values())
        return result, (self.cpu_s() - before) / max(1, answered) * 1e6

    def cpu_s(self) -> float:
        """Of all its processes."""
        return sum(map(cpu_s, self.pids))

    def resident_mib(self) -> float:
        """Of the largest one."""
        return max(map(resident_mib, self.pids))

    def counted(self, metric: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, over all of its processes."""
        return sum(_counted(port, metric, labels) for port in self._meters)

    def until_counted(self, metric: str, number: float, *, within_s: float, **labels: str) -> float:
        """Seconds until a metric reached a number. Raises TimeoutError, saying how far it came."""
        began = time.perf_counter()
        while (found := self.counted(metric, **labels)) < number:
            if time.perf_counter() - began > within_s:
                raise TimeoutError(f"{metric}: {found:,.0f} of {number:,.0f} in {within_s:.0f} s")
            time.sleep(0.1)
        return time.perf_counter() - began


def _counted(port: int, metric: str, labels: Mapping[str, str]) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode("ascii")
    wanted = {f'{name}="{value}"' for name, value in labels.items()}
    return sum(
        float(value)
        for name, given, value in _SAMPLE.findall(text)
        if name == metric and wanted <= set(given.split(","))
    )


@contextmanager
def smsc() -> Iterator[int]:
    """The benchmark's SMSC as a process of its own; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.smsc", "0"], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
