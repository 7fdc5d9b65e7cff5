"""Ways a code can travel. One file or folder a channel; each turns provider words into our events.

To add one: a module here with a `NAME` and a factory `CHANNEL`. Nothing else changes: cascades,
tariffs and the database know channels by name only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kodgate.core.binds import Bind, Decided, Lease
from kodgate.core.types import Booking, Observation
from kodgate.core.values import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a channel is told about a message. Instants are business-clock milliseconds."""

    message_id: int
    packet_id: int
    phone: str
    """E.164 digits without the plus."""
    code: str
    zone: int
    attempt: int
    """1 for the first claim. For polls: how many claims are on record."""
    epoch: int
    created_at: int
    ends_at: int
    handover_at: int | None
    decide_at: int | None
    provider_id: str | None
    """Recorded by an earlier attempt, or by `prepare`."""
    settles_at: int | None
    """Not None: a send with `provider_id` was attempted before."""
    cost: int = 0
    """What the provider is expected to take (from the tariff), 1/10,000."""
    sender: str = ""
    template: str = ""
    answered: bool = False
    """The person has the code: no repeat attempt."""
    final: bool = False
    """The message has ended; a poll is only about the provider's money."""
    final_at: int | None = None
    delivered: bool = False


class Journal(Protocol):
    """Lets a channel put facts on record in the middle of an attempt, durably."""

    async def prepared(
        self,
        *,
        provider_id: str,
        settles_at: int | None,
        bookings: tuple[Booking, ...] = (),
        detail: str = "",
    ) -> bool:
        """Records the id (and the provider's end) before the send. False: stop, do not send; the
        claim is stale, the message has ended or the packet is answered."""

    async def may_go_on(self) -> bool:
        """Looks at lease, epoch and the packet's state once more, before an external call."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a channel takes messages, and why not."""

    live: bool
    why: str = ""
    absent: bool = False
    """It is not set up: no process sends through it, and nobody need be told."""


Sink = Callable[[Observation], Awaitable[bool]]
"""Records what a provider pushed; returns after it is durable. True: it matched a message (or a
parked one); False: it could not be recorded now, the provider must repeat it."""


class Channel(Protocol):
    """One way to a phone."""

    name: str
    """The word in cascades, tariffs and tables."""
    family: str
    """The rows of the result table that apply: messenger or sms."""
    attempts_max: int
    """Claims per message; at the cap the deadline decides."""

    async def start(self, sink: Sink) -> None:
        """Connects and begins to listen. Must not fail because a provider is away."""

    async def stop(self) -> None:
        """Ends cleanly: what is open is left for the next start."""

    def health(self) -> Health: ...

    def room(self) -> int:
        """How many more messages it takes at once (window minus what is under way)."""

    async def send(self, delivery: Delivery, journal: Journal) -> Observation:
        """One attempt. Never raises for what a provider does: the observation says it.

        The observation carries `message_id`, `epoch`, source="send" and one of: events;
        `later_at` (definitely not taken, give the claim back); `retry_at` (unknown, claim again);
        `poll_at` (unknown, look); none of them (unknown, and the cap is reached: wait).
        """

    async def poll(self, delivery: Delivery, *, last: bool) -> Observation | None:
        """Asks the provider. `last`: before the deadline is decided, at most 5 s. None: this
        channel cannot be asked, or the answer did not come."""

    async def confirmed(self, delivery: Delivery, typed: str) -> None:
        """The person typed the right code: tell the provider, best effort."""


class Clock(Protocol):
    """Business time (D8)."""

    @property
    def scale(self) -> float:
        """Business seconds in one real second."""

    def now(self) -> int:
        """Business milliseconds."""

    def after_real(self, seconds: float) -> int:
        """The business instant that many real seconds from now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What operators have saved for a channel."""

    profiles: tuple[str, ...]
    """Its routes, JSON."""
    plan: str | None
    """Which routes serve which zone, JSON."""


class Desk(Protocol):
    """Where a channel's routes are saved, and their binds leased among the nodes. None: the
    database did not answer."""

    async def saved(self) -> Saved | None: ...

    async def leases(self) -> tuple[Lease, ...] | None:
        """All that are known."""

    async def lease(
        self,
        *,
        wanted: Mapping[str, int],
        why: Mapping[Bind, str],
        returned: frozenset[Bind] = frozenset(),
        failing: bool = False,
        starts: bool = False,
        leaves: bool = False,
        for_s: float,
    ) -> Decided | None:
        """Renews, returns and takes binds (core.binds) for so many real seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a factory is given when the gateway starts."""

    clock: Clock
    settings: Mapping[str, Any]
    """The section of the settings that has the channel's name; empty where there is none."""
    desk: Desk
    """For channels with routes."""
    on_call: Callable[[str, str, float], None]
    """Told of each call to a provider: method, outcome, seconds."""


Factory = Callable[[Setup], Channel | None]
"""Makes the channel; None: it is not set up. Raises ValueError that names a bad setting."""


def load() -> dict[str, Factory]:
    """The `CHANNEL` of every module here, by the channel's name in cascades and settings."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        imported = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(imported, "CHANNEL"):
            found[imported.NAME] = imported.CHANNEL
    return found
