"""Маршруты SMS: saved, changed, tried and taken away; which of them serves which zone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict

from starlette.responses import Response

from kodgate.channels import smpp
from kodgate.channels.smpp import plan as plans
from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.channels.smpp.plan import Plan
from kodgate.channels.smpp.route import RouteProfile
from kodgate.core.binds import Lease
from kodgate.web import routes
from kodgate.web.cabinet.console import route_form
from kodgate.web.cabinet.console.desk import act, look, record
from kodgate.web.cabinet.console.mistakes import told
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit
from kodgate.web.cabinet.words import N_

PROBE_S = 12.0
PLACES = 3
"""Routes of one zone that the form offers; the command line takes more."""

PREFIXES_SHOWN = 6

BIND_HINTS = {
    "ESME_RINVPASWD": N_("Неверный пароль."),
    "ESME_RINVSYSID": N_("Такого логина SMSC не знает."),
    "ESME_RBINDFAIL": N_("Логин, пароль, ваш IP-адрес или число соединений не подошли."),
    "ESME_RALYBND": N_("Все разрешённые соединения уже заняты: это бывает, пока маршрут работает."),
    "ESME_RINVSYSTYP": N_("SMSC ждёт другой system_type."),
}
"""What a refused bind usually means."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a bind that was only tried."""

    good: bool
    text: str
    """The SMSC's word, or the network's; empty where it was bound."""
    hint: str = ""
    ms: int = 0


# The list


async def show(visit: Visit) -> Response:
    saved, plan = await _saved(visit), await routes.get_plan(visit.site.engine.store)
    zones = await _zones(visit, plan)
    return visit.page(
        "console/routes.html",
        routes=saved,
        binds=await _binds(visit),
        plan=plan,
        zones=zones,
        unknown=plan.unknown([profile.name for profile in saved]),
        others=plans.OTHERS,
        places=range(1, PLACES + 1),
    )


async def _saved(visit: Visit) -> list[RouteProfile]:
    return await routes.saved(visit.site.engine.store, visit.site.keyring)


async def _binds(visit: Visit) -> dict[str, list[tuple[Lease, bool]]]:
    """Route -> its binds, and whether each is held by somebody."""
    now, found = visit.site.engine.clock.now(), defaultdict(list)
    for lease in await visit.site.engine.store.binds():
        found[lease.route].append((lease, lease.lease_until > now))
    return found


async def _zones(visit: Visit, plan: Plan) -> dict[int, list[str]]:
    """Every zone of a tariff or of the plan, with a few of its prefixes."""
    found: dict[int, set[str]] = {zone: set() for zone in plan.zones if zone != plans.OTHERS}
    for tariff in await visit.site.engine.store.tariffs():
        for prefix, zone in tariff.zones.items():
            found.setdefault(zone, set()).add(prefix or "*")
    return {zone: sorted(found[zone])[:PREFIXES_SHOWN] for zone in sorted(found)}


# One route


async def fresh(visit: Visit) -> Response:
    return _page(
        visit, None, route_form.texts(route_form.NEW) | {"name": "", "host": "", "system_id": ""}
    )


async def one(visit: Visit) -> Response:
    profile = await _named(visit)
    if profile is None:
        return visit.site.refuse(visit, 404)
    return _page(visit, profile, route_form.texts(profile))


async def _named(visit: Visit) -> RouteProfile | None:
    name = visit.request.path_params["name"]
    return next((profile for profile in await _saved(visit) if profile.name == name), None)


def _page(
    visit: Visit,
    profile: RouteProfile | None,
    values: dict[str, str],
    *,
    status: int = 200,
    error: str = "",
    tried: Tried | None = None,
) -> Response:
    return visit.page(
        "console/route.html",
        status=status,
        profile=profile,
        values=values,
        error=error,
        tried=tried,
        sections=route_form.SECTIONS,
        opened=route_form.OPEN,
        long=route_form.LONG,
    )


async def save(visit: Visit) -> Response:
    """A new route, or (`old` names it) another profile of one. Nodes follow within seconds."""
    form, saved = visit.form, {profile.name: profile for profile in await _saved(visit)}
    old = saved.get(form.get("old", ""))
    name = old.name if old is not None else form.get("name", "").strip()
    try:
        if old is None and name in saved:
            raise ValueError("name: there is a route of this name")
        profile = route_form.read(form, name=name, password=old.password if old else "")
    except ValueError as error:
        values = route_form.texts(route_form.NEW) | {"enabled": "", "tls": ""} | dict(form)
        said = told(visit.writer, str(error), route_form.LABELS)
        return _page(visit, old, values | {"password": ""}, status=422, error=said)
    await _put(visit, profile)
    await record(visit, "route_saved", f"{name}: {_changes(old, profile)}")
    return visit.go(f"routes/{name}", note="route_saved")


def _changes(old: RouteProfile | None, new: RouteProfile) -> str:
    """Names of the fields that differ; never a value, of which one is a password."""
    if old is None:
        return "new"
    names = [field.name for field in dataclasses.fields(RouteProfile)]
    return ", ".join(name for name in names if getattr(old, name) != getattr(new, name))


async def _put(visit: Visit, profile: RouteProfile) -> None:
    engine = visit.site.engine
    await routes.put(engine.store, visit.site.keyring, profile, at=engine.clock.now())
    _nudge(visit)


def _nudge(visit: Visit) -> None:
    """This process follows at once, the others with their next look."""
    channel = visit.site.engine.channels.get(smpp.NAME)
    if channel is not None and hasattr(channel, "look_again"):
        channel.look_again()


async def switch(visit: Visit) -> Response:
    """Into use, or out of it."""
    profile = await _named(visit)
    if profile is None:
        return visit.site.refuse(visit, 404)
    on = visit.form.get("on", "") == "yes"
    await _put(visit, dataclasses.replace(profile, enabled=on))
    word = "route_enabled" if on else "route_disabled"
    await record(visit, word, profile.name)
    return visit.go("routes", note=word)


async def remove(visit: Visit) -> Response:
    name = visit.request.path_params["name"]
    if visit.form.get("sure", "") != name:
        return visit.go(f"routes/{name}", note="bad_value")
    if not await routes.remove(visit.site.engine.store, name):
        return visit.site.refuse(visit, 404)
    _nudge(visit)
    await record(visit, "route_removed", name)
    return visit.go("routes", note="route_removed")


async def test(visit: Visit) -> Response:
    """Binds with what is saved, and unbinds; nothing is sent."""
    profile = await _named(visit)
    if profile is None:
        return visit.site.refuse(visit, 404)
    tried = await _try(profile)
    await record(visit, "route_tested", f"{profile.name}: {tried.text or 'bound'}")
    return _page(visit, profile, route_form.texts(profile), tried=tried)


async def _try(profile: RouteProfile) -> Tried:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(PROBE_S):
            await probe(profile)
    except BindRefused as error:
        return Tried(good=False, text=str(error), hint=BIND_HINTS.get(str(error), ""))
    except (OSError, TimeoutError) as error:
        hint = N_("До SMSC не дойти: проверьте адрес, порт, TLS и межсетевой экран.")
        return Tried(good=False, text=str(error) or type(error).__name__, hint=hint)
    return Tried(good=True, text="", ms=round(1000 * (loop.time() - began)))


# Zones


async def set_zone(visit: Visit) -> Response:
    """The routes of one zone, in their order; none: it is served as the others are."""
    form, store = visit.form, visit.site.engine.store
    zone = number_of(form.get("zone", ""))
    chosen = [form.get(f"place{place}", "") for place in range(1, PLACES + 1)]
    names = tuple(dict.fromkeys(name for name in chosen if name))
    known = {profile.name for profile in await _saved(visit)}
    if zone is None or not known.issuperset(names):
        return visit.go("routes", note="bad_value")
    try:
        plan = (await routes.get_plan(store)).changed(zone, names)
    except ValueError:
        return visit.go("routes", note="bad_value")
    await routes.put_plan(store, plan)
    _nudge(visit)
    await record(visit, "zone_routed", f"{zone or 'others'}: {', '.join(names) or 'none'}")
    return visit.go("routes", note="zone_routed")


PAGES = (
    look("routes", show),
    look("route-new", fresh),
    look("routes/{name}", one),
    act("routes", save, proof=True),
    act("route-zones", set_zone, proof=True),
    act("routes/{name}/state", switch, proof=True),
    act("routes/{name}/remove", remove, proof=True),
    act("routes/{name}/test", test, proof=True),
)
