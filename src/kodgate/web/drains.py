"""Which channels are out of work: kept in the database, followed by the valves of every node."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kodgate.channels.valve import Valve
from kodgate.store import Store

KEY = "drained channels"


async def drained(store: Store) -> frozenset[str]:
    """The names. Raises Unavailable."""
    text = await store.get(KEY)
    return frozenset(json.loads(text)) if text else frozenset()


async def drain(store: Store, name: str, *, out: bool) -> None:
    """Takes a channel out of work, or puts it back. Raises Unavailable, InDoubt."""
    names = await drained(store)
    names = names | {name} if out else names - {name}
    await store.put(KEY, json.dumps(sorted(names)))


async def follow(store: Store, valves: Iterable[object]) -> None:
    """Every valve as the database says."""
    names = await drained(store)
    for valve in valves:
        if isinstance(valve, Valve):
            valve.shut = valve.name in names
