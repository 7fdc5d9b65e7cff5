"""Тарифы: prices by zone, which zone a number is in, and what a number of codes will cost."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kodgate.core import phones, tariffs
from kodgate.core.errors import Refused
from kodgate.core.tariffs import Tariff
from kodgate.web.cabinet import words
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Page, Visit

PREFIXES_SHOWN = 40
CODES_MAX = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    number: int
    prefixes: list[str]
    more: int
    """Prefixes that are not shown."""
    prices: dict[str, int]


async def show(visit: Visit) -> Response:
    now = visit.site.engine.clock.now()
    versions = await visit.site.engine.store.tariffs()
    name = visit.own.tariff
    tariff = tariffs.current(versions, name, now)
    coming = [t.valid_from for t in versions if t.name == name and t.valid_from > now]
    zones = [] if tariff is None else zones_of(tariff)
    return visit.page(
        "tariffs.html",
        tariff=tariff,
        zones=zones,
        choices=[(str(zone.number), str(zone.number)) for zone in zones],
        channels=[c for c in words.CHANNELS if any(c in zone.prices for zone in zones)],
        coming=min(coming, default=None),
        phone=visit.query.get("phone", "")[:32],
        checked=_check(visit, tariff),
        estimate=_estimate(visit, zones),
        asked={n: visit.query.get(n, "") for n in ("zone", "count", "read")},
    )


def zones_of(tariff: Tariff) -> list[Zone]:
    found = []
    for number in sorted(set(tariff.zones.values())):
        prefixes = sorted(p for p, zone in tariff.zones.items() if zone == number)
        prices = {c: row.price for (zone, c), row in tariff.prices.items() if zone == number}
        found.append(
            Zone(
                number=number,
                prefixes=prefixes[:PREFIXES_SHOWN],
                more=max(0, len(prefixes) - PREFIXES_SHOWN),
                prices=prices,
            )
        )
    return found


def _check(visit: Visit, tariff: Tariff | None) -> tuple[str, int | None] | None:
    """(what was asked, its zone); None: nothing was asked, or it is no number."""
    text = visit.query.get("phone", "")[:32]
    try:
        phone = phones.normalise(text)
    except Refused:
        return None
    return phone, tariff.zone_of(phone) if tariff is not None else None


def _estimate(visit: Visit, zones: list[Zone]) -> dict[str, int] | None:
    """Of `count` codes, `read` percent are read in Telegram and the others go by SMS."""
    zone = number_of(visit.query.get("zone", ""))
    count = number_of(visit.query.get("count", ""), most=CODES_MAX)
    read = number_of(visit.query.get("read", ""), most=100)
    prices = next((z.prices for z in zones if z.number == zone), {})
    if count is None or read is None or not {"telegram", "sms"} <= prices.keys():
        return None
    by_telegram = count * read // 100
    with_both = by_telegram * prices["telegram"] + (count - by_telegram) * prices["sms"]
    sms_only = count * prices["sms"]
    return {"both": with_both, "sms": sms_only, "saved": sms_only - with_both}


PAGES = (Page(path="tariffs", view=show),)
