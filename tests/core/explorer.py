"""Walks every interleaving of one packet's life over the real rules, and checks each state.

Nothing of the rules is modelled: every step calls `core.life`. What is modelled is the world around
them: providers that move on and report late, twice, out of order or never; workers that claim, get
stuck, lose their lease and come back; answers that are lost; a person who types the code; and time.

- Now is always `NOW`: letting time pass moves every instant of an open message into the past. What
  can no longer matter (instants of ended messages) is blanked, so that equal futures meet.
- Once a message has ended, its provider and its old workers may say *anything* about it at any time:
  more than they really could, so that nothing about them has to be remembered.
- A *core* state (packet, messages, money) is interned to a number, and each action on it is computed
  and judged once. A *world* is such a number with the workers and the providers around it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from kodgate.core import ledger, life
from kodgate.core.types import (
    Booking,
    BookingKind,
    Change,
    Event,
    Message,
    Observation,
    Packet,
    Plan,
    Reason,
    State,
    Success,
    Task,
)

from .kit import ATTEMPTS_MAX, NOW
from .table import CELLS, REFUNDED

TICK = 2_000
"""One step of time; the rules' own grace is one tick."""
TTL = 2 * TICK
"""The provider's own end, after a send."""
LEASE = TICK

LATE_WORDS = {
    "telegram": (
        *("sent", "delivered", "read", "gave_up", "look", "poll:0", "poll:2", "poll:3", "poll:4"),
        *("accepted", "rejected", "later", "retry", "poll", "deadline"),
    ),
    "sms": (
        *("sent", "delivered", "gave_up", "too_late", "look", "poll:0", "deadline"),
        *("accepted", "rejected", "later", "retry", "poll", "nothing"),
    ),
}
"""All that may be heard of a message that has ended."""

EVIDENCE = {Event.ACCEPTED, Event.DELIVERED, Event.READ}
BY_RANK = [
    Event.ACCEPTED,
    Event.DELIVERED,
    Event.READ,
    Event.REJECTED,
    Event.UNDELIVERED,
    Event.TIMED_OUT,
]

TELEGRAM_REPORTS = {
    0: {},
    1: {"sent": (Event.ACCEPTED,)},
    2: {"sent": (Event.ACCEPTED,), "delivered": (Event.DELIVERED,)},
    3: {"sent": (Event.ACCEPTED,), "delivered": (Event.DELIVERED,), "read": (Event.READ,)},
    4: {"sent": (Event.ACCEPTED,), "gave_up": (Event.ACCEPTED, Event.UNDELIVERED)},
}
"""What Telegram may report, at any later time and any number of times, by how far it has come."""

TELEGRAM_MOVES = {1: (2, 4), 2: (3,)}
"""sent -> delivered -> read, or sent -> expired."""

SMS_REPORTS = {
    0: {},
    1: {
        "sent": (Event.ACCEPTED,),
        "delivered": (Event.ACCEPTED, Event.DELIVERED),
        "gave_up": (Event.ACCEPTED, Event.UNDELIVERED),
        "too_late": (Event.ACCEPTED, Event.TIMED_OUT),
    },
}
"""An SMSC that took it may send any receipt, contradictory ones too."""

REPORT_NAMES = {"sent", "delivered", "read", "gave_up", "too_late", "look", "deadline"}

REPORTS = {"telegram": TELEGRAM_REPORTS, "sms": SMS_REPORTS}
MOVES: dict[str, dict[int, tuple[int, ...]]] = {"telegram": TELEGRAM_MOVES, "sms": {}}


class Broken(AssertionError):
    """A rule does not hold; the text tells the way to the state."""


class Core(NamedTuple):
    """What a database holds of the packet."""

    packet: Packet
    messages: tuple[Message, ...]
    moves: tuple[tuple[str, int | None, int], ...]
    """Customer transfers so far: kind, message number, what it did to the balance."""
    given: tuple[int, ...]
    """Epochs of the open message whose claim was given back."""


class Worker(NamedTuple):
    """Somebody who holds, or once held, a claim."""

    num: int
    epoch: int
    phase: str
    """claimed, cleared (may call the provider, however late), or the answer it has to record."""
    twice: bool = False
    """The answer will be recorded once more."""


class World(NamedTuple):
    core: int
    workers: tuple[Worker, ...]
    taken: tuple[int, ...]
    """By message: how far its provider has come; 0: it never got it."""
    laters: int
    """How often providers may still say "later"."""


@dataclass
class Report:
    """What an exploration saw."""

    worlds: int = 0
    cores: int = 0
    transitions: int = 0
    ended: int = 0
    """Worlds whose packet has ended."""
    seen: set[str] = field(default_factory=set)
    """Endings, words and verdicts that occurred."""

    def __str__(self) -> str:
        return (
            f"{self.worlds:,} worlds ({self.ended:,} with the packet ended), "
            f"{self.transitions:,} transitions, {self.cores:,} states of the rules"
        )


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Which packet, and how much of the world may go wrong."""

    plan: Plan
    reserve: bool = True
    stale: bool = True
    """A worker whose claim was taken over may still act and answer."""
    laters: int = 1
    doubled: bool = True
    """An answer may be recorded twice, the second time long after."""
    confirms: bool = True
    restarts: bool = True


def needed(plan: Plan) -> int:
    """The dearest path, by trying them all: each step but the last may or may not be refunded."""
    most = 0
    for length in range(1, len(plan) + 1):
        for kept in itertools.product((False, True), repeat=length - 1):
            path = zip(plan[: length - 1], kept, strict=True)
            if all(not keeps or may_keep(step) for step, keeps in path):
                paid = sum(s.price for s, k in zip(plan, kept, strict=False) if k)
                most = max(most, paid + plan[length - 1].price)
    return most


def may_keep(step: Any) -> bool:
    """Whether some failure of the step is not refunded."""
    reachable = {Reason.REJECTED, Reason.UNKNOWN, Reason.UNDELIVERED}
    if step.success is Success.READ:
        reachable.add(Reason.UNREAD)
    return not reachable <= REFUNDED[step.refund]


class Explorer:
    """One setting, explored completely."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.report = Report()
        self._cores: list[Core] = []
        self._index: dict[Core, int] = {}
        self._acted: dict[tuple[int, tuple[Any, ...]], tuple[int, bool]] = {}
        self._opening = needed(self.plan) if setting.reserve else self.plan[0].price

    def run(self) -> Report:
        """Raises Broken at the first state in which a rule does not hold."""
        start = World(self._start(), (), (0,) * len(self.plan), self.setting.laters)
        came: dict[World, tuple[World | None, str]] = {start: (None, "accepted")}
        fair: dict[World, World] = {}
        queue = deque([start])
        while queue:
            world = queue.popleft()
            try:
                self._check_world(world)
                for label, after in self._next(world):
                    self.report.transitions += 1
                    if label in ("time passes", "deadline without a look"):
                        fair[world] = after
                    if after not in came:
                        came[after] = (world, label)
                        queue.append(after)
            except AssertionError as error:
                raise Broken(f"{error}\n{self._tell(world, came)}") from error
        self.report.worlds = len(came)
        self.report.cores = len(self._cores)
        self._check_ends(came, fair)
        return self.report

    # Core states

    def _start(self) -> int:
        held = ledger.hold(self.plan, 0, reserve=self.setting.reserve)
        packet = Packet(
            id=1,
            account_id=1,
            plan=self.plan,
            held=held,
            reserve=self.setting.reserve,
            confirm_tries=life.CONFIRM_TRIES_MAX - 1,
        )
        first = replace(life.new_message(self.plan, 1, NOW), id=1)
        paid = ledger.charge(1, first)
        moves = ((paid.kind, paid.num, paid.customer),)
        return self._intern(Core(packet, (first,), moves, ()))

    def _intern(self, core: Core) -> int:
        self._check_core(core)
        core = canonical(core)
        number = self._index.get(core)
        if number is None:
            number = self._index[core] = len(self._cores)
            self._cores.append(core)
            self._check_early_deadline(core)
        return number

    def _check_early_deadline(self, core: Core) -> None:
        newest = core.messages[-1]
        if newest.decide_at is not None and newest.decide_at > NOW:
            self._see(core, newest.num, "deadline")

    def _act(self, number: int, *action: Any) -> tuple[int, bool]:
        """Applies an action of the real code to a core state; the flag: taken, or may go on."""
        key = (number, action)
        done = self._acted.get(key)
        if done is None:
            core = self._cores[number]
            after, flag = ACTIONS[action[0]](self, core, *action[1:])
            done = self._acted[key] = (self._intern(after), flag)
        return done

    def _apply(self, core: Core, change: Change) -> Core:
        self._check_change(core, change)
        by_num = {m.num: m for m in core.messages}
        by_num |= {m.num: replace(m, id=m.num) for m in change.messages}
        customer = (t for t in change.transfers if t.kind in ("charge", "refund"))
        moves = (*core.moves, *((t.kind, t.num, t.customer) for t in customer))
        self.report.seen.update(note.word for note in change.notes)
        messages = tuple(by_num[num] for num in sorted(by_num))
        given = core.given if len(messages) == len(core.messages) else ()
        return Core(change.packet, messages, tuple(sorted(moves, key=str)), given)

    def _claim(self, core: Core, num: int) -> tuple[Core, bool]:
        before = core.messages[num - 1]
        cap = ATTEMPTS_MAX[before.channel]
        change, taken = life.claim(
            core.packet, core.messages, num, at=NOW, lease_until=NOW + LEASE, attempts_max=cap
        )
        after = self._apply(core, change)
        message = after.messages[num - 1]
        answered = core.packet.answered_at is not None
        if taken:
            assert before.lease_until is None or before.lease_until <= NOW, "claimed while held"
            assert not answered, "claimed though the person has the code"
            assert before.attempts < cap, "claimed over the cap"
            assert NOW < (before.handover_at or before.ends_at), "claimed after its end"
            assert message.epoch == before.epoch + 1, "the epoch does not grow"
            assert message.attempts == before.attempts + 1, "the attempt is not on record"
        elif answered and before.attempts == 0:
            assert message.reason is Reason.CANCELLED, "not cancelled"
        return after, taken

    def _see(self, core: Core, num: int, name: str, epoch: int | None = None) -> tuple[Core, bool]:
        before = core.messages[num - 1]
        seen = observation(before, name, epoch)
        after = self._apply(core, life.advance(core.packet, core.messages, num, seen))
        self._check_seen(core, after, num, seen)
        held = before.state is State.QUEUED and before.lease_until is not None
        if name == "later" and before.epoch == epoch and held and epoch not in core.given:
            given = core.given if epoch is None else (*core.given, epoch)
            after = after._replace(given=given)
        message = after.messages[num - 1]
        going = epoch is not None and life.may_go_on(after.packet, message, epoch=epoch, at=NOW)
        if name == "prepare":
            self._check_prepare(core, message, seen, going=going)
        return after, going

    def _confirm(self, core: Core, right: bool) -> tuple[Core, bool]:
        change, verdict = life.confirm(core.packet, core.messages, right=right, at=NOW)
        after = self._apply(core, change)
        tries = core.packet.confirm_tries
        if core.packet.confirmed_at is not None:
            assert verdict is life.Verdict.USED, "a code is good for one confirm"
        elif tries >= life.CONFIRM_TRIES_MAX:
            assert verdict is life.Verdict.EXHAUSTED, "five tries"
        else:
            assert verdict is (life.Verdict.RIGHT if right else life.Verdict.WRONG)
            assert after.packet.confirm_tries == tries + 1, "a try is not counted"
        newest = core.messages[-1]
        if verdict is life.Verdict.RIGHT and not newest.state.is_final:
            expected = (
                (State.FAILED, Reason.CANCELLED)
                if newest.state is State.QUEUED and newest.attempts == 0
                else (State.CONFIRMED, None)
            )
            ended = after.messages[newest.num - 1]
            assert (ended.state, ended.reason) == expected, "a right confirm ends the message"
        self.report.seen.add(verdict.value)
        return after, verdict is life.Verdict.RIGHT

    def _tick(self, core: Core) -> tuple[Core, bool]:
        return core._replace(messages=tuple(older(m) for m in core.messages)), False

    def _restart(self, core: Core) -> tuple[Core, bool]:
        """The node died and is back: its claims are free again, their attempts stay on record."""
        message = replace(core.messages[-1], lease_until=None, due_at=NOW)
        message = replace(message, decide_at=life.decide_at(message))
        return core._replace(messages=(*core.messages[:-1], message)), False

    # What can happen next

    def _next(self, world: World) -> Iterator[tuple[str, World]]:
        core = self._cores[world.core]
        newest = core.messages[-1]
        if not newest.state.is_final:
            yield from self._time(world, newest)
            yield from self._claims(world, newest)
        yield from self._providers(world, core)
        yield from self._looks(world, core)
        for worker in world.workers:
            yield from self._work(world, core, worker)
        if self.setting.confirms:
            for right in (True, False):
                after, _ = self._act(world.core, "confirm", right)
                yield f"confirm {'right' if right else 'wrong'}", self._with(world, after)

    def _with(self, world: World, core: int, workers: tuple[Worker, ...] | None = None) -> World:
        """The world with another core, without what is not remembered of ended messages."""
        workers = world.workers if workers is None else workers
        ended = self._how_many_ended(core)
        if ended:
            workers = tuple(w for w in workers if w.num > ended)
            taken = tuple(0 if n < ended else t for n, t in enumerate(world.taken))
            laters = 0 if ended == len(self._cores[core].messages) else world.laters
            world = World(core, workers, taken, laters)
        return World(core, tuple(sorted(workers)), world.taken, world.laters)

    def _how_many_ended(self, core: int) -> int:
        messages = self._cores[core].messages
        return len(messages) - (not messages[-1].state.is_final)

    def _time(self, world: World, newest: Message) -> Iterator[tuple[str, World]]:
        assert newest.decide_at is not None
        if newest.decide_at >= NOW:
            after, _ = self._act(world.core, "tick")
            yield "time passes", self._with(world, after)
        if newest.decide_at > NOW:
            return
        after, _ = self._act(world.core, "see", newest.num, "deadline")
        yield "deadline without a look", self._with(world, after)
        status = world.taken[newest.num - 1]
        if status and newest.channel == "telegram":
            after, _ = self._act(world.core, "see", newest.num, f"deadline:{status}")
            yield "deadline after a look", self._with(world, after)

    def _claims(self, world: World, newest: Message) -> Iterator[tuple[str, World]]:
        held = newest.lease_until is not None and newest.lease_until > NOW
        if self.setting.restarts and held:
            after, _ = self._act(world.core, "restart")
            others = tuple(w for w in world.workers if w.epoch != newest.epoch)
            yield "restart", self._with(world, after, others)
        if newest.state is not State.QUEUED or newest.task is not Task.SEND:
            return
        assert newest.due_at is not None
        if newest.due_at > NOW:
            return
        after, taken = self._act(world.core, "claim", newest.num)
        workers = world.workers
        if taken:
            epoch = self._cores[after].messages[newest.num - 1].epoch
            left = [w for w in workers if self.setting.stale or w.twice]
            kept = sorted(left, key=lambda w: w.epoch)[-1:]
            workers = (*kept, Worker(newest.num, epoch, "claimed"))
        yield "claim", self._with(world, after, workers)

    def _providers(self, world: World, core: Core) -> Iterator[tuple[str, World]]:
        for message in core.messages:
            if message.state.is_final:
                for name in LATE_WORDS[message.channel]:
                    epoch = None if ":" in name or name in REPORT_NAMES else 0
                    after, _ = self._act(world.core, "see", message.num, name, epoch)
                    yield f"late {name} of {message.num}", self._with(world, after)
                continue
            status = world.taken[message.num - 1]
            for further in MOVES[message.channel].get(status, ()):
                yield (
                    f"provider of {message.num} -> {further}",
                    world._replace(taken=_put(world.taken, message.num, further)),
                )
            if not status:
                continue
            for name in (*REPORTS[message.channel][status], "look"):
                after, _ = self._act(world.core, "see", message.num, name)
                yield f"report {name} of {message.num}", self._with(world, after)

    def _looks(self, world: World, core: Core) -> Iterator[tuple[str, World]]:
        """Polls that are due."""
        for message in core.messages:
            due = message.task is Task.POLL and message.due_at is not None
            if not due or message.due_at > NOW or message.state.is_final:
                continue
            status = world.taken[message.num - 1]
            names = [f"poll:{status}"] if status else ["poll:0", "poll:0:retry"]
            for name in names:
                after, _ = self._act(world.core, "see", message.num, name)
                yield f"{name} of {message.num}", self._with(world, after)

    def _work(self, world: World, core: Core, worker: Worker) -> Iterator[tuple[str, World]]:
        others = list(world.workers)
        others.remove(worker)

        def becomes(phase: str, core: int = world.core, **more: Any) -> World:
            workers = (*others, worker._replace(phase=phase))
            return self._with(world._replace(**more), core, workers)

        message = core.messages[worker.num - 1]
        who = f"worker {worker.epoch} of {worker.num}"
        if worker.phase == "claimed":
            first = message.channel == "telegram" and message.settles_at is None
            if first:
                yield f"{who}: declined", becomes("rejected")
                yield f"{who}: check lost", becomes("retry")
                if world.laters:
                    yield f"{who}: flood", becomes("later", laters=world.laters - 1)
            if message.channel == "telegram":
                after, going = self._act(world.core, "see", worker.num, "prepare", worker.epoch)
                no = "later" if first else "poll"
                yield f"{who}: prepare", becomes("cleared" if going else no, after)
            else:
                going = life.may_go_on(core.packet, message, epoch=worker.epoch, at=NOW)
                yield f"{who}: look", becomes("cleared" if going else "later")
        elif worker.phase == "cleared":
            yield from self._call(world, worker, message, becomes)
        else:
            after, _ = self._act(world.core, "see", worker.num, worker.phase, worker.epoch)
            yield f"{who}: says {worker.phase}", self._with(world, after, tuple(others))
            if self.setting.doubled and not worker.twice:
                again = (*others, worker._replace(twice=True))
                yield (
                    f"{who}: says {worker.phase}, not for the last time",
                    self._with(world, after, again),
                )

    def _call(
        self,
        world: World,
        worker: Worker,
        message: Message,
        becomes: Callable[..., World],
    ) -> Iterator[tuple[str, World]]:
        """The external call: it has an effect or not, and an answer or not."""
        who = f"worker {worker.epoch} of {worker.num}"
        status = world.taken[worker.num - 1]
        taken = _put(world.taken, worker.num, max(1, status))
        unknown = ("retry", "poll") if message.channel == "telegram" else ("retry", "nothing")
        yield f"{who}: taken", becomes("accepted", taken=taken)
        for phase in unknown:
            yield f"{who}: taken, answer lost, {phase}", becomes(phase, taken=taken)
            yield f"{who}: lost, {phase}", becomes(phase)
        if not status:
            yield f"{who}: refused", becomes("rejected")
        if world.laters:
            yield f"{who}: later", becomes("later", laters=world.laters - 1)

    # What must hold

    def _check_core(self, core: Core) -> None:
        *earlier, newest = core.messages
        self._check_money(core)
        for message in core.messages:
            self._check_message(core, message)
        for message in earlier:
            assert message.state.is_final, "two open messages"
            assert message.state is not State.CONFIRMED, "a fallback of a confirmed message"
            assert message.reason is not Reason.CANCELLED, "a fallback of a cancelled message"
        assert [m.num for m in core.messages] == list(range(1, len(core.messages) + 1))
        assert len(core.messages) <= len(self.plan), "a message without a step"
        failed = newest.state in (State.FAILED, State.EXPIRED)
        if failed and newest.reason is not Reason.CANCELLED:
            assert newest.num == len(self.plan), "the packet looks final, its fallback is missing"
        if core.packet.answered_at is not None and newest.state is State.QUEUED:
            assert newest.attempts > 0, "an answered packet still has a message to send"

    def _check_message(self, core: Core, message: Message) -> None:
        assert 0 <= message.attempts <= ATTEMPTS_MAX[message.channel], "attempts on record"
        assert message.price == self.plan[message.num - 1].price, "the price was quoted at accept"
        if message.state.is_final:
            assert message.decide_at is None and message.lease_until is None
            assert message.task is not Task.SEND, "an ended message is to be sent"
            assert message.final_at is not None
            assert (message.reason is None) is (message.state is State.CONFIRMED)
            if message.reason is Reason.CANCELLED:
                assert message.attempts == 0, "an attempted message was cancelled"
            return
        assert message.reason is None and not message.refunded and message.final_at is None
        assert message.decide_at is not None, "an open message that nobody decides"
        assert (message.due_at is None) is (message.task is None)
        assert message.decide_at == expected_decision(message), "the decision's instant"
        assert message.attempts == message.epoch - len(core.given), "attempts on record"
        if message.state is not State.QUEUED:
            assert message.lease_until is None, "a claim of what a provider has"
            assert message.task is not Task.SEND, "a repeat of what a provider has"

    def _check_money(self, core: Core) -> None:
        for message in core.messages:
            mine = sorted(amount for _, num, amount in core.moves if num == message.num)
            refunded = message.reason is not None and (
                message.reason in REFUNDED[self.plan[message.num - 1].refund]
            )
            expected = [-message.price, message.price] if refunded else [-message.price]
            assert mine == expected, f"charges and refunds of message {message.num}: {mine}"
            assert message.refunded is refunded, "the refund mark"
        assert {num for _, num, _ in core.moves} == {m.num for m in core.messages}
        newest = core.messages[-1]
        held = 0
        if self.setting.reserve and not newest.state.is_final:
            held = needed(self.plan[newest.num - 1 :]) - newest.price
        assert core.packet.held == held, f"held {core.packet.held}, not {held}"
        balance = self._opening + sum(amount for _, _, amount in core.moves)
        if self.setting.reserve:
            assert balance - held >= 0, "a promise that cannot be paid"

    def _check_change(self, core: Core, change: Change) -> None:
        assert change.held_delta == change.packet.held - core.packet.held
        before = {m.num: m for m in core.messages}
        for message in change.messages:
            old = before.get(message.num)
            if old is None:
                assert message.id is None
            elif old.state.is_final:
                same = ("state", "reason", "refunded", "final_at", "price", "attempts")
                for name in same:
                    assert getattr(old, name) == getattr(message, name), f"final {name} changed"
        for transfer in change.transfers:
            if transfer.kind not in ("charge", "refund"):
                assert transfer.customer == 0, "a provider's money reached the customer"
            else:
                assert abs(transfer.customer) == transfer.amount > 0

    def _check_seen(self, core: Core, after: Core, num: int, seen: Observation) -> None:
        before, message = core.messages[num - 1], after.messages[num - 1]
        if before.state.is_final:
            return
        if not (core.packet.answered_at is None and message.reason is Reason.CANCELLED):
            state, reason = expected_end(before, seen, self.plan[num - 1].success)
            cancelled = message.reason is Reason.CANCELLED and state is State.QUEUED
            if not cancelled:
                assert (message.state, message.reason) == (state, reason), (
                    f"{seen.events} of {seen.source}: {message.state}, not {state}"
                )
        if before.lease_until is not None and seen.epoch is None:
            still = message.state is State.QUEUED
            same = (message.lease_until, message.due_at, message.task)
            kept = (before.lease_until, before.due_at, before.task)
            assert not still or same == kept, "a report took the claim's schedule away"

    def _check_prepare(
        self, core: Core, message: Message, seen: Observation, *, going: bool
    ) -> None:
        before = core.messages[message.num - 1]
        live = (
            before.state is State.QUEUED
            and before.epoch == seen.epoch
            and before.lease_until is not None
            and before.lease_until > NOW
            and core.packet.answered_at is None
        )
        assert going is live, "a worker may go on exactly if its claim holds"
        if going:
            assert seen.settles_at is not None and message.settles_at is not None
            assert message.settles_at >= seen.settles_at, "the provider's end is not on record"
            assert message.provider_id == seen.provider_id, "the id is not on record"
        elif not before.state.is_final:
            assert message.settles_at == before.settles_at, "a send is marked that never was"

    def _check_world(self, world: World) -> None:
        core = self._cores[world.core]
        for message in core.messages:
            if not message.state.is_final and world.taken[message.num - 1]:
                assert message.attempts > 0, "a provider has it and no attempt is on record"
        newest = core.messages[-1]
        if newest.state.is_final:
            self.report.ended += 1
            word = newest.reason.value if newest.reason else newest.state.value
            self.report.seen.add(f"{newest.channel} {word}")

    def _check_ends(
        self, came: dict[World, tuple[World | None, str]], fair: dict[World, World]
    ) -> None:
        """When nothing happens any more but time, every packet ends."""
        ends: set[World] = set()
        for world in came:
            path = []
            while world not in ends and not self._ended(world):
                path.append(world)
                assert len(path) < 100, f"stuck\n{self._tell(world, came)}"
                world = fair[world]
            ends.update(path)

    def _ended(self, world: World) -> bool:
        return self._cores[world.core].messages[-1].state.is_final

    def _tell(self, world: World, came: dict[World, tuple[World | None, str]]) -> str:
        lines = [str(self._cores[world.core])]
        at: World | None = world
        while at is not None:
            at, label = came[at]
            lines.append(label)
        return "\n".join(reversed(lines))


ACTIONS: dict[str, Callable[..., tuple[Core, bool]]] = {
    "claim": Explorer._claim,
    "see": Explorer._see,
    "confirm": Explorer._confirm,
    "tick": Explorer._tick,
    "restart": Explorer._restart,
}


def observation(message: Message, name: str, epoch: int | None) -> Observation:
    """What a worker, a provider or the clock says, by its name here."""
    kind, _, rest = name.partition(":")
    reports = REPORTS[message.channel]
    telegram = message.channel == "telegram"
    if kind in ("deadline", "poll"):
        events = tuple(e for es in reports[int(rest[:1] or 0)].values() for e in es)
        last = (Event.TIMED_OUT,) if kind == "deadline" else ()
        retry = NOW if rest.endswith("retry") else None
        open_poll = kind == "poll" and not message.state.is_final and retry is None
        return Observation(
            at=NOW,
            source=kind,
            events=(*last, *events),
            retry_at=retry,
            poll_at=NOW + TICK if open_poll else None,
        )
    if kind == "look":
        return Observation(at=NOW, source="callback", poll_at=NOW)
    for events_by_name in reports.values():
        if kind in events_by_name:
            return Observation(at=NOW, source="receipt", events=events_by_name[kind])
    known = message.settles_at is not None and message.provider_id is not None
    provider_id = message.provider_id if known else f"p{epoch}"
    answers: dict[str, dict[str, Any]] = {
        "prepare": {
            "source": "prepare",
            "provider_id": provider_id,
            "settles_at": NOW + TTL,
            "bookings": (
                Booking(kind=BookingKind.FEE, provider="telegram", amount=1, attempt=epoch or 0),
            ),
        },
        "accepted": {
            "events": (Event.ACCEPTED,),
            "provider_id": provider_id if telegram else f"p{epoch}",
            "poll_at": NOW + TICK if telegram else None,
        },
        "rejected": {"events": (Event.REJECTED,)},
        "later": {"later_at": NOW + TICK},
        "retry": {"retry_at": NOW},
        "poll": {"poll_at": NOW + TICK},
        "nothing": {},
    }
    return Observation(at=NOW, epoch=epoch, **({"source": "send"} | answers[kind]))


def expected_decision(message: Message) -> int:
    """When the deadline of an open message is decided (D1, D7, D9), said once more."""
    if message.state is State.QUEUED and message.handover_at is not None:
        end = message.handover_at
    else:
        ends = [message.ends_at] + ([] if message.settles_at is None else [message.settles_at])
        end = max(ends) + 2_000
    if message.state is State.QUEUED and message.lease_until is not None:
        end = max(end, message.lease_until)
    return end


def expected_end(
    before: Message, seen: Observation, success: Success
) -> tuple[State, Reason | None]:
    """State and reason after an observation, by the architecture's table and its fence."""
    stale = seen.epoch is not None and seen.epoch != before.epoch
    state, reason = before.state, None
    attempts = before.attempts
    for event in BY_RANK:
        if event not in seen.events or state.is_final or (stale and event not in EVIDENCE):
            continue
        if event is Event.TIMED_OUT and seen.source == "deadline":
            if expected_decision(replace(before, state=state)) > NOW:
                continue
        state, plain, attempted = CELLS[state, event, success]
        reason = attempted if attempts else plain
    return state, reason


def older(message: Message) -> Message:
    """The message one tick later: all its instants are one tick further in the past."""
    if message.state.is_final:
        return message

    def shift(instant: int | None) -> int | None:
        return None if instant is None else instant - TICK

    return replace(
        message,
        ends_at=message.ends_at - TICK,
        handover_at=shift(message.handover_at),
        decide_at=shift(message.decide_at),
        due_at=shift(message.due_at),
        lease_until=shift(message.lease_until),
        settles_at=shift(message.settles_at),
    )


def canonical(core: Core) -> Core:
    """Without what no rule looks at any more."""
    packet = core.packet
    packet = replace(
        packet,
        answered_at=_blank(packet.answered_at),
        confirmed_at=_blank(packet.confirmed_at),
    )
    *earlier, newest = core.messages
    messages = (*(_canonical_past(m) for m in earlier), _canonical_message(newest))
    given = () if newest.state.is_final else core.given
    return Core(packet, messages, core.moves, given)


def _canonical_past(message: Message) -> Message:
    """An ended message before the newest: all that still counts is whether it was refunded."""
    message = _canonical_message(message)
    end = (State.FAILED, Reason.REJECTED) if message.refunded else (State.EXPIRED, Reason.UNREAD)
    return replace(
        message,
        state=end[0],
        reason=end[1],
        attempts=0,
        provider_id=None,
        delivered_at=None,
        corrected=None,
        corrected_at=None,
        due_at=None,
        task=None,
    )


def _canonical_message(message: Message) -> Message:
    message = replace(
        message,
        created_at=NOW,
        delivered_at=_blank(message.delivered_at),
        corrected_at=_blank(message.corrected_at),
        final_at=_blank(message.final_at),
        due_at=None if message.due_at is None else max(message.due_at, NOW),
    )
    if message.state.is_final:
        return replace(
            message,
            ends_at=NOW,
            handover_at=None,
            due_at=_blank(message.due_at),
            epoch=0,
            attempts=min(message.attempts, 1),
            provider_id=None if message.provider_id is None else "p",
            settles_at=None,
        )
    if message.state is not State.QUEUED:
        return replace(message, handover_at=None)
    return message


def _blank(instant: int | None) -> int | None:
    return None if instant is None else NOW


def _put(values: tuple[int, ...], num: int, value: int) -> tuple[int, ...]:
    return (*values[: num - 1], value, *values[num:])
