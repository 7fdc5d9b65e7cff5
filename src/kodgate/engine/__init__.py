"""The two verbs: accept (a request becomes a packet) and advance (an event moves a message)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import structlog

from kodgate.channels import Channel
from kodgate.core.accounts import Account
from kodgate.core.errors import InDoubt, Refused
from kodgate.core.ledger import Funds
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.pumping import FORGIVEN_MS
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    Credentials,
    PacketStatus,
    SendRequest,
    Sent,
    Simulation,
    StatusQuery,
)
from kodgate.core.types import Observation
from kodgate.core.values import changed
from kodgate.engine import crash, simulate
from kodgate.engine.accept import Accept, Caps, Vault
from kodgate.engine.accounts import Accounts
from kodgate.engine.advance import Advance
from kodgate.engine.batch import Batcher
from kodgate.engine.clock import Clock
from kodgate.engine.dispatch import Dispatcher, Duties
from kodgate.engine.guard import Guard
from kodgate.engine.meters import Meters
from kodgate.engine.status import Status
from kodgate.engine.views import Views
from kodgate.store import PacketRow, Recorded, Store, Unavailable
from kodgate.store.pumping import Blocks
from kodgate.store.tables import tables

__all__ = ["CLOCK_KEY", "CallbackReader", "Caps", "Duties", "Engine"]

log = structlog.get_logger()

ACCEPT_BATCH_MAX = 512
RECORD_BATCH_MAX = 512
RECORD_GATHER_S = 0.005
"""What providers say in so short a time is recorded together: a transaction for each answer and
each report would cost several times as much, and no person sees the difference."""

QUEUE_MAX = 4_096
FLIGHTS = 64
"""Batches of one kind at the store, which commits all that wait for it together: an item is there
when the next transaction begins, not when the one before it was answered."""

STOP_GRACE_S = 3.0
CLOCK_KEY = "clock"
HOUSEKEEPING_S = 5.0
COUNT_SHARE = 100
"""Counting a long queue takes long: at most one part in so many of the time is spent on it."""


PURGE_EVERY_MS = 3_600_000
PURGE_MARGIN_MS = 3_600_000
"""A key outlives its use by so much: an order that was sealed at midnight is stored by then."""


class CallbackReader(Protocol):
    """What a channel with callbacks has: bytes in, an observation or None (refuse) out."""

    def read_callback(
        self, body: bytes, headers: Mapping[str, str], *, wall_now_s: float
    ) -> Observation | None: ...


class Engine:
    """One node: its batches, loops and channels over one store."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        vault: Vault,
        clock: Clock,
        *,
        node: str,
        secret_digest: Callable[[str], bytes],
        randbelow: Callable[[int], int],
        steady_s: Callable[[], float],
        wall_s: Callable[[], float],
        meters: Meters | None = None,
        duties: Duties | None = None,
        caps: Caps | None = None,
    ) -> None:
        """`duties`: everything, where none are given; `caps`: no limits."""
        duties = duties or Duties(sends=frozenset(channels))
        self.store = store
        self.channels = channels
        self.clock = clock
        self.meters = meters or Meters()
        self.accounts = Accounts(store, digest=secret_digest, now=clock.now, steady_s=steady_s)
        self._node = node
        self._vault = vault
        self._purged_at: int | None = None
        self._randbelow = randbelow
        self._wall_s = wall_s
        self._steady_s = steady_s
        orders: Batcher[Order, Placed | NotPlaced] = Batcher(
            store.accept, batch_max=ACCEPT_BATCH_MAX, queue_max=QUEUE_MAX, flights=FLIGHTS
        )
        observations: Batcher[Observation, Recorded] = Batcher(
            store.record,
            batch_max=RECORD_BATCH_MAX,
            queue_max=QUEUE_MAX,
            flights=FLIGHTS,
            gather_s=RECORD_GATHER_S,
        )
        self.senders = tuple(one for name, one in channels.items() if name in duties.sends)
        """The channels that this process sends through."""
        self.blocks = Blocks(tables(store))
        self.guard = Guard(self.blocks, self.meters, now=clock.now)
        self._views = Views(vault, channels, clock.now)
        self._accept = Accept(
            orders,
            self.accounts,
            vault,
            clock,
            channels,
            self.guard,
            caps=caps or Caps(),
            elsewhere=frozenset(channels) - duties.sends,
            placed=self._wake,
            randbelow=randbelow,
        )
        self._status = Status(store, self._views, vault, clock)
        self._dispatcher = Dispatcher(
            store,
            channels,
            clock,
            self._views,
            self.accounts.settings_of,
            self.meters,
            node=node,
            duties=duties,
        )
        self._advance = Advance(observations, self.meters, wake=self._dispatcher.wake)
        self._background: set[asyncio.Task[None]] = set()
        self._housekeeper: asyncio.Task[None] | None = None
        self._count_again_s = 0.0

    async def start(self) -> None:
        """Frees what this node held when it died, connects the channels, runs the loops."""
        freed = await self.store.release(self._node)
        if freed:
            log.info("claims_released", action="start", count=freed)
        await self.store.put(CLOCK_KEY, self.clock.mark())
        await self.guard.start()
        for channel in self.senders:
            await channel.start(self._sink)
        self._dispatcher.start(self._advance)
        await self.store.listen(self._wake, takes=self._takes)
        self._housekeeper = asyncio.create_task(self._keep_house())

    async def stop(self) -> None:
        """Nothing accepted is lost: what is open stays in the store (6 s in all)."""
        if self._housekeeper is not None:
            self._housekeeper.cancel()
        await self.guard.stop()
        await self._dispatcher.stop(grace_s=STOP_GRACE_S)
        for channel in self.senders:
            await channel.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        try:
            await self.store.put(CLOCK_KEY, self.clock.mark())
        except (Unavailable, InDoubt) as error:
            log.warning("clock_not_stored", action="stop", error=str(error))

    # The wire's verbs

    def admits(self) -> bool:
        """Whether one more send is begun; False: answer 13 at once, nothing was done for it."""
        return self._accept.admits()

    async def authenticate(self, credentials: Credentials, *, caller_ip: str) -> Account:
        """Raises Refused."""
        return await self.accounts.authenticate(credentials, caller_ip=caller_ip)

    async def send(
        self, account: Account, request: SendRequest, *, caller_ip: str, dialect: str
    ) -> Sent:
        """Raises Refused (nothing stored), Unavailable (the same), InDoubt (give no answer)."""
        began_s = self._steady_s()
        try:
            sent = await self._accept.send(account, request, caller_ip=caller_ip, dialect=dialect)
        except Refused as refused:
            self.meters.sent(dialect, refused.error.number)
            raise
        self.meters.sent(dialect, 0)
        self.meters.accept_seconds.observe(self._steady_s() - began_s)
        return sent

    def _wake(self, channel: str) -> None:
        self._dispatcher.wake(channel)

    def _takes(self, channel: str) -> bool:
        """Whether this node sends at once what there is for a channel; else others should know."""
        return any(one.name == channel and one.room() > 0 for one in self.senders)

    def simulate(self, simulation: Simulation, *, caller_ip: str) -> Sent:
        return simulate.sent(simulation, caller_ip=caller_ip, randbelow=self._randbelow)

    async def status(self, account: Account, query: StatusQuery, *, caller_ip: str) -> PacketStatus:
        """Raises Refused: NO_ID, NOT_FOUND."""
        return await self._status.status(account, query, caller_ip=caller_ip)

    async def confirm(self, account: Account, request: ConfirmRequest) -> Confirmed:
        """Raises Refused."""
        confirmed, row, words = await self._status.confirm(account, request)
        self.meters.words(row.messages[-1].channel, words)
        self._spawn_forward(row, account, request.code)
        return confirmed

    async def balance(self, account: Account) -> Balance:
        """What can be spent, fresh from the store."""
        fresh = await self._fresh(account)
        return Balance(spendable=fresh.spendable_at(self.clock.now()))

    async def funds(self, account: Account) -> Funds:
        """The account's money, fresh from the store. Raises Unavailable."""
        return (await self._fresh(account)).funds

    async def _fresh(self, account: Account) -> Account:
        found = await self.store.account_by_id(account.id)
        assert found is not None
        return found

    async def callback(self, channel: str, body: bytes, headers: Mapping[str, str]) -> int:
        """A provider's report: durable before it is acknowledged. Returns the HTTP status."""
        reader = self.channels.get(channel)
        if reader is None or not hasattr(reader, "read_callback"):
            return 404
        seen = cast(CallbackReader, reader).read_callback(body, headers, wall_now_s=self._wall_s())
        if seen is None:
            return 403
        done = await self._sink(seen if seen.channel == channel else changed(seen, channel=channel))
        return 200 if done else 503

    async def _sink(self, seen: Observation) -> bool:
        try:
            await self._advance(seen)
        except (Unavailable, InDoubt) as error:
            log.warning("report_not_recorded", action="report", error=str(error))
            return False
        crash.point("pushed", seen.channel or "")
        return True

    def _spawn_forward(self, row: PacketRow, account: Account, typed: str) -> None:
        task = asyncio.create_task(self._forward_confirm(row, account, typed))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _forward_confirm(self, row: PacketRow, account: Account, typed: str) -> None:
        """Providers keep statistics of codes that were typed; best effort."""
        for message in row.messages:
            channel = self.channels.get(message.channel)
            if channel not in self.senders or message.provider_id is None:
                continue
            try:
                delivery = self._views.delivery(row, message, account.settings)
                await channel.confirmed(delivery, typed)
            except Exception as error:
                log.info("confirm_not_forwarded", action="confirm", error=type(error).__name__)

    async def _keep_house(self) -> None:
        """Gauges, the clock, and keys that nothing needs any more."""
        while True:
            try:
                await self._measure()
                if not self.clock.follow():
                    log.error("clock_jumped", action="clock", drift_s=self.clock.drift_s())
                await self.store.put(CLOCK_KEY, self.clock.mark())
                await self._purge()
            except (Unavailable, InDoubt, OSError) as error:
                log.warning("housekeeping_failed", action="house", error=str(error))
            except Exception:  # the gauges and the clock must go on
                log.exception("housekeeping_failed", action="house")
            await asyncio.sleep(HOUSEKEEPING_S)

    async def _purge(self) -> None:
        """Drops the keys of codes that nobody may read any more (D5); hourly, business time."""
        now = self.clock.now()
        if self._purged_at is not None and now - self._purged_at < PURGE_EVERY_MS:
            return
        unneeded = set(await self.store.purge(now=now - PURGE_MARGIN_MS))
        for day in sorted(unneeded.intersection(self._vault.days("code"))):
            await asyncio.to_thread(self._vault.drop, day, "code")
            log.info("codes_purged", action="house", day=day)
        await self.blocks.forget(before=now - FORGIVEN_MS)
        self._purged_at = now

    async def _measure(self) -> None:
        for channel in self.senders:
            health = channel.health()
            if not health.absent:
                self.meters.channel_up.labels(channel.name).set(health.live)
        self.meters.clock_drift_seconds.set(self.clock.drift_s())
        began_s = self._steady_s()
        if began_s < self._count_again_s:
            return
        counts = await self.store.counts()
        took_s = self._steady_s() - began_s
        self._count_again_s = began_s + COUNT_SHARE * took_s
        for key, value in counts.items():
            if key == "oldest_due_at":
                waited = max(0, self.clock.now() - value) / 1000 if value else 0
                self.meters.queue_oldest_seconds.set(waited)
            else:
                channel_name, _, state = key.partition(".")
                self.meters.queue_depth.labels(channel_name, state).set(value)
