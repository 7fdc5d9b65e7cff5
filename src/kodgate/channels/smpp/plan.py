"""Which routes serve which zone, in which order. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

OTHERS = 0
"""In the place of a zone: every zone that has no row of its own."""

ZONE_MAX = 9_999
ROUTES_MAX = 16
"""Of one zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Zone -> its routes; the second is used while the first one's link is lost (D10)."""

    zones: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def routes(self, zone: int) -> tuple[str, ...] | None:
        """None: the routes' own priorities and prefixes decide."""
        return self.zones.get(zone) or self.zones.get(OTHERS)

    def changed(self, zone: int, routes: tuple[str, ...]) -> Plan:
        """No routes: the zone has no row any more. Raises ValueError."""
        if not 0 <= zone <= ZONE_MAX:
            raise ValueError(f"zone: must be between 1 and {ZONE_MAX}")
        if len(routes) > ROUTES_MAX or len(set(routes)) < len(routes):
            raise ValueError(f"routes: at most {ROUTES_MAX}, each once")
        zones = {number: names for number, names in self.zones.items() if number != zone}
        return Plan(zones=zones | ({zone: routes} if routes else {}))

    def without(self, route: str) -> Plan:
        """Where a route was the only one, its zone has no row any more."""
        left = {
            zone: tuple(name for name in names if name != route)
            for zone, names in self.zones.items()
        }
        return Plan(zones={zone: names for zone, names in left.items() if names})

    def unknown(self, routes: Collection[str]) -> list[str]:
        """Names in it that are no routes."""
        return sorted({name for names in self.zones.values() for name in names} - set(routes))


def load(text: str | None) -> Plan:
    """What `save` made; None: nothing was saved yet."""
    found = json.loads(text or "{}")
    return Plan(zones={int(zone): tuple(names) for zone, names in found.items()})


def save(plan: Plan) -> str:
    return json.dumps({str(zone): list(names) for zone, names in sorted(plan.zones.items())})
