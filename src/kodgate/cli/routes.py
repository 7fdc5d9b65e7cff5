"""`kodgate route ...`: SMPP route profiles."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kodgate.channels import smpp
from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.channels.smpp.route import RouteProfile, load, save
from kodgate.cli.exits import REFUSED, UNAVAILABLE, USAGE, Failed
from kodgate.cli.opening import Opened, with_store
from kodgate.config import Config
from kodgate.store import Route


def add(config: Config, *, name: str, profile: Path | None, fields: list[str]) -> int:
    """Saves a checked profile: from a JSON file, from NAME=VALUE fields, or both."""
    values = _read(profile) if profile is not None else {}
    values |= {"name": name} | dict(_field(text) for text in fields)
    try:
        checked = load(json.dumps(values))
    except ValueError as error:
        raise Failed(str(error), USAGE) from None

    async def work(opened: Opened) -> None:
        now = opened.clock.now()
        await opened.store.save_route(
            Route(name=name, channel=smpp.NAME, profile=save(checked), created_at=now)
        )

    with_store(config, work, create=True)
    typer.echo(f"route {name} is saved; a running gateway uses it after its next start")
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(f"cannot read {path}: {error}", USAGE) from None
    if not isinstance(found, dict):
        raise Failed(f"{path} is not a JSON object", USAGE)
    return found


def _field(text: str) -> tuple[str, Any]:
    """`port=2775`: JSON where the value is JSON and the field is no text, else text."""
    name, sign, value = text.partition("=")
    if not sign:
        raise Failed(f"{text!r} is not NAME=VALUE", USAGE)
    if RouteProfile.__annotations__.get(name) == "str":
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def show_all(config: Config) -> int:
    """One row a route."""
    table = Table("route", "address", "login", "bind", "window", "tps", "prefixes", "priority")
    for profile in _profiles(config):
        table.add_row(
            profile.name,
            f"{profile.host}:{profile.port}{' TLS' if profile.tls else ''}",
            profile.system_id,
            f"{profile.binds} x {profile.bind_type.value}",
            str(profile.window),
            str(profile.tps or "no limit"),
            " ".join(profile.prefixes) or "all",
            str(profile.priority),
        )
    Console().print(table)
    return 0


def test(config: Config, *, name: str) -> int:
    """Binds and unbinds; says what the SMSC answered."""
    profile = next((p for p in _profiles(config) if p.name == name), None)
    if profile is None:
        raise Failed(f"there is no route {name}", REFUSED)
    try:
        asyncio.run(probe(profile))
    except BindRefused as error:
        raise Failed(f"{name}: the SMSC refused the bind: {error}", REFUSED) from None
    except (OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise Failed(
            f"{name}: cannot reach {profile.host}:{profile.port}: {why}", UNAVAILABLE
        ) from None
    typer.echo(f"{name}: bound to {profile.host}:{profile.port} as {profile.system_id}")
    return 0


def _profiles(config: Config) -> list[RouteProfile]:
    async def work(opened: Opened) -> list[Route]:
        return await opened.store.routes()

    return [load(route.profile) for route in with_store(config, work)]
