"""Поставщики: what each took, owes and gave back, and what we paid for codes that the customer
was given the money back for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from kodgate.core.types import BookingKind
from kodgate.store.console import Booked, Exposed
from kodgate.web.cabinet.console.desk import PERIOD_NAMES, desk, logins, look, period
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit

UNREAD = "unread"


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
    readings = desk(visit).readings
    name, since, until = period(visit, "30d")
    chosen = number_of(visit.query.get("account", ""))
    booked = [
        each
        for each in await readings.booked(since=since, until=until)
        if chosen is None or each.account_id == chosen
    ]
    exposed = [
        each
        for each in await readings.exposed(since=since, until=until)
        if chosen is None or each.account_id == chosen
    ]
    names = await logins(visit)
    return visit.page(
        "console/providers.html",
        period=name,
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


PAGES = (look("providers", show),)
