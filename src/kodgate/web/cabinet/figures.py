"""Sums that several pages show: the funnel, shares and times of a period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kodgate.store.cabinet import Tally

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


def funnel(tallies: Iterable[Tally]) -> Funnel:
    rows = list(tallies)

    def count(**wanted: object) -> int:
        return sum(
            row.count
            for row in rows
            if all(getattr(row, name) == value for name, value in wanted.items())
        )

    return Funnel(
        accepted=count(num=1),
        telegram=count(channel="telegram"),
        telegram_delivered=count(channel="telegram", arrived=True),
        telegram_read=count(channel="telegram", state="confirmed"),
        sms=count(channel="sms"),
        sms_delivered=count(channel="sms", state="confirmed"),
        confirmed=count(state="confirmed"),
        open=sum(count(state=state) for state in OPEN),
        refunds=sum(row.refunded for row in rows),
        charged=sum(row.charged for row in rows),
    )


def percentile(values: Sequence[int], share: float) -> int | None:
    """The nearest-rank percentile; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
