"""The loops that keep messages moving: claim and send, look, decide deadlines (hops 6 to 9)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from kodgate.channels import Channel, Delivery
from kodgate.core.errors import InDoubt
from kodgate.core.types import Booking, Event, Message, Observation, State
from kodgate.core.values import changed
from kodgate.engine import crash
from kodgate.engine.accounts import SettingsOf
from kodgate.engine.advance import Advance
from kodgate.engine.clock import Clock
from kodgate.engine.meters import Meters
from kodgate.engine.views import Views
from kodgate.store import Claimed, Due, PacketRow, Store, Unavailable

log = structlog.get_logger()

LEASE_S = 30.0
"""Longer than twice all that one attempt may wait for a provider; real time."""

CLAIM_MAX = 256
LOOK_MAX = 256
LOOKS_AT_ONCE = 64
LAST_LOOK_S = 5.0
RESERVED_S = 15.0
"""How long a look at a due message is left to whoever took it; real time."""

TICK_S = 0.2
REST_S = 1.0
"""Between two tries while the database, or a rule, says no; real time."""

RECORD_AGAIN_S = (0.2, 0.5, *(1.0,) * 27)
"""Pauses before a provider's answer is recorded anew: short ones, up to the lease's end. A database
fails over in some 20 s; what is not on record soon after leaves once more."""

JOURNAL_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Likewise for what is recorded in the middle of an attempt, whose lease must last for the rest."""

LOOPS_END_S = 0.5
"""At a stop: for the claim or look that is just being taken."""

FRESH_S = 0.25
"""A claim looks at lease, epoch and packet itself; so long that look still counts (D7)."""

GATHER_S = 0.005
"""Before a channel claims again: what comes together is claimed together."""

FIRST_FOLLOW_UP_MS = 5_000
"""After a deadline that no provider answered for: when its money is looked at (D9)."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What a process does beside accepting; others may do the rest over the same store."""

    sends: frozenset[str]
    """Channels that it sends through."""
    watches: bool = True
    """Polls providers and decides deadlines."""


class Dispatcher:
    """Runs the loops of one node."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        views: Views,
        settings_of: SettingsOf,
        meters: Meters,
        *,
        node: str,
        duties: Duties,
    ) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._views = views
        self._settings_of = settings_of
        self._meters = meters
        self._node = node
        self._duties = duties
        self._wakes = {name: asyncio.Event() for name in channels if name in duties.sends}
        self._starting = dict.fromkeys(channels, 0)
        """Messages that were claimed and are not with their channel yet."""
        self._hungry: set[str] = set()
        """Channels that took all they had room for: more may wait."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._looking: set[int] = set()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._stopping = False
        self._advance: Advance | None = None
        self._tick_s = max(0.02, TICK_S / clock.scale)

    def start(self, advance: Advance) -> None:
        self._advance = advance
        loops = [self._pump(self._channels[name]) for name in self._wakes]
        if self._duties.watches:
            loops.append(self._watch())
        self._loops = [asyncio.create_task(loop) for loop in loops]

    async def stop(self, *, grace_s: float) -> None:
        """Claims no more, lets what is under way finish for `grace_s` real seconds."""
        self._stopping = True
        for event in self._wakes.values():
            event.set()
        if self._loops:  # a claim that is being committed is sent, not left on record untried
            await asyncio.wait(self._loops, timeout=LOOPS_END_S)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self, channel: str) -> None:
        """A message of this channel may be due now."""
        event = self._wakes.get(channel)
        if event is not None:
            event.set()

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    async def _pump(self, channel: Channel) -> None:
        """Claims what is due, never more than the channel takes at once (D10)."""
        wake = self._wakes[channel.name]
        while not self._stopping:
            wake.clear()
            room = min(channel.room() - self._starting[channel.name], CLAIM_MAX)
            taken = await self._claim(channel, room) if room > 0 else 0
            if taken >= room:
                self._hungry.add(channel.name)
            else:
                self._hungry.discard(channel.name)
            if taken < room or room <= 0:
                await _wait(wake, self._tick_s)
            await asyncio.sleep(GATHER_S)

    async def _claim(self, channel: Channel, limit: int) -> int:
        asked_s = asyncio.get_running_loop().time()
        try:
            claimed = await self._store.claim(
                channel=channel.name,
                node=self._node,
                now=self._clock.now(),
                lease_until=self._clock.after_real(LEASE_S),
                attempts_max=channel.attempts_max,
                limit=limit,
            )
        except (Unavailable, InDoubt) as error:
            log.warning("claim_failed", action="claim", channel=channel.name, error=str(error))
            await asyncio.sleep(REST_S)
            return 0
        except Exception:  # one broken row must not stop a channel for ever (D16)
            log.exception("claim_failed", action="claim", channel=channel.name)
            await asyncio.sleep(REST_S)
            return 0
        for claim in claimed:
            crash.point("claimed", channel.name)
            self._starting[channel.name] += 1
            self._spawn(self._send(channel, claim, asked_s))
        return len(claimed)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, channel: Channel, claim: Claimed, asked_s: float) -> None:
        """One attempt. What fails here unforeseen leaves the claim to its lease's end."""
        message = claim.message
        try:
            try:
                settings = await self._settings_of(claim.row.packet.account_id)
                delivery = self._views.delivery(claim.row, message, settings)
                journal = _Journal(
                    self._record_midway, self._clock, channel.name, delivery, message, asked_s
                )
            finally:  # from here on the channel counts it itself
                self._starting[channel.name] -= 1
            seen = await channel.send(delivery, journal)
            crash.point("sent", channel.name)
            await self._record_surely(_said_by(channel, seen))
            crash.point("recorded", channel.name)
        except (Unavailable, InDoubt) as error:
            log.warning("record_failed", action="send", message_id=message.id, error=str(error))
        except Exception:
            log.exception("send_failed", action="send", message_id=message.id)
        finally:
            if channel.name in self._hungry:
                self.wake(channel.name)

    async def _record(self, seen: Observation) -> bool:
        assert self._advance is not None
        recorded = await self._advance(seen)
        return recorded.may_go_on

    def _record_midway(self, seen: Observation) -> Coroutine[Any, Any, bool]:
        return self._record_surely(seen, JOURNAL_AGAIN_S)

    async def _record_surely(
        self, seen: Observation, pauses_s: tuple[float, ...] = RECORD_AGAIN_S
    ) -> bool:
        """A provider answers a call once: without its answer the code would leave again, or wait
        for the lease's end. Raises Unavailable or InDoubt where the database stays away."""
        for pause_s in pauses_s:
            try:
                return await self._record(seen)
            except (Unavailable, InDoubt) as error:
                log.warning(
                    "record_waits", action="send", message_id=seen.message_id, error=str(error)
                )
            await asyncio.sleep(pause_s)
        return await self._record(seen)

    async def _watch(self) -> None:
        """Polls and deadlines, deadlines first."""
        while not self._stopping:
            found = 0
            try:
                now = self._clock.now()
                due = await self._store.due(
                    now=now, until=self._clock.after_real(RESERVED_S), limit=LOOK_MAX
                )
                found = len(due)
                for item in due:
                    await self._looks.acquire()
                    self._spawn(self._look(item))
            except (Unavailable, InDoubt) as error:
                log.warning("due_failed", action="watch", error=str(error))
                await asyncio.sleep(REST_S)
            except Exception:  # deadlines must go on (D16)
                log.exception("due_failed", action="watch")
                await asyncio.sleep(REST_S)
            if found < LOOK_MAX:
                await asyncio.sleep(self._tick_s)

    async def _look(self, item: Due) -> None:
        try:
            if item.deadline:
                await self._decide(item.row, item.message)
            else:
                await self._poll(item.row, item.message)
        except (Unavailable, InDoubt) as error:
            log.warning(
                "record_failed", action="look", message_id=item.message.id, error=str(error)
            )
        except Exception:
            log.exception("look_failed", action="look", message_id=item.message.id)
        finally:
            self._looks.release()

    async def _poll(self, row: PacketRow, message: Message) -> None:
        seen = await self._ask(row, message, last=False)
        if seen is not None:
            await self._record(seen)

    async def _decide(self, row: PacketRow, message: Message) -> None:
        """The last look, then the deadline, applied together (D3, D9)."""
        decide_at = message.decide_at
        seen = None
        if message.provider_id is not None:
            seen = await self._ask(row, message, last=True)
            crash.point("polled", message.channel)
        now = self._clock.now()
        if seen is None:
            follow_up = None if message.settles_at is None else now + FIRST_FOLLOW_UP_MS
            seen = Observation(
                at=now,
                source="deadline",
                message_id=message.id,
                channel=message.channel,
                poll_at=follow_up,
            )
        await self._record(
            dataclasses.replace(
                seen, at=now, source="deadline", events=(*seen.events, Event.TIMED_OUT)
            )
        )
        crash.point("decided", message.channel)
        if decide_at is not None and message.state is not State.CONFIRMED:
            self._meters.deadline_late_seconds.observe(max(0, now - decide_at) / 1000)

    async def _ask(self, row: PacketRow, message: Message, *, last: bool) -> Observation | None:
        """None: no answer, for whatever reason; a deadline is then decided by what is known."""
        channel = self._channels.get(message.channel)
        if channel is None:
            return None
        settings = await self._settings_of(row.packet.account_id)
        try:
            delivery = self._views.delivery(row, message, settings)
            async with asyncio.timeout(LAST_LOOK_S if last else LEASE_S):
                seen = await channel.poll(delivery, last=last)
        except LookupError as error:  # its keys are gone; its deadline must be decided all the same
            log.warning("not_asked", action="look", message_id=message.id, error=str(error))
            return None
        except TimeoutError:
            return None
        except Exception:  # the same holds for a channel that fails
            log.exception("look_failed", action="look", message_id=message.id)
            return None
        return None if seen is None else _said_by(channel, seen)


def _said_by(channel: Channel, seen: Observation) -> Observation:
    return seen if seen.channel == channel.name else changed(seen, channel=channel.name)


class _Journal:
    """Lets a channel record facts in the middle of an attempt."""

    def __init__(
        self,
        record: Any,
        clock: Clock,
        channel: str,
        delivery: Delivery,
        claimed: Message,
        asked_s: float,
    ) -> None:
        self._record = record
        self._claimed = claimed
        self._fresh_until_s = asked_s + FRESH_S
        self._clock = clock
        self._channel = channel
        self._delivery = delivery

    async def prepared(
        self,
        *,
        provider_id: str,
        settles_at: int | None,
        bookings: tuple[Booking, ...] = (),
        detail: str = "",
    ) -> bool:
        crash.point("checked", self._channel)
        go_on = await self._prepare(
            provider_id=provider_id, settles_at=settles_at, bookings=bookings, detail=detail
        )
        crash.point("prepared", self._channel)
        return go_on

    async def may_go_on(self) -> bool:
        if self._is_fresh():
            return True
        return await self._prepare()

    async def _prepare(self, **facts: Any) -> bool:
        """Records `facts` under the claim; whether it still holds."""
        seen = Observation(
            at=self._clock.now(),
            source="prepare",
            message_id=self._delivery.message_id,
            channel=self._channel,
            epoch=self._delivery.epoch,
            **facts,
        )
        go_on: bool = await self._record(seen)
        return go_on

    def _is_fresh(self) -> bool:
        """Nobody else can hold the claim before its lease ends; and the claim's transaction has
        just seen the message queued and its packet unanswered."""
        lease_until = self._claimed.lease_until
        assert lease_until is not None
        in_time = asyncio.get_running_loop().time() < self._fresh_until_s
        return in_time and self._clock.now() < lease_until


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
