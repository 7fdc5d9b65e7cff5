"""Binds of SMPP routes, leased to processes: what `core.binds` decides, under one lock."""

from __future__ import annotations

from kodgate.core import binds
from kodgate.core.binds import Asking, Bidder, Decided, Lease
from kodgate.store import sql
from kodgate.store.program import Hold, Program, ask, many

LOCK = "binds"


def lease(asking: Asking) -> Program[Decided]:
    """One process's word, and what becomes of the leases."""
    yield Hold([LOCK])
    bidders = [
        Bidder(holder=row[0], node=row[1], lease_until=row[2], failing=bool(row[3]))
        for row in (yield from ask(sql.BIDDERS))
    ]
    decided = binds.decide(asking, (yield from leases()), bidders)
    lines = [
        (one.route, one.num, one.node, one.holder, one.epoch, one.lease_until, one.why)
        for one in decided.changed
    ]
    yield from many(sql.SAVE_BINDS, lines, sql.OR_REPLACE_BIND)
    me = asking.bidder
    yield from ask(sql.DROP_BIDDERS, asking.now, me.holder, me.node if asking.starts else "")
    if not asking.leaves:
        line = (me.holder, me.node, me.lease_until, int(me.failing))
        yield from ask(sql.ADD_BIDDER, *line)
    return decided


def leases() -> Program[list[Lease]]:
    return [
        Lease(
            route=row[0],
            num=row[1],
            node=row[2],
            holder=row[3],
            epoch=row[4],
            lease_until=row[5],
            why=row[6],
        )
        for row in (yield from ask(sql.BINDS))
    ]
