"""SMPP routes as they lie in the database: profiles without passwords, those sealed, the plan of
zones; and the desk at which the channel reads them and leases their binds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import structlog

from kodgate.channels import Clock, Saved, smpp
from kodgate.channels.smpp import plan as plans
from kodgate.channels.smpp.plan import Plan
from kodgate.channels.smpp.route import RouteProfile, load, save
from kodgate.core.binds import Asking, Bidder, Bind, Decided, Lease
from kodgate.core.errors import InDoubt
from kodgate.store import Route, Store, Unavailable
from kodgate.store.keyring import Keyring

log = structlog.get_logger()

PLAN_KEY = "zones of sms"
"""Of the small values: which routes serve which zone."""


async def saved(store: Store, keyring: Keyring) -> list[RouteProfile]:
    """Every SMS route, with its password. Raises Unavailable, ValueError."""
    return [load(text) for text in await _texts(store, keyring)]


async def _texts(store: Store, keyring: Keyring) -> list[str]:
    return [_opened(route, keyring) for route in await store.routes() if route.channel == smpp.NAME]


def _opened(route: Route, keyring: Keyring) -> str:
    """Its profile with the password in it. Raises ValueError under another master key."""
    if route.sealed is None:
        return route.profile
    values = json.loads(route.profile)
    values["password"] = keyring.unwrap(_purpose(route.name), route.sealed)
    return json.dumps(values)


def _purpose(name: str) -> str:
    return f"password of route {name}"


async def put(store: Store, keyring: Keyring, profile: RouteProfile, *, at: int) -> None:
    """Saves a route; its password is nowhere in the clear. Raises Unavailable, InDoubt."""
    sealed = keyring.wrap(_purpose(profile.name), profile.password) if profile.password else None
    text = save(dataclasses.replace(profile, password=""))
    await store.save_route(
        Route(name=profile.name, channel=smpp.NAME, profile=text, created_at=at, sealed=sealed)
    )


async def seal(store: Store, keyring: Keyring) -> None:
    """Seals passwords that an earlier version left in the clear. Raises ValueError."""
    for route in await store.routes():
        if route.channel == smpp.NAME and route.sealed is None:
            profile = load(route.profile)
            if profile.password:
                await put(store, keyring, profile, at=route.created_at)


async def remove(store: Store, name: str) -> bool:
    """Takes a route away, from the plan too. False: there is none."""
    plan = await get_plan(store)
    if plan != plan.without(name):
        await put_plan(store, plan.without(name))
    return await store.remove_route(name)


async def get_plan(store: Store) -> Plan:
    return plans.load(await store.get(PLAN_KEY))


async def put_plan(store: Store, plan: Plan) -> None:
    await store.put(PLAN_KEY, plans.save(plan))


class RouteDesk:
    """The channel's way to what is saved (`kodgate.channels.Desk`), for one process."""

    def __init__(
        self, store: Store, keyring: Keyring, clock: Clock, *, node: str, holder: str
    ) -> None:
        """`holder`: a name that no other process ever had."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._node = node
        self._holder = holder

    async def saved(self) -> Saved | None:
        try:
            profiles = tuple(await _texts(self._store, self._keyring))
            return Saved(profiles=profiles, plan=await self._store.get(PLAN_KEY))
        except Unavailable as error:
            log.warning("routes_not_read", action="routes", error=str(error))
            return None

    async def leases(self) -> tuple[Lease, ...] | None:
        try:
            return tuple(await self._store.binds())
        except Unavailable as error:
            log.warning("binds_not_read", action="routes", error=str(error))
            return None

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
        me = Bidder(
            holder=self._holder,
            node=self._node,
            lease_until=self._clock.after_real(for_s),
            failing=failing,
        )
        asking = Asking(
            bidder=me,
            wanted=wanted,
            why=why,
            returned=returned,
            starts=starts,
            leaves=leaves,
            now=self._clock.now(),
        )
        try:
            return await self._store.lease_binds(asking)
        except (Unavailable, InDoubt) as error:
            log.warning("binds_not_leased", action="routes", error=str(error))
            return None
