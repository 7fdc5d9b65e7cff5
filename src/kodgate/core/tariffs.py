"""Prices: a phone's zone by longest prefix, a price by zone and channel, valid from a date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kodgate.core.money import MONEY_MAX
from kodgate.core.phones import is_digits
from kodgate.core.types import PlannedStep, Step

PREFIX_MAX = 10
ZONE_MAX = 9_999

NEVER_OPEN = ("870", "878", "881", "882", "883", "888", "979")
"""Satellite, global and premium codes: priced only where a tariff names them itself (S-40)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the customer pays and what the provider is expected to take, 1/10,000."""

    price: int
    cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One version of a tariff. A later `valid_from` replaces it from that instant on."""

    name: str
    valid_from: int
    zones: Mapping[str, int]
    """Prefix -> zone; the empty prefix is every other number."""
    prices: Mapping[tuple[int, str], Price]
    """(zone, channel) -> price; no row: the zone is closed for that channel."""
    longest: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "longest", max((len(p) for p in self.zones), default=0))

    def zone_of(self, phone: str) -> int | None:
        """The zone of the longest prefix that fits; None: no zone."""
        for size in range(min(self.longest, len(phone)), -1, -1):
            zone = self.zones.get(phone[:size])
            if zone is not None:
                return None if _is_closed(phone, size) else zone
        return None


def _is_closed(phone: str, size: int) -> bool:
    """A code of `NEVER_OPEN` that the tariff's prefix, `size` digits long, does not name itself."""
    return phone.startswith(NEVER_OPEN) and any(
        len(code) > size and phone.startswith(code) for code in NEVER_OPEN
    )


def check(tariff: Tariff) -> None:
    """Raises ValueError naming the first row that may not be saved (S-119)."""
    for prefix, zone in tariff.zones.items():
        if len(prefix) > PREFIX_MAX or not (prefix == "" or is_digits(prefix)):
            raise ValueError(f"bad prefix {prefix!r}")
        if not 1 <= zone <= ZONE_MAX:
            raise ValueError(f"bad zone {zone} of prefix {prefix!r}")
    for (zone, channel), row in tariff.prices.items():
        if not 0 < row.price <= MONEY_MAX:
            raise ValueError(f"the price of zone {zone}, channel {channel} must be above zero")
        if not 0 <= row.cost <= MONEY_MAX:
            raise ValueError(f"the cost of zone {zone}, channel {channel} must not be negative")


def current(versions: Iterable[Tariff], name: str, at: int) -> Tariff | None:
    """The version of a tariff in force at an instant."""
    newest = None
    for one in versions:
        if one.name == name and one.valid_from <= at:
            newest = one if newest is None or one.valid_from > newest.valid_from else newest
    return newest


def plan(tariff: Tariff, zone: int, steps: Iterable[Step]) -> tuple[PlannedStep, ...] | None:
    """The steps with their prices fixed; None where a step has no price: the zone is closed."""
    planned = []
    for step in steps:
        row = tariff.prices.get((zone, step.channel))
        if row is None:
            return None
        planned.append(
            PlannedStep(
                channel=step.channel,
                wait_s=step.wait_s,
                handover_s=step.handover_s,
                success=step.success,
                refund=step.refund,
                price=row.price,
                cost=row.cost,
            )
        )
    return tuple(planned)
