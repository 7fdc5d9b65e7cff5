"""Anti-pumping: when codes to one prefix look ordered for their price alone (trust.md 2.5, S-121).

A prefix is a number without its last four digits. What arrives proves itself: a prefix is judged
by those of its newest codes that did not arrive. First no more are sent, free of charge; where they
still have not arrived when they should have, the prefix is blocked for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

SUFFIX_DIGITS = 4
WINDOW_MS = 600_000
"""Codes count for so long."""
SENDS_MAX = 50
"""So many of the newest codes to a prefix are looked at."""
PATIENCE_MS = 30_000
"""Codes may be on their way for so long before their prefix is blocked."""
SAFE_MS = 86_400_000
"""A prefix that a person has unblocked is not judged for so long."""
FORGIVEN_MS = 7 * 86_400_000
"""A prefix that was not blocked for so long begins anew."""

HOUR_MS = 3_600_000
TERMS_MS = (HOUR_MS, 12 * HOUR_MS)
"""How long the first and the second block last; a third one lasts until a person ends it."""


class AntiPumping(StrEnum):
    """How an account is guarded."""

    OFF = "off"
    WATCH = "watch"
    STANDARD = "standard"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one setting means."""

    lost_max: int
    """So many codes that did not arrive make a prefix suspect,"""
    arrived_min: int
    """where of all of them fewer arrived than this, percent."""
    refuses: bool
    """No: it is only told."""


LEVELS: Mapping[AntiPumping, Level] = MappingProxyType(
    {
        AntiPumping.WATCH: Level(lost_max=20, arrived_min=50, refuses=False),
        AntiPumping.STANDARD: Level(lost_max=20, arrived_min=50, refuses=True),
        AntiPumping.STRICT: Level(lost_max=10, arrived_min=70, refuses=True),
    }
)


@dataclass(slots=True, kw_only=True)
class Send:
    """One code to a prefix."""

    at: int
    packet_id: int | None = None
    """None: it is being placed."""
    arrived: bool = False
    """On the phone, read or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is on record of a prefix of an account."""

    account_id: int
    prefix: str
    blocked_at: int
    until: int | None
    """None: until a person ends it."""
    times: int
    """How often it was blocked in a row."""
    sent: int
    arrived: int
    """Of the codes that it was blocked for."""
    safe_until: int | None = None
    """A person has unblocked it."""

    def is_on(self, now: int) -> bool:
        return not self.is_safe(now) and (self.until is None or now < self.until)

    def is_safe(self, now: int) -> bool:
        """It is neither blocked nor judged."""
        return self.safe_until is not None and now < self.safe_until


def prefix_of(phone: str) -> str:
    """`79123456789` -> `7912345`."""
    return phone[:-SUFFIX_DIGITS]


def is_suspect(level: Level, sends: Sequence[Send]) -> bool:
    """Whether no more should be sent until more of these have arrived."""
    lost = [send.arrived for send in sends].count(False)
    return lost >= level.lost_max and (len(sends) - lost) * 100 < level.arrived_min * len(sends)


def is_proven(level: Level, sends: Sequence[Send], now: int) -> bool:
    """Whether these justify a block: they are suspect without those that may still arrive."""
    return is_suspect(level, [s for s in sends if s.arrived or s.at <= now - PATIENCE_MS])


def block(
    account_id: int, prefix: str, sends: Sequence[Send], now: int, before: Block | None
) -> Block:
    """A new block; `before`: what is on record of this prefix."""
    times = 1
    if before is not None and now - (before.until or before.blocked_at) < FORGIVEN_MS:
        times += before.times
    return Block(
        account_id=account_id,
        prefix=prefix,
        blocked_at=now,
        until=now + TERMS_MS[times - 1] if times <= len(TERMS_MS) else None,
        times=times,
        sent=len(sends),
        arrived=sum(send.arrived for send in sends),
    )


def released(block: Block, now: int) -> Block:
    """Ended by a person, who answers for the prefix."""
    return replace(block, until=now, times=0, safe_until=now + SAFE_MS)
