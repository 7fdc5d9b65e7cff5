"""That a provider reports what is read, to whichever process: known to all, so that none polls in
vain (D9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kodgate.store import Store

KEY = "read reported: "
FRESHER_MS = 5_000
"""News that are worth a write."""


async def share(store: Store, channels: Iterable[Any], *, wall_ms: int) -> None:
    """Tells the others of the last report that came here, and hears of theirs. Raises Unavailable,
    InDoubt. `channels`: those without reports are passed over."""
    for channel in channels:
        if not hasattr(channel, "last_report_s"):
            continue
        text, ago_s = await store.get(f"{KEY}{channel.name}"), channel.last_report_s
        known = int(text) if text else 0
        own = 0 if ago_s is None else wall_ms - int(ago_s * 1000)
        if own > known + FRESHER_MS:
            await store.put(f"{KEY}{channel.name}", str(own))
        elif known > own:
            channel.reported_elsewhere(max(0, wall_ms - known) / 1000)
