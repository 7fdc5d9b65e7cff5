"""`kodgate doctor`: each thing that a working gateway needs, with a way to mend it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import aiohttp
import typer

from kodgate.channels import smpp
from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.channels.smpp.route import load
from kodgate.cli.exits import SETUP
from kodgate.config import Config
from kodgate.core import tariffs
from kodgate.engine.clock import DRIFT_MAX_S
from kodgate.store import Store, public_url
from kodgate.web import app

DISK_FREE_MIN = 1024**3
PROBE_S = 6.0


class Grade(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, what to do."""

    grade: Grade
    what: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"\n      fix: {self.fix}" if self.fix else ""
        return f"{self.grade:<4}  {self.what}: {self.found}{fix}"


def main(config: Config) -> int:
    """Exit status 8 where something fails."""
    return asyncio.run(_main(config))


async def _main(config: Config) -> int:
    failed = False
    async for finding in _examine(config):
        typer.echo(str(finding))
        failed = failed or finding.grade is Grade.FAIL
    return SETUP if failed else 0


async def _examine(config: Config) -> AsyncIterator[Finding]:
    yield _disk(config)
    try:
        app.open_keyring(config)
        yield Finding(Grade.OK, "keys", str(config.keys_folder))
        store = await app.open_store(config)
    except app.SetupError as error:
        yield Finding(Grade.FAIL, "database and keys", str(error), "see the text")
        return
    try:
        yield Finding(Grade.OK, "database", f"{public_url(config.database_url)}, schema is current")
        yield await _ledger(store)
        yield await _clock(config, store)
        async for finding in _business(store):
            yield finding
        for name, host, port in _listeners(config):
            yield _port(name, host, port)
        yield await _telegram(config)
        yield await _callback(config)
        async for finding in _routes(store):
            yield finding
    finally:
        await store.close()


def _disk(config: Config) -> Finding:
    folder = config.data if config.data.exists() else config.data.resolve().parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < DISK_FREE_MIN:
        return Finding(Grade.WARN, "disk", found, "make room: a full disk stops accepting")
    return Finding(Grade.OK, "disk", found)


async def _ledger(store: Store) -> Finding:
    problems = await store.verify()
    if problems:
        return Finding(Grade.FAIL, "ledger", problems[0], "stop the gateway and report this")
    return Finding(Grade.OK, "ledger", "every sum agrees")


async def _clock(config: Config, store: Store) -> Finding:
    clock = await app.open_clock(config, store)
    ahead_s = clock.now() / 1000 - time.time()
    if config.time_scale == 1 and abs(ahead_s) > DRIFT_MAX_S:
        return Finding(
            Grade.WARN,
            "clock",
            f"the gateway's clock is {ahead_s:+.0f} s from the wall clock",
            "set the machine's clock (NTP); then start once with trust_wall_clock = true."
            " Data of a time-scaled demo stays ahead",
        )
    return Finding(Grade.OK, "clock", f"{ahead_s:+.1f} s from the wall clock")


async def _business(store: Store) -> AsyncIterator[Finding]:
    accounts = await store.accounts()
    if not accounts:
        yield Finding(Grade.WARN, "accounts", "none", "kodgate account create LOGIN")
    else:
        yield Finding(Grade.OK, "accounts", str(len(accounts)))
    names = {account.tariff for account in accounts}
    versions = await store.tariffs()
    now = int(time.time() * 1000)
    missing = sorted(name for name in names if tariffs.current(versions, name, now) is None)
    if missing:
        fix = f"kodgate tariff import FILE --name {missing[0]}"
        yield Finding(Grade.FAIL, "tariffs", f"none in force: {', '.join(missing)}", fix)
    else:
        yield Finding(Grade.OK, "tariffs", f"{len({v.name for v in versions})} in force")


def _listeners(config: Config) -> list[tuple[str, str, int]]:
    return [
        ("port of the wire", config.http.host, config.http.port),
        ("port of the JSON service", config.http.host, config.http.json_port),
        ("port of metrics", config.metrics.host, config.metrics.port),
    ]


def _port(name: str, host: str, port: int) -> Finding:
    where = f"{host}:{port}"
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return Finding(
            Grade.WARN,
            name,
            f"{where} is taken ({error.strerror})",
            "fine while the gateway runs; else choose another port",
        )
    return Finding(Grade.OK, name, f"{where} is free")


async def _telegram(config: Config) -> Finding:
    """A status call for an id that cannot exist: free, and the answer names a bad token."""
    token = config.telegram.token.get_secret_value()
    if not token:
        return Finding(
            Grade.WARN, "Telegram", "no token", "set KODGATE_TELEGRAM__TOKEN to send to Telegram"
        )
    url = f"{config.telegram.base_url.rstrip('/')}/checkVerificationStatus"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        timeout = aiohttp.ClientTimeout(total=PROBE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                url,
                data={"request_id": "0"},
                headers=headers,
                proxy=config.telegram.proxy or None,
                allow_redirects=False,
            ) as answer,
        ):
            body = json.loads((await answer.content.read(4096)) or b"{}")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = type(error).__name__
        return Finding(
            Grade.FAIL, "Telegram", f"no answer from {url}: {why}", "check network and proxy"
        )
    word = str(body.get("error", "")) if isinstance(body, dict) else ""
    if word.startswith("ACCESS_TOKEN"):
        return Finding(
            Grade.FAIL, "Telegram", word, "copy the token from the Gateway's account page"
        )
    return Finding(Grade.OK, "Telegram", f"the token is accepted by {config.telegram.base_url}")


async def _callback(config: Config) -> Finding:
    """Our own address, called from here: an unsigned report must be refused with 403."""
    url = config.telegram.callback_url
    if not url:
        return Finding(
            Grade.WARN,
            "callbacks",
            "no callback_url: reports are polled",
            "set telegram.callback_url to https://YOUR-HOST/callbacks/telegram",
        )
    status = await asyncio.to_thread(_post_status, url)
    if status == 403:
        return Finding(Grade.OK, "callbacks", f"{url} refuses unsigned reports")
    return Finding(
        Grade.WARN,
        "callbacks",
        f"{url} answers {status or 'nothing'} (expected 403)",
        "start the gateway; the address must lead to its /callbacks/telegram",
    )


def _post_status(url: str) -> int:
    if urlsplit(url).scheme not in ("http", "https"):
        return 0
    try:
        with urllib.request.urlopen(url, b"{}", timeout=PROBE_S) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


async def _routes(store: Store) -> AsyncIterator[Finding]:
    routes = [route for route in await store.routes() if route.channel == smpp.NAME]
    if not routes:
        yield Finding(Grade.WARN, "SMS", "no route", "kodgate route add NAME --set host=... ")
    for route in routes:
        what = f"SMS route {route.name}"
        try:
            async with asyncio.timeout(PROBE_S * 2):
                await probe(load(route.profile))
            yield Finding(Grade.OK, what, "bound and unbound")
        except BindRefused as error:
            yield Finding(Grade.FAIL, what, f"bind refused: {error}", "check login and password")
        except (OSError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            yield Finding(Grade.FAIL, what, why, "check host, port, TLS and the firewall")
