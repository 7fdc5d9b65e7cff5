"""Отчёты: codes over time, times to arrival, zones, savings and rejections of a period."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from starlette.responses import Response

from kodgate.core import tariffs
from kodgate.core.errors import BY_NUMBER
from kodgate.web.cabinet import figures, words
from kodgate.web.cabinet.pages.overview import NAMES, TIMES_MAX, period
from kodgate.web.cabinet.pages.requests import error_text
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.visit import Page, Visit

BUCKETS_MS = {"1h": 60_000, "24h": 1_800_000, "7d": 21_600_000, "30d": 86_400_000}
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    zone: int
    packets: int
    """Messages of the first step stand for packets."""
    confirmed: int
    cost: int


async def show(visit: Visit) -> Response:
    cabinet, account = visit.site.cabinet, visit.own
    name, since, until = period(visit)
    bucket = BUCKETS_MS[name]
    counted = await cabinet.per_bucket(account.id, since=since, until=until, bucket_ms=bucket)
    arrivals = await cabinet.arrivals(account.id, since=since, until=until, limit=TIMES_MAX)
    zones = await cabinet.by_zone(account.id, since=since, until=until)
    funnel = figures.funnel(await cabinet.tallies(account.id, since=since, until=until))
    return visit.page(
        "reports.html",
        period=name,
        periods=NAMES,
        buckets=_filled(counted, since, until, bucket),
        times=_times(arrivals),
        zones=_zones(zones),
        funnel=funnel,
        savings=await _savings(visit, zones),
        rejections=_rejections(visit),
    )


def _filled(
    counted: list[tuple[int, str, int]], since: int, until: int, bucket: int
) -> list[tuple[int, dict[str, int]]]:
    """(start, channel -> messages), with the empty ones."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for at, channel, count in counted:
        found[at][channel] = count
    first = since // bucket * bucket
    return [(at, found.get(at, {})) for at in range(first, until, bucket)]


def _times(arrivals: list[tuple[str, int]]) -> list[tuple[str, int, list[int | None]]]:
    """(channel, how many, ms at p50, p90, p99)."""
    by_channel = defaultdict(list)
    for channel, ms in arrivals:
        by_channel[channel].append(ms)
    return [
        (channel, len(found), [figures.percentile(found, share) for share in SHARES])
        for channel in words.CHANNELS
        if (found := by_channel.get(channel))
    ]


def _zones(rows: list[tuple[int, str, int, int, int]]) -> list[ZoneRow]:
    """Worst share first. A packet's first step is the larger count of its zone's channels."""
    by_zone = defaultdict(list)
    for zone, _, count, confirmed, cost in rows:
        by_zone[zone].append((count, confirmed, cost))
    found = [
        ZoneRow(
            zone=zone,
            packets=max(count for count, _, _ in sums),
            confirmed=sum(confirmed for _, confirmed, _ in sums),
            cost=sum(cost for _, _, cost in sums),
        )
        for zone, sums in by_zone.items()
    ]
    return sorted(found, key=lambda row: row.confirmed / row.packets)


async def _savings(visit: Visit, rows: list[tuple[int, str, int, int, int]]) -> int | None:
    """What the codes that Telegram brought would have cost by SMS, less what they did cost."""
    versions = await visit.site.engine.store.tariffs()
    tariff = tariffs.current(versions, visit.own.tariff, visit.site.engine.clock.now())
    if tariff is None:
        return None
    saved = 0
    for zone, channel, _, confirmed, cost in rows:
        price = tariff.prices.get((zone, "sms"))
        if channel == "telegram" and price is not None:
            saved += confirmed * price.price - cost
    return saved


def _rejections(visit: Visit) -> list[tuple[int, str, int]]:
    """(error, its text, how many) of the requests that are remembered."""
    heard = visit.site.journal.of(visit.own.login)
    counts = Counter(one.error for one in heard if one.error)
    return [(n, error_text(visit, BY_NUMBER[n]), count) for n, count in counts.most_common()]


PAGES = (Page(path="reports", view=show, right=Right.MONEY),)
