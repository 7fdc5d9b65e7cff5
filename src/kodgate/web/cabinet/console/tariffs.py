"""Тарифы: the versions of each, and a new one from CSV, looked at before it is saved."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from kodgate.core import phones, tariff_csv, tariffs
from kodgate.core.errors import Refused
from kodgate.core.tariff_csv import PriceChange, ZoneChange
from kodgate.core.tariffs import Price, Tariff
from kodgate.web.cabinet.console.desk import act, desk, look, record
from kodgate.web.cabinet.console.mistakes import told
from kodgate.web.cabinet.visit import Visit

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a form asks for, checked; `text` is its CSV."""

    tariff: Tariff
    old: Tariff | None
    """The version that it replaces, or follows."""
    text: str
    since: str
    changes: list[ZoneChange | PriceChange]
    replaces: bool
    """There is a version of the same instant: it is written over."""


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, *, status: int = 200, error: str = "", **kept: str) -> Response:
    store, now = visit.site.engine.store, visit.site.engine.clock.now()
    versions = await store.tariffs()
    accounts: dict[str, int] = defaultdict(int)
    for account in await store.accounts():
        accounts[account.tariff] += 1
    rows = [
        (version, _standing(versions, version, now), accounts[version.name])
        for version in sorted(versions, key=lambda one: (one.name, -one.valid_from))
    ]
    return visit.page(
        "console/tariffs.html",
        status=status,
        rows=rows,
        missing=sorted(set(accounts) - {version.name for version in versions}),
        error=error,
        kept={"name": "default", "since": "", "text": "", **kept},
    )


def _standing(versions: list[Tariff], version: Tariff, now: int) -> str:
    """`current`, `future` or `past`."""
    if version.valid_from > now:
        return "future"
    return "current" if tariffs.current(versions, version.name, now) is version else "past"


async def one(visit: Visit) -> Response:
    """A version in full; without `since` the one that is in force."""
    name, since = visit.request.path_params["name"], visit.query.get("since", "")
    now = visit.site.engine.clock.now()
    versions = [each for each in await visit.site.engine.store.tariffs() if each.name == name]
    found = tariffs.current(versions, name, now)
    if since:
        found = next((each for each in versions if str(each.valid_from) == since), None)
    if found is None:
        return visit.site.refuse(visit, 404)
    return visit.page(
        "console/tariff.html",
        tariff=found,
        standing=_standing(versions, found, now),
        prefixes=_prefixes(found),
        asked=visit.query.get("phone", "").strip()[: phones.TEXT_MAX],
        answer=_zone_of(found, visit.query.get("phone", "")),
        text=as_csv(found),
    )


def _prefixes(tariff: Tariff) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for prefix, zone in sorted(tariff.zones.items()):
        found[zone].append(prefix or "*")
    return found


def _zone_of(tariff: Tariff, text: str) -> tuple[bool, int | None, list[tuple[str, Price]]]:
    """(is a phone, its zone, its prices by channel)."""
    try:
        phone = phones.normalise(text[: phones.TEXT_MAX])
    except Refused:
        return False, None, []
    zone = tariff.zone_of(phone)
    prices = [(key[1], price) for key, price in sorted(tariff.prices.items()) if key[0] == zone]
    return True, zone, prices


def as_csv(tariff: Tariff) -> str:
    """What `tariff_csv.parse` reads back."""
    lines = [";".join(tariff_csv.COLUMNS)]
    for prefix, zone in sorted(tariff.zones.items()):
        for (of, channel), price in sorted(tariff.prices.items()):
            if of == zone:
                cells = (tariff_csv.printed(price.price), tariff_csv.printed(price.cost))
                lines.append(";".join((prefix or "*", str(zone), channel, *cells)))
    return "\n".join(lines) + "\n"


async def preview(visit: Visit) -> Response:
    """What would change; nothing is saved yet."""
    try:
        draft = await _draft(visit)
    except ValueError as error:
        return await _wrong(visit, error)
    return visit.page("console/tariff_preview.html", draft=draft)


async def save(visit: Visit) -> Response:
    try:
        draft = await _draft(visit)
    except ValueError as error:
        return await _wrong(visit, error)
    now = visit.site.engine.clock.now()
    await visit.site.engine.store.save_tariff(draft.tariff, at=now)
    desk(visit).engine.accounts.forget()
    since = datetime.fromtimestamp(draft.tariff.valid_from / 1000, UTC)
    detail = f"{draft.tariff.name} from {since:%Y-%m-%d %H:%M} UTC, {len(draft.changes)} changes"
    await record(visit, "tariff_saved", detail)
    return visit.go("tariffs", note="tariff_saved")


async def _wrong(visit: Visit, error: ValueError) -> Response:
    form = visit.form
    return await _page(
        visit,
        status=422,
        error=told(visit.writer, str(error), {}),
        name=form.get("name", ""),
        since=form.get("since", ""),
        text=form.get("text", ""),
    )


async def _draft(visit: Visit) -> Draft:
    """Raises ValueError that says what is wrong, as `kodgate tariff import` does."""
    form, now = visit.form, visit.site.engine.clock.now()
    name, since = form.get("name", "").strip(), form.get("since", "").strip()
    if not NAME.fullmatch(name):
        raise ValueError("a tariff's name is 1 to 32 of a-z, 0-9, - and _")
    valid_from = _instant(since, now)
    text = form.get("text", "").lstrip("\ufeff")
    tariff = tariff_csv.parse(text, name=name, valid_from=valid_from)
    versions = await visit.site.engine.store.tariffs()
    old = tariffs.current(versions, name, valid_from)
    return Draft(
        tariff=tariff,
        old=old,
        text=text,
        since=since,
        changes=tariff_csv.changes(old, tariff),
        replaces=old is not None and old.valid_from == valid_from,
    )


def _instant(text: str, now: int) -> int:
    """Business ms of `YYYY-MM-DD[THH:MM]`, UTC; empty: now. Raises ValueError."""
    if not text:
        return now
    if not _INSTANT.fullmatch(text):
        raise ValueError("the date is YYYY-MM-DD, or YYYY-MM-DDTHH:MM, in UTC")
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("there is no such date") from None


PAGES = (
    look("tariffs", show),
    act("tariffs/preview", preview),
    act("tariffs/save", save, proof=True),
    look("tariffs/{name}", one),
)
