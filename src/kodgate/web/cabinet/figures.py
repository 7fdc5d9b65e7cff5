"""Sums that several pages show: the funnel, shares and times of a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from kodgate.store.sums import Sum

PERIODS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000}
PERIOD = "24h"

OPEN = ("queued", "sent", "delivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """Live packets of a period, by how far they came; the denominator is `accepted`."""

    accepted: int
    telegram: int
    telegram_delivered: int
    telegram_read: int
    sms: int
    sms_delivered: int
    confirmed: int
    open: int
    refunds: int
    """1/10,000 of the currency unit."""
    charged: int

    @property
    def lost(self) -> int:
        """Ended, and no channel brought the code to success."""
        return max(0, self.accepted - self.confirmed - self.open)

    @property
    def cost(self) -> int:
        return self.charged - self.refunds


def funnel(sums: Iterable[Sum]) -> Funnel:
    told: Counter[str] = Counter()
    for row in sums:
        for name in _belongs_to(row):
            told[name] += row.total
        told["refunds"] += row.refunded
        told["charged"] += row.charged
    names = (field.name for field in fields(Funnel))
    return Funnel(**{name: told[name] for name in names})


def _belongs_to(row: Sum) -> Iterator[str]:
    """The figures of the funnel that a message counts in."""
    if row.num == 1:
        yield "accepted"
    if row.channel in ("telegram", "sms"):
        yield row.channel
    if row.channel == "telegram" and row.arrived:
        yield "telegram_delivered"
    if row.state == "confirmed":
        yield "confirmed"
        yield "telegram_read" if row.channel == "telegram" else "sms_delivered"
    elif row.state in OPEN:
        yield "open"


def percentile(values: Sequence[int], share: float) -> int | None:
    """The nearest-rank percentile; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def percentile_of(counts: Mapping[int, int], share: float) -> int | None:
    """The same of values that are counted: value -> how many."""
    rank = int(share * sum(counts.values()))
    for value in sorted(counts):
        rank -= counts[value]
        if rank < 0:
            return value
    return max(counts, default=None)
