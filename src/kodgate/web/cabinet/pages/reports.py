"""Отчёты: pace, times to arrival, delivered share and cost by zone, savings, refusals; and CSV."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from starlette.responses import Response

from kodgate.core import money as amounts
from kodgate.core import tariffs
from kodgate.core.errors import BY_NUMBER
from kodgate.core.tariffs import Tariff
from kodgate.store.sums import ALL, HOUR_MS, Arrivals, Slots, Sum
from kodgate.web.cabinet import figures, words
from kodgate.web.cabinet.figures import PERIODS
from kodgate.web.cabinet.pages.overview import NAMES, period
from kodgate.web.cabinet.pages.requests import error_text
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.senders import losses
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_

MINUTE_MS = 60_000
PACE_MS = {"1h": MINUTE_MS, "24h": MINUTE_MS, "7d": HOUR_MS, "30d": 6 * HOUR_MS}
"""Period -> slot of the pace; where it is longer than a minute, the pace is its mean."""
TREND_MS = {"1h": 5 * MINUTE_MS, "24h": HOUR_MS, "7d": 6 * HOUR_MS, "30d": 24 * HOUR_MS}
"""Period -> slot of the times to arrival and of the savings."""
SHARES = (0.5, 0.9, 0.99)

COLUMNS = (
    N_("Начало"),
    N_("Зона"),
    N_("Канал"),
    N_("Сообщений"),
    N_("Доставлено"),
    N_("Списано"),
    N_("Возвращено"),
    N_("Стоимость"),
)
"""Of the CSV."""

Counted = tuple[int, str, int]
"""Begin of a slot, ms; channel; messages."""
Pace = tuple[int, str, list[tuple[float, str]]]
"""Begin of a slot, s, and as text; codes a minute by channel, each also as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """What became of the codes of one zone. Money in 1/10,000 of the currency unit."""

    zone: int
    packets: int
    delivered: int
    charged: dict[str, int]
    """By channel."""
    refunded: int

    @property
    def cost(self) -> int:
        return sum(self.charged.values()) - self.refunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What the codes that Telegram brought were cheaper than by SMS alone."""

    total: int
    before: int
    """In the period before this one."""
    by_slot: list[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections:
    """Requests that were refused, every one of them counted."""

    errors: list[tuple[int, str, int]]
    """Number, text and how many; the most frequent first."""
    requests: int
    """Refused or not."""
    by_slot: list[tuple[int, int, list[int]]]
    """Begin and end of a slot, ms; how many of each error, in the order of `errors`."""

    @property
    def total(self) -> int:
        return sum(count for _, _, count in self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a period in which one tariff was in force."""

    tariff: Tariff | None
    sums: list[Sum]


async def show(visit: Visit) -> Response:
    name, since, until = period(visit)
    slots, steps = _slots(visit, TREND_MS[name]), _slots(visit, PACE_MS[name])
    pieces, before, arrivals, minutes, rejections, lost = await asyncio.gather(
        _pieces(visit, since, until, slots if steps.length_ms < HOUR_MS else steps),
        _pieces(visit, since - PERIODS[name], since, ALL),
        visit.site.sums.arrivals(visit.own.id, since=since, until=until, slots=slots),
        _minutes(visit, since, until, steps),
        _rejections(visit, since, until, slots),
        losses(visit, since, until),
    )
    found = [row for piece in pieces for row in piece.sums]
    return visit.page(
        "reports.html",
        period=name,
        periods=NAMES,
        span=(since, until),
        pace=_pace(visit, _counted(found) if minutes is None else minutes, steps),
        pace_ms=PACE_MS[name],
        trend_ms=TREND_MS[name],
        times=_times(row._replace(at=0) for row in arrivals),
        times_by_slot=_times(arrivals),
        zones=_zones(found),
        funnel=figures.funnel(found),
        saved=_saved(pieces, before, slots),
        rejections=rejections,
        losses=lost,
    )


def _slots(visit: Visit, length_ms: int) -> Slots:
    """They begin with the account's own days, by what its zone is at now."""
    offset = visit.writer.moment(visit.site.engine.clock.now()).utcoffset()
    shift = 0 if offset is None else int(offset.total_seconds() * 1000)
    return Slots(length_ms, shift if length_ms > HOUR_MS else 0)


async def _pieces(visit: Visit, since: int, until: int, slots: Slots) -> list[Piece]:
    versions = await visit.site.engine.store.tariffs()
    begins = [t.valid_from for t in versions if t.name == visit.own.tariff]
    ends = [since, *sorted(at for at in begins if since < at < until), until]
    return [
        Piece(
            tariff=tariffs.current(versions, visit.own.tariff, begin),
            sums=await visit.site.sums.messages(visit.own.id, since=begin, until=end, slots=slots),
        )
        for begin, end in pairwise(ends)
    ]


async def _minutes(visit: Visit, since: int, until: int, steps: Slots) -> list[Counted] | None:
    """None: the steps are so long that the sums of messages tell the pace too."""
    if steps.length_ms >= HOUR_MS:
        return None
    return await visit.site.sums.pace(visit.own.id, since=since, until=until, slots=steps)


def _counted(found: Iterable[Sum]) -> list[Counted]:
    return [(row.at, row.channel, row.total) for row in found]


def _pace(visit: Visit, counted: Iterable[Counted], steps: Slots) -> list[Pace]:
    """The slots in which anything was accepted. A day has many, so they come ready to print."""
    by_slot: dict[int, Counter[str]] = {}
    for at, channel, count in counted:
        by_slot.setdefault(at, Counter())[channel] += count
    minutes, w = steps.length_ms // MINUTE_MS, visit.writer
    return [
        (
            at // 1000,
            w.minute(at),
            [_mean(by_slot[at][channel], minutes, w) for channel in words.CHANNELS],
        )
        for at in sorted(by_slot)
    ]


def _mean(count: int, minutes: int, w: Writer) -> tuple[float, str]:
    """Of a minute: as a number, and as it is written."""
    mean = count if minutes == 1 else round(count / minutes, 2)
    return mean, w.number(mean)


def _times(
    arrivals: Iterable[Arrivals],
) -> list[tuple[int, dict[str, tuple[int, list[int | None]]]]]:
    """(begin of slot, channel -> (codes, ms at p50, p90, p99))."""
    found: dict[int, dict[str, Counter[int]]] = {}
    for row in arrivals:
        by_channel = found.setdefault(row.at, {})
        by_channel.setdefault(row.channel, Counter())[row.ms] += row.total
    return [
        (
            at,
            {
                channel: (counts.total(), [figures.percentile_of(counts, p) for p in SHARES])
                for channel, counts in by_channel.items()
            },
        )
        for at, by_channel in sorted(found.items())
    ]


def _zones(found: Sequence[Sum]) -> list[Zone]:
    """The worst share first."""
    by_zone: dict[int, list[Sum]] = {}
    for row in found:
        by_zone.setdefault(row.zone, []).append(row)
    zones = [_zone(zone, rows) for zone, rows in by_zone.items()]
    return sorted(zones, key=lambda one: (one.delivered / max(1, one.packets), one.zone))


def _zone(zone: int, rows: Sequence[Sum]) -> Zone:
    charged: Counter[str] = Counter()
    for row in rows:
        charged[row.channel] += row.charged
    return Zone(
        zone=zone,
        packets=sum(row.total for row in rows if row.num == 1),
        delivered=sum(row.total for row in rows if row.state == "confirmed"),
        charged=dict(charged),
        refunded=sum(row.refunded for row in rows),
    )


def _saved(pieces: Sequence[Piece], earlier: Sequence[Piece], slots: Slots) -> Saved | None:
    """By the SMS prices of their time. None: there are none."""
    prices = [one for piece in pieces if piece.tariff is not None for one in piece.tariff.prices]
    if not any(channel == "sms" for _, channel in prices):
        return None
    by_slot: Counter[int] = Counter()
    for piece in pieces:
        for row in piece.sums:
            by_slot[slots.begin(row.at)] += _saving(piece, row)
    return Saved(
        total=by_slot.total(),
        before=sum(_saving(piece, row) for piece in earlier for row in piece.sums),
        by_slot=sorted(by_slot.items()),
    )


def _saving(piece: Piece, row: Sum) -> int:
    if row.channel != "telegram" or row.state != "confirmed" or piece.tariff is None:
        return 0
    price = piece.tariff.prices.get((row.zone, "sms"))
    return 0 if price is None else row.total * price.price - row.charged + row.refunded


async def _rejections(visit: Visit, since: int, until: int, slots: Slots) -> Rejections | None:
    """None: there were none."""
    await visit.site.journal.flush()
    store = visit.site.journal.store
    found = await store.counts(visit.own.id, since=since, until=until, slots=slots)
    sums: Counter[int] = Counter()
    by_slot: dict[int, Counter[int]] = {}
    for one in found:
        if one.error:
            sums[one.error] += one.total
            by_slot.setdefault(one.at, Counter())[one.error] += one.total
    if not sums:
        return None
    numbers = [number for number, _ in sums.most_common()]
    return Rejections(
        errors=[(n, error_text(visit, BY_NUMBER[n]), sums[n]) for n in numbers],
        requests=sum(one.total for one in found),
        by_slot=[
            (at, at + slots.length_ms, [counts[n] for n in numbers])
            for at, counts in sorted(by_slot.items())
        ],
    )


# The same as a file


async def export(visit: Visit) -> Response:
    """By slot, zone and channel; for Russian Excel and 1C: `;`, a decimal comma, a byte-order
    mark, CRLF."""
    name, since, until = period(visit)
    slots = _slots(visit, max(HOUR_MS, TREND_MS[name]))
    found = await visit.site.sums.messages(visit.own.id, since=since, until=until, slots=slots)
    await visit.audit("export", f"report {name}")
    file = f"report-{visit.own.login}-{name}.csv"
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    body = "\ufeff" + as_csv(found, visit.writer)
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


def as_csv(found: Iterable[Sum], w: Writer) -> str:
    sums: dict[tuple[int, int, str], Counter[str]] = {}
    for row in found:
        counts = sums.setdefault((row.at, row.zone, row.channel), Counter())
        counts["total"] += row.total
        counts["delivered"] += row.total if row.state == "confirmed" else 0
        counts["charged"] += row.charged
        counts["refunded"] += row.refunded
    written = io.StringIO()
    lines = csv.writer(written, delimiter=";", lineterminator="\r\n")
    lines.writerow([w.text(column) for column in COLUMNS])
    for (at, zone, channel), counts in sorted(sums.items()):
        money = [counts["charged"], counts["refunded"], counts["charged"] - counts["refunded"]]
        places = amounts.decimals(*money)
        lines.writerow(
            [
                f"{w.moment(at):%d.%m.%Y %H:%M}",
                zone,
                words.CHANNELS.get(channel, channel),
                counts["total"],
                counts["delivered"],
                *(amounts.text(amount, places, ",") for amount in money),
            ]
        )
    return written.getvalue()


PAGES = (
    Page(path="reports", view=show, right=Right.MONEY),
    Page(path="reports/report.csv", view=export, right=Right.MONEY),
)
