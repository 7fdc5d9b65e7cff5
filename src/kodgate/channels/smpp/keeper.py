"""Follows the routes that are saved and the binds that are leased: what this node holds, and not.

A look every few seconds: changed routes are drained, unbound and bound anew; binds that another
node gave up, or died with, are taken; a lease that was not renewed in time is not used any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from kodgate.channels import Desk
from kodgate.channels.smpp import plan as plans
from kodgate.channels.smpp.carrier import Carrier
from kodgate.channels.smpp.plan import Plan
from kodgate.channels.smpp.route import Login, RouteProfile, load, needs_new_binds
from kodgate.core.binds import Bind, Decided, Lease

log = structlog.get_logger()

LEASE_S = 20.0
LOOKS = 5
"""In the time of a lease."""

LOOK_MAX_S = 4.0
SURE = 0.9
"""The part of a lease that its holder uses: clocks of nodes differ a little."""

FAILS_S = 30.0
"""A node that holds binds, and could bind none for so long, leaves them to others for a while."""

REST_S = 300.0
LEAVE_S = 1.0
"""At a stop: for the database to note that the binds are free."""


class Keeper:
    """`make(profile, before)`: a carrier; `before` is the one that it follows."""

    def __init__(
        self,
        desk: Desk,
        make: Callable[[RouteProfile, Carrier | None], Carrier],
        *,
        lease_s: float = LEASE_S,
    ) -> None:
        self._desk = desk
        self._make = make
        self._lease_s = lease_s
        self._every_s = min(LOOK_MAX_S, lease_s / LOOKS)
        self._takes = True
        self._stopping = False
        self._starts = True
        self._own: frozenset[Bind] = frozenset()
        self._surplus: frozenset[Bind] = frozenset()
        self._held_until_s = 0.0
        self._ending: dict[Bind, asyncio.Future[object]] = {}
        self._fails_since_s: float | None = None
        self._failing_until_s = 0.0
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._names: dict[Login, list[str]] = {}
        """Login -> the routes that have it, also those out of use."""
        self.profiles: dict[str, RouteProfile] | None = None
        """The routes that are in use; None: not read yet."""
        self.carriers: dict[str, Carrier] = {}
        self.plan = Plan()
        self.leases: tuple[Lease, ...] = ()

    async def start(self, *, takes: bool) -> None:
        """`takes`: binds; else it only knows. Returns after the first look."""
        self._takes = takes
        await self._look()
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Drains, unbinds, and leaves the binds to others at once."""
        self._stopping = True
        self._again.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=LEAVE_S)
            self._task.cancel()
        for carrier in self.carriers.values():
            self._let_go(carrier, carrier.held)
        await asyncio.gather(*self._ending.values(), return_exceptions=True)
        if self._takes:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._desk.lease(wanted={}, why={}, leaves=True, for_s=0)

    def nudge(self) -> None:
        """Something was changed: look at once."""
        self._again.set()

    def of_login(self, profile: RouteProfile) -> list[str]:
        """The names of the routes that have its login, its own first, also those out of use: what
        they sent before is still reported."""
        return list(dict.fromkeys((profile.name, *self._names.get(profile.login, ()))))

    async def _keep(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._again.wait()
            self._again.clear()
            look = asyncio.create_task(self._safe_look())
            while not (await asyncio.wait({look}, timeout=self._every_s))[0]:
                self._hold()  # the database takes long: leases end meanwhile

    async def _safe_look(self) -> None:
        try:
            await self._look()
        except Exception:  # leases must be renewed, whatever is wrong with a route
            log.exception("routes_not_followed", action="routes")

    async def _look(self) -> None:
        saved = await self._desk.saved()
        if saved is not None:
            self.plan = plans.load(saved.plan)
            self._follow([_read(text) for text in saved.profiles])
        if not self._takes:
            self.leases = await self._desk.leases() or self.leases
            return
        asked_s = asyncio.get_running_loop().time()
        decided = await self._ask()
        if decided is not None:
            self._own, self._surplus = decided.own, decided.surplus
            self._held_until_s = asked_s + SURE * self._lease_s
            self._starts, self.leases = False, decided.leases
        self._hold()

    async def _ask(self) -> Decided | None:
        """Says how our binds are; learns which are ours now."""
        why = {
            (name, num): text
            for name, carrier in self.carriers.items()
            for num, text in carrier.whys().items()
        }
        return await self._desk.lease(
            wanted={name: profile.binds for name, profile in (self.profiles or {}).items()},
            why=why,
            returned=frozenset(self._surplus - self._ending.keys() - why.keys()),
            failing=self._is_failing(),
            starts=self._starts,
            for_s=self._lease_s,
        )

    def _follow(self, read: Iterable[RouteProfile | None]) -> None:
        """Carriers for the routes that are in use now."""
        known = [one for one in read if one is not None]
        self.profiles = {one.name: one for one in known if one.enabled}
        self._names = {}
        for one in known:
            self._names.setdefault(one.login, []).append(one.name)
        if not self._takes:
            return
        for name in self.carriers.keys() - self.profiles.keys():
            carrier = self.carriers.pop(name)
            self._let_go(carrier, carrier.held)
            log.info("route_left", action="routes", route=name)
        for name, profile in self.profiles.items():
            before = self.carriers.get(name)
            if before is None or needs_new_binds(before.profile, profile):
                if before is not None:
                    self._let_go(before, before.held)
                self.carriers[name] = self._make(profile, before)
                log.info("route_followed", action="routes", route=name, anew=before is not None)
            else:
                before.follow(profile)

    def _hold(self) -> None:
        """Links for the binds that are ours, none for others."""
        in_time = asyncio.get_running_loop().time() < self._held_until_s
        own = self._own if in_time else frozenset()
        for name, carrier in self.carriers.items():
            ours = {num for route, num in own if route == name}
            kept = {num for route, num in own - self._surplus if route == name}
            self._let_go(carrier, carrier.held - ours, at_once=True)
            self._let_go(carrier, carrier.held - kept)
            busy = {num for route, num in self._ending if route == name}
            carrier.hold(kept - busy, until_s=self._held_until_s)

    def _let_go(self, carrier: Carrier, nums: Iterable[int], *, at_once: bool = False) -> None:
        """`at_once`: the lease is over, somebody else may be bound already."""
        for num in list(nums):
            bind = (carrier.profile.name, num)
            self._ending[bind] = asyncio.ensure_future(carrier.let_go(num, at_once=at_once))
            self._ending[bind].add_done_callback(partial(self._ended, bind))

    def _ended(self, bind: Bind, _: asyncio.Future[object]) -> None:
        self._ending.pop(bind, None)
        self._again.set()

    def _is_failing(self) -> bool:
        now = asyncio.get_running_loop().time()
        senders = [link for carrier in self.carriers.values() for link in carrier.senders]
        if any(link.bound for link in senders):
            self._fails_since_s, self._failing_until_s = None, 0.0
        elif senders:
            self._fails_since_s = self._fails_since_s or now
            if now - self._fails_since_s > FAILS_S:
                self._failing_until_s = now + REST_S
        else:
            self._fails_since_s = None
        return now < self._failing_until_s


def _read(text: str) -> RouteProfile | None:
    """None, and a word in the log, where it cannot be read: other routes go on."""
    try:
        return load(text)
    except ValueError as error:
        log.error("route_not_read", action="routes", error=str(error))
        return None
