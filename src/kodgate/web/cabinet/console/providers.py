"""Поставщики: what each took, owes and gave back, and what we paid for codes that the customer
was given the money back for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from starlette.responses import Response

from kodgate.core.types import BookingKind
from kodgate.store.console import Booked, Exposed
from kodgate.web.cabinet.console.desk import PERIOD_NAMES, act, desk, logins, look
from kodgate.web.cabinet.figures import PERIODS
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit

UNREAD = "unread"
REPORT_KEY = "console provider report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Bookings with one provider, in 1/10,000 of its currency."""

    name: str
    messages: int
    """Times that it took its price."""
    fees: int
    orphans: int
    """Perhaps taken: an answer was lost, and nothing was sent."""
    owed: int
    """It should give this back."""
    refunds: int
    write_offs: int

    @property
    def open(self) -> int:
        """Owed, and neither given back nor written off."""
        return self.owed - self.refunds - self.write_offs

    @property
    def net(self) -> int:
        """What it costs if all that is owed comes back."""
        return self.fees + self.orphans - self.owed + self.write_offs


async def show(visit: Visit) -> Response:
    """The last report; one account of it where one is asked for."""
    text = await visit.site.engine.store.get(REPORT_KEY)
    report = None if text is None else json.loads(text)
    chosen = number_of(visit.query.get("account", ""))
    booked = [Booked(**row) for row in _rows(report, "booked", chosen)]
    exposed = [Exposed(**row) for row in _rows(report, "exposed", chosen)]
    names = await logins(visit)
    return visit.page(
        "console/providers.html",
        report=report,
        period=report["period"] if report else "24h",
        periods=PERIOD_NAMES,
        providers=providers(booked),
        exposed=exposed,
        unread=_of_unread(exposed),
        logins=names,
        chosen=chosen,
        options=[
            ("", visit.writer.text("все")),
            *((str(id), login) for id, login in names.items()),
        ],
    )


def _rows(report: dict[str, Any] | None, part: str, chosen: int | None) -> list[dict[str, Any]]:
    rows = report[part] if report else []
    return [row for row in rows if chosen is None or row["account_id"] == chosen]


async def count(visit: Visit) -> Response:
    """Reads every booking of a period, and keeps the report: a month of codes takes seconds."""
    site, name = desk(visit), visit.form.get("period", "")
    if name not in PERIODS:
        return visit.go("providers", note="bad_value")
    until = site.engine.clock.now() + 1
    since = until - PERIODS[name]
    report = {
        "period": name,
        "since": since,
        "until": until,
        "booked": [asdict(row) for row in await site.readings.booked(since=since, until=until)],
        "exposed": [asdict(row) for row in await site.readings.exposed(since=since, until=until)],
    }
    await site.engine.store.put(REPORT_KEY, json.dumps(report))
    return visit.go("providers")


def providers(booked: Iterable[Booked]) -> list[Provider]:
    """By name."""
    amounts: dict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    for each in booked:
        amounts[each.provider][each.kind] += each.amount
        if each.kind == BookingKind.FEE:
            counts[each.provider] += each.count
    return [
        Provider(
            name=name,
            messages=counts[name],
            fees=sums[BookingKind.FEE],
            orphans=sums[BookingKind.ORPHAN_FEE],
            owed=sums[BookingKind.RECEIVABLE],
            refunds=sums[BookingKind.REFUND],
            write_offs=sums[BookingKind.WRITE_OFF],
        )
        for name, sums in sorted(amounts.items())
    ]


def _of_unread(exposed: Iterable[Exposed]) -> tuple[int, int, int]:
    """(messages, refunded, kept by the provider) that were delivered and not read in time."""
    own = [each for each in exposed if each.reason == UNREAD]
    return (
        sum(each.count for each in own),
        sum(each.refunded for each in own),
        sum(each.kept for each in own),
    )


PAGES = (look("providers", show), act("providers", count))
