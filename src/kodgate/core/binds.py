"""Which node holds which bind of which SMPP route: leases, shares and takeovers. Pure.

As many nodes hold binds as the route with the fewest binds allows, so that each of them reaches
every provider; the others stand by. Whoever holds binds keeps them as long as it can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Bind = tuple[str, int]
"""A route's name, and the number of the bind from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who may hold a bind, and until when (business ms)."""

    route: str
    num: int
    node: str
    holder: str
    """The process: a node that starts again is another one."""
    epoch: int
    """One more with every holder."""
    lease_until: int
    why: str
    """Why it is not bound, as its holder last said; empty: it is."""

    @property
    def bind(self) -> Bind:
        return self.route, self.num

    def is_up(self, now: int) -> bool:
        return self.lease_until > now and not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidder:
    """A process that would hold binds."""

    holder: str
    node: str
    lease_until: int
    failing: bool
    """It held binds, and could bind none of them: others are preferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a process says and wants of the leases. Instants: business ms."""

    bidder: Bidder
    """Its own entry; `lease_until` is also that of its leases."""
    wanted: Mapping[str, int]
    """Route -> its binds."""
    why: Mapping[Bind, str] = field(default_factory=dict)
    """How the binds are that it holds."""
    returned: frozenset[Bind] = frozenset()
    """What it has unbound."""
    starts: bool = False
    """Its first word: what its node's name held before is free."""
    leaves: bool = False
    """Its last word."""
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The leases after it."""

    leases: tuple[Lease, ...]
    own: frozenset[Bind] = frozenset()
    surplus: frozenset[Bind] = frozenset()
    """Of its own those that it should unbind and return."""
    changed: tuple[Lease, ...] = ()
    """To be written."""


def decide(asking: Asking, leases: Iterable[Lease], bidders: Iterable[Bidder]) -> Decided:
    """Renews, returns and takes for one process, over what was read under lock."""
    me, now = asking.bidder, asking.now
    found = {lease.bind: _freed(asking, lease) for lease in leases}
    own = {lease.bind for lease in found.values() if lease.holder == me.holder}
    present = [one for one in bidders if one.lease_until > now and one.holder != me.holder]
    if asking.starts:
        present = [one for one in present if one.node != me.node]
    shares = {} if asking.leaves else share(asking.wanted, me, [me, *present], found.values())
    keep, take = set(), set()
    for route, count in shares.items():
        held = sorted(bind for bind in own if bind[0] == route and bind[1] <= asking.wanted[route])
        keep |= set(held[:count])
        free = [
            (route, num)
            for num in range(1, asking.wanted[route] + 1)
            if (route, num) not in found or found[route, num].lease_until <= now
        ]
        missing = max(0, count - len(held))
        take |= set([bind for bind in free if bind not in own][:missing])
    for bind in own | take:
        found[bind] = _leased(asking, bind, found.get(bind))
    return Decided(
        leases=tuple(found.values()),
        own=frozenset(own | take),
        surplus=frozenset(own - keep),
        changed=tuple(_changed(leases, found)),
    )


def share(
    wanted: Mapping[str, int], me: Bidder, bidders: Iterable[Bidder], leases: Iterable[Lease]
) -> dict[str, int]:
    """How many binds of each route are one process's part."""
    held = Counter(lease.holder for lease in leases)
    ranked = sorted(bidders, key=lambda one: (one.failing, -held[one.holder], one.node, one.holder))
    able = [one for one in ranked if not one.failing] or ranked
    active = able[: min(wanted.values(), default=0)]
    if me not in active:
        return dict.fromkeys(wanted, 0)
    place = active.index(me)
    return {
        route: count // len(active) + (place < count % len(active))
        for route, count in wanted.items()
    }


def _freed(asking: Asking, lease: Lease) -> Lease:
    """Free where its holder gives it back, or is the one that this process follows."""
    mine = lease.holder == asking.bidder.holder
    given = mine and (asking.leaves or lease.bind in asking.returned)
    followed = asking.starts and not mine and lease.node == asking.bidder.node
    if given or followed:
        return replace(lease, holder="", lease_until=0)
    return lease


def _leased(asking: Asking, bind: Bind, lease: Lease | None) -> Lease:
    """Renewed, or taken."""
    me = asking.bidder
    if lease is not None and lease.holder == me.holder:
        why = asking.why.get(bind, lease.why)
        return replace(lease, lease_until=me.lease_until, why=why)
    return Lease(
        route=bind[0],
        num=bind[1],
        node=me.node,
        holder=me.holder,
        epoch=1 if lease is None else lease.epoch + 1,
        lease_until=me.lease_until,
        why="not bound yet",
    )


def _changed(before: Iterable[Lease], after: Mapping[Bind, Lease]) -> Iterable[Lease]:
    old = {lease.bind: lease for lease in before}
    return (lease for bind, lease in after.items() if old.get(bind) != lease)
