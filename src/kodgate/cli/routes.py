"""`kodgate route ...`: SMPP route profiles, and which of them serve which zone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kodgate.channels.smpp import plan as plans
from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.channels.smpp.route import RouteProfile, load
from kodgate.cli.exits import REFUSED, UNAVAILABLE, USAGE, Failed
from kodgate.cli.opening import Opened, with_store
from kodgate.config import Config
from kodgate.core.binds import Lease
from kodgate.web import routes

OTHERS = "others"
FOLLOWED = "running gateways follow within seconds"


def add(
    config: Config,
    *,
    name: str,
    profile: Path | None,
    fields: list[str],
    password_stdin: bool = False,
) -> int:
    """Saves a checked profile: from a JSON file, from NAME=VALUE fields, or both. The password of
    a route that is replaced stays, unless another one, or a file, is given."""
    values = _read(profile) if profile is not None else {}
    values |= {"name": name} | dict(_field(text) for text in fields)
    if password_stdin:
        values["password"] = sys.stdin.readline().rstrip("\r\n")
    given = {"password", "password_file"} & values.keys()

    async def work(opened: Opened) -> None:
        old = None if given else await _find(opened, name)
        kept = {} if old is None else {"password": old.password}
        checked = _checked({**values, **kept})
        await routes.put(opened.store, opened.keyring, checked, at=opened.clock.now())

    _checked(values)
    with_store(config, work, create=True)
    typer.echo(f"route {name} is saved; {FOLLOWED}")
    return 0


def _checked(values: dict[str, Any]) -> RouteProfile:
    try:
        return load(json.dumps(values))
    except ValueError as error:
        raise Failed(str(error), USAGE) from None


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
    heads = ("route", "in use", "address", "login", "bind", "window", "tps", "prefixes", "priority")
    table = Table(*heads)
    for profile in with_store(config, _saved):
        table.add_row(
            profile.name,
            "yes" if profile.enabled else "no",
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


def show_binds(config: Config) -> int:
    """Which node holds which bind, and how it is."""

    async def work(opened: Opened) -> tuple[set[str], list[Lease], int]:
        names = {profile.name for profile in await _saved(opened)}
        return names, await opened.store.binds(), opened.clock.now()

    names, leases, now = with_store(config, work)
    table = Table("route", "bind", "node", "state")
    for lease in leases:
        if lease.route in names:
            held = lease.lease_until > now
            state = (lease.why or "bound") if held else "free"
            table.add_row(lease.route, str(lease.num), lease.node if held else "", state)
    Console().print(table)
    return 0


def enable(config: Config, *, name: str, on: bool) -> int:
    """In use, or kept without being bound."""

    async def work(opened: Opened) -> None:
        profile = await _one(opened, name)
        changed = dataclasses.replace(profile, enabled=on)
        await routes.put(opened.store, opened.keyring, changed, at=opened.clock.now())

    with_store(config, work)
    typer.echo(f"route {name} is {'in use' if on else 'out of use'}; {FOLLOWED}")
    return 0


def remove(config: Config, *, name: str) -> int:
    if not with_store(config, lambda opened: routes.remove(opened.store, name)):
        raise Failed(f"there is no route {name}", REFUSED)
    typer.echo(f"route {name} is removed; {FOLLOWED}")
    return 0


def show_zones(config: Config) -> int:
    """One row a zone."""
    plan = with_store(config, lambda opened: routes.get_plan(opened.store))
    table = Table("zone", "routes, the first that is bound")
    for zone, names in sorted(plan.zones.items(), key=lambda row: (row[0] == plans.OTHERS, row)):
        table.add_row(OTHERS if zone == plans.OTHERS else str(zone), " ".join(names))
    if plans.OTHERS not in plan.zones:
        table.add_row(OTHERS, "by priority and prefixes")
    Console().print(table)
    return 0


def set_zone(config: Config, *, zone: str, names: Iterable[str]) -> int:
    """No names: the zone has no row of its own any more."""
    number = plans.OTHERS if zone == OTHERS else _number(zone)

    async def work(opened: Opened) -> None:
        plan = (await routes.get_plan(opened.store)).changed(number, tuple(names))
        known = {profile.name for profile in await _saved(opened)}
        unknown = sorted(set(names) - known)
        if unknown:
            raise Failed(f"there is no route {unknown[0]}", REFUSED)
        await routes.put_plan(opened.store, plan)

    try:
        with_store(config, work)
    except ValueError as error:
        raise Failed(str(error), USAGE) from None
    typer.echo(f"zone {zone}: {' '.join(names) or 'as the others'}; {FOLLOWED}")
    return 0


def _number(zone: str) -> int:
    if not (zone.isascii() and zone.isdigit() and int(zone) > 0):
        raise Failed(f"{zone!r} is no zone: a number from 1, or {OTHERS}", USAGE)
    return int(zone)


def test(config: Config, *, name: str) -> int:
    """Binds and unbinds; says what the SMSC answered."""
    profile = with_store(config, lambda opened: _one(opened, name))
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


async def _saved(opened: Opened) -> list[RouteProfile]:
    try:
        return await routes.saved(opened.store, opened.keyring)
    except ValueError as error:
        raise Failed(f"a route cannot be read: {error}", REFUSED) from None


async def _find(opened: Opened, name: str) -> RouteProfile | None:
    return next((one for one in await _saved(opened) if one.name == name), None)


async def _one(opened: Opened, name: str) -> RouteProfile:
    found = await _find(opened, name)
    if found is None:
        raise Failed(f"there is no route {name}", REFUSED)
    return found
