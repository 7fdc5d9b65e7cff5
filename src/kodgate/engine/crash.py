"""Named crash points between the hops of architecture section 4, for the tests that kill there."""

from __future__ import annotations

import os
import signal

POINTS = {
    "accepted": "the packet is stored, the caller has no answer yet",
    "claimed": "the attempt is on record, nothing was sent",
    "checked": "the provider prepared the message, its id is not recorded",
    "prepared": "the provider's id is recorded, the code was not sent",
    "sent": "the provider took the message, its answer is not recorded",
    "recorded": "the answer is recorded",
    "polled": "the last look before the deadline was taken, nothing is decided",
    "decided": "the deadline, its refund and the next message are recorded",
    "pushed": "a callback or receipt is recorded, the provider has no answer yet",
}
"""After which hop the process dies. `sms:sent` means: only for that channel."""

_armed: str | None = None


def arm(where: str | None) -> None:
    """Dies at the first pass of the point; None: never. Raises ValueError for an unknown name."""
    global _armed
    if where is not None and where.rpartition(":")[2] not in POINTS:
        raise ValueError(f"unknown crash point {where!r}; known: {', '.join(POINTS)}")
    _armed = where


def point(name: str, channel: str = "") -> None:
    """Ends the process as a power cut would, if this point is armed."""
    if _armed is not None and _armed in (name, f"{channel}:{name}"):
        os.kill(os.getpid(), signal.SIGKILL)
