"""An engine over the real store, keys and clock, with channels that a test leads by the hand."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kodgate.channels import Channel, Delivery, Health, Journal, Sink
from kodgate.core import ledger
from kodgate.core.accounts import Account, AccountSettings
from kodgate.core.requests import Mode, SendRequest, Sent, StatusQuery
from kodgate.core.tariffs import Price, Tariff
from kodgate.core.types import Event, Message, Observation
from kodgate.engine import Duties, Engine
from kodgate.engine.clock import Clock, Sources, restore
from kodgate.store import PacketRow, Store, migrate, open_store
from kodgate.store.keyring import Keyring

PHONE = "79120000001"
FUNDS = 10_000_000
MASTER = bytes(32)
SETTINGS = AccountSettings(sender="kodgate", template="Code: {code}")
TARIFF = Tariff(
    name="default",
    valid_from=0,
    zones={"7": 1},
    prices={(1, "telegram"): Price(price=21_000), (1, "sms"): Price(price=42_000)},
)

Answer = Callable[[Delivery, Journal], Awaitable[Observation]]


@dataclass
class Hands:
    """Real time, which a test may push forward."""

    ahead_s: float = 0.0
    wall_ahead_s: float = 0.0
    boot_id: str = "boot-1"

    def steady_s(self) -> float:
        return time.monotonic() + self.ahead_s

    def wall_s(self) -> float:
        return time.time() + self.ahead_s + self.wall_ahead_s

    def sources(self) -> Sources:
        return Sources(wall_s=self.wall_s, steady_s=self.steady_s, boot_id=self.boot_id)


@dataclass
class Line:
    """A channel in memory. `answer` makes the observation of a send, `look` that of a poll."""

    name: str
    clock: Clock
    family: str = "messenger"
    attempts_max: int = 3
    capacity: int = 100
    live: bool = True
    answer: Answer | None = None
    look: Callable[[Delivery], Observation | None] | None = None
    sends: list[Delivery] = field(default_factory=list)
    polls: list[Delivery] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    sink: Sink | None = None

    async def start(self, sink: Sink) -> None:
        self.sink = sink

    async def stop(self) -> None:
        self.sink = None

    def health(self) -> Health:
        return Health(live=self.live, why="" if self.live else "switched away by the test")

    def room(self) -> int:
        return self.capacity - self.under_way

    async def send(self, delivery: Delivery, journal: Journal) -> Observation:
        self.sends.append(delivery)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.answer is not None:
                return await self.answer(delivery, journal)
            return self.said(delivery, Event.ACCEPTED, provider_id=f"{self.name}-{len(self.sends)}")
        finally:
            self.under_way -= 1

    async def poll(self, delivery: Delivery, *, last: bool) -> Observation | None:
        self.polls.append(delivery)
        return None if self.look is None else self.look(delivery)

    async def confirmed(self, delivery: Delivery, typed: str) -> None:
        self.typed.append(typed)

    def said(self, delivery: Delivery, *events: Event, **more: Any) -> Observation:
        """The answer to a send, of this claim."""
        return Observation(
            at=self.clock.now(),
            source="send",
            message_id=delivery.message_id,
            epoch=delivery.epoch,
            events=events,
            **more,
        )

    def seen(self, delivery: Delivery, *events: Event, **more: Any) -> Observation:
        """The answer to a poll."""
        return Observation(
            at=self.clock.now(),
            source="poll",
            message_id=delivery.message_id,
            events=events,
            **more,
        )


@dataclass(kw_only=True)
class House:
    """Everything of one gateway but its listeners."""

    engine: Engine
    store: Store
    keyring: Keyring
    clock: Clock
    hands: Hands
    alice: Account
    telegram: Line
    sms: Line

    async def send(self, phone: str = PHONE, mode: Mode = Mode.TELE_TO_SMS, **more: Any) -> Sent:
        request = SendRequest(phone=phone, mode=mode, **{"ttl_s": 30, **more})
        return await self.engine.send(self.alice, request, caller_ip="192.0.2.1", dialect="test")

    async def row(self, sent: Sent) -> PacketRow:
        found = await self.store.packet(self.alice.id, packet_id=sent.packet_id)
        assert found is not None
        return found

    async def messages(self, sent: Sent) -> tuple[Message, ...]:
        return (await self.row(sent)).messages

    async def results(self, sent: Sent) -> list[int]:
        query = StatusQuery(packet_id=sent.packet_id)
        status = await self.engine.status(self.alice, query, caller_ip="192.0.2.1")
        return [message.result.id for message in status.messages]

    async def change(self, **settings: Any) -> None:
        """Other settings for alice, in force at once."""
        wanted = dataclasses.replace(self.alice.settings, **settings)
        self.alice = await self.store.change_account(self.alice.id, settings=wanted)
        self.engine.accounts.forget()

    def pass_s(self, seconds: float) -> None:
        """Time goes by, in an instant."""
        self.hands.ahead_s += seconds


@asynccontextmanager
async def house(
    tmp_path: Path,
    *,
    funds: int = FUNDS,
    scale: float = 1.0,
    running: bool = True,
    wrap: Callable[[Store], Any] = lambda store: store,
    channels: Callable[[Mapping[str, Line]], Mapping[str, Channel]] = lambda found: found,
    randbelow: Callable[[int], int] = secrets.randbelow,
    url: str = "",
    node: str = "one",
    duties: Duties | None = None,
) -> AsyncIterator[House]:
    """`wrap`: what stands between engine and store; `running`: with its loops; `url`: a database
    that other houses may share, in which the first of them makes alice."""
    url = url or f"sqlite:///{tmp_path / 'kodgate.db'}"
    await asyncio.to_thread(migrate, url)
    store = open_store(url)
    await store.open()
    hands = Hands()
    clock = restore(None, hands.sources(), scale=scale)
    keyring = Keyring(tmp_path / "keys", MASTER)
    lines = {"telegram": Line("telegram", clock), "sms": Line("sms", clock, family="sms")}
    engine = Engine(
        wrap(store),
        channels(lines),
        keyring,
        clock,
        node=node,
        duties=duties,
        secret_digest=keyring.secret_digest,
        randbelow=randbelow,
        steady_s=hands.steady_s,
        wall_s=hands.wall_s,
    )
    alice = await _alice(store, clock.now(), funds)
    if running:
        await engine.start()
    try:
        yield House(
            engine=engine,
            store=store,
            keyring=keyring,
            clock=clock,
            hands=hands,
            alice=alice,
            **lines,
        )
    finally:
        if running:
            await engine.stop()
        assert await store.verify() == []
        await store.close()


async def _alice(store: Store, at: int, funds: int) -> Account:
    there = await store.account("alice")
    if there is not None:
        return there
    await store.save_tariff(TARIFF, at=at)
    alice = await store.create_account(login="alice", name="Alice", at=at, settings=SETTINGS)
    if funds:
        money = ledger.top_up(alice.id, funds)
        await store.post(alice.id, money, at=at, document="", comment="")
    found = await store.account_by_id(alice.id)
    assert found is not None
    return found


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """The first true thing that `look` finds."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
