"""`kodgate doctor`: each thing that a working gateway needs, with a way to mend it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import typer

from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.cli.exits import SETUP
from kodgate.config import Config
from kodgate.store import Store, public_url
from kodgate.store.keyring import Keyring
from kodgate.web import app, findings, routes
from kodgate.web.findings import Finding, Grade

PROBE_S = 6.0


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
    yield findings.disk(config.data)
    try:
        keyring = app.open_keyring(config)
        yield Finding(Grade.OK, "keys", str(config.keys_folder))
        store = await app.open_store(config)
    except app.SetupError as error:
        yield Finding(Grade.FAIL, "database and keys", str(error), "see the text")
        return
    try:
        yield Finding(Grade.OK, "database", f"{public_url(config.database_url)}, schema is current")
        yield findings.backup(await store.get(findings.BACKUP_KEY), time.time())
        yield findings.ledger(await store.verify())
        yield findings.drift(await app.open_clock(config, store))
        now = int(time.time() * 1000)
        for found in findings.business(await store.accounts(), await store.tariffs(), now):
            yield found
        for name, host, port in _listeners(config):
            yield _port(name, host, port)
        yield await _telegram(config)
        yield await _callback(config)
        async for finding in _routes(store, keyring):
            yield finding
    finally:
        await store.close()


def _listeners(config: Config) -> list[tuple[str, str, int]]:
    own = config.pages.port
    pages_host = config.pages.host or config.http.host
    return [
        *([] if own is None else [("port of the pages", pages_host, own)]),
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


async def _routes(store: Store, keyring: Keyring) -> AsyncIterator[Finding]:
    try:
        profiles = [one for one in await routes.saved(store, keyring) if one.enabled]
    except ValueError as error:
        yield Finding(Grade.FAIL, "SMS", str(error), "save the route anew")
        return
    if not profiles:
        yield Finding(Grade.WARN, "SMS", "no route", "kodgate route add NAME --set host=... ")
    for profile in profiles:
        what = f"SMS route {profile.name}"
        try:
            async with asyncio.timeout(PROBE_S * 2):
                await probe(profile)
            yield Finding(Grade.OK, what, "bound and unbound")
        except BindRefused as error:
            yield Finding(Grade.FAIL, what, f"bind refused: {error}", "check login and password")
        except (OSError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            yield Finding(Grade.FAIL, what, why, "check host, port, TLS and the firewall")
