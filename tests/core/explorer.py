"""Walks every interleaving of one packet's life over the real rules, and checks each state.

Nothing of the rules is modelled: every step calls `core.life`. What is modelled is the world around
them: providers that move on and report late, twice, out of order or never; workers that claim, get
stuck, lose their lease and come back; answers that are lost; a person who types the code; and time.

- Now is always `NOW`: letting time pass moves every instant of an open message into the past. What
  can no longer matter (instants of ended messages) is blanked, so that equal futures meet.
- Once a message has ended, its provider and its old workers may say *anything* about it at any
  time: more than they really could, so that nothing about them has to be remembered.
- A *core* state (packet, messages, money) is a number, and each action on it is computed and judged
  once. A *world* is such a number with the workers and the providers around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kodgate.core import life
from kodgate.core.types import Message, Plan, State, Task

from .cores import Cores
from .judge import Broken
from .kit import NOW
from .world import LATE_WORDS, MOVES, REPORT_NAMES, REPORTS, TICK, Core


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
    lease_ticks: int = 1
    """1: claims run out early; 3: a claim can outlive its message's deadline."""
    stale: bool = True
    """A worker whose claim was taken over may still act and answer."""
    laters: int = 1
    doubled: bool = True
    """An answer may be recorded twice, the second time long after."""
    confirms: bool = True
    restarts: bool = True


class Explorer:
    """One setting, explored completely."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.report = Report()
        self._packets = Cores(
            setting.plan, reserve=setting.reserve, lease_ms=setting.lease_ticks * TICK
        )

    def run(self) -> Report:
        """Raises Broken at the first state in which a rule does not hold."""
        start = World(self._packets.start(), (), (0,) * len(self.plan), self.setting.laters)
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
        self.report.seen |= self._packets.words
        self.report.worlds = len(came)
        self.report.cores = len(self._packets)
        self._check_ends(came, fair)
        return self.report

    def _next(self, world: World) -> Iterator[tuple[str, World]]:
        core = self._packets[world.core]
        newest = core.messages[-1]
        if not newest.state.is_final:
            after, _ = self._packets.act(world.core, "retry")
            yield "retry", self._with(world, after)
            yield from self._time(world, newest)
            yield from self._claims(world, newest)
        yield from self._providers(world, core)
        yield from self._looks(world, core)
        for worker in world.workers:
            yield from self._work(world, core, worker)
        if self.setting.confirms:
            for right in (True, False):
                after, _ = self._packets.act(world.core, "confirm", right)
                yield f"confirm {'right' if right else 'wrong'}", self._with(world, after)

    def _with(self, world: World, core: int, workers: tuple[Worker, ...] | None = None) -> World:
        """The world with another core, without what is not remembered of ended messages."""
        workers = world.workers if workers is None else workers
        ended = self._how_many_ended(core)
        if ended:
            workers = tuple(w for w in workers if w.num > ended)
            taken = tuple(0 if n < ended else t for n, t in enumerate(world.taken))
            laters = 0 if ended == len(self._packets[core].messages) else world.laters
            world = World(core, workers, taken, laters)
        return World(core, tuple(sorted(workers)), world.taken, world.laters)

    def _how_many_ended(self, core: int) -> int:
        messages = self._packets[core].messages
        return len(messages) - (not messages[-1].state.is_final)

    def _time(self, world: World, newest: Message) -> Iterator[tuple[str, World]]:
        assert newest.decide_at is not None
        if newest.decide_at >= NOW:
            after, _ = self._packets.act(world.core, "tick")
            yield "time passes", self._with(world, after)
        if newest.decide_at > NOW:
            return
        after, _ = self._packets.act(world.core, "see", newest.num, "deadline")
        yield "deadline without a look", self._with(world, after)
        after, _ = self._packets.act(world.core, "discard")
        yield "discard", self._with(world, after)
        status = world.taken[newest.num - 1]
        if status and newest.channel == "telegram":
            after, _ = self._packets.act(world.core, "see", newest.num, f"deadline:{status}")
            yield "deadline after a look", self._with(world, after)

    def _claims(self, world: World, newest: Message) -> Iterator[tuple[str, World]]:
        held = newest.lease_until is not None and newest.lease_until > NOW
        if self.setting.restarts and held:
            after, _ = self._packets.act(world.core, "restart")
            others = tuple(w for w in world.workers if w.epoch != newest.epoch)
            yield "restart", self._with(world, after, others)
        if newest.state is not State.QUEUED or newest.task is not Task.SEND:
            return
        assert newest.due_at is not None
        if newest.due_at > NOW:
            return
        after, taken = self._packets.act(world.core, "claim", newest.num)
        workers = world.workers
        if taken:
            epoch = self._packets[after].messages[newest.num - 1].epoch
            left = [w for w in workers if self.setting.stale or w.twice]
            kept = sorted(left, key=lambda w: w.epoch)[-1:]
            workers = (*kept, Worker(newest.num, epoch, "claimed"))
        yield "claim", self._with(world, after, workers)

    def _providers(self, world: World, core: Core) -> Iterator[tuple[str, World]]:
        for message in core.messages:
            if message.state.is_final:
                for name in LATE_WORDS[message.channel]:
                    epoch = None if ":" in name or name in REPORT_NAMES else 0
                    after, _ = self._packets.act(world.core, "see", message.num, name, epoch)
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
                after, _ = self._packets.act(world.core, "see", message.num, name)
                yield f"report {name} of {message.num}", self._with(world, after)

    def _looks(self, world: World, core: Core) -> Iterator[tuple[str, World]]:
        """Polls that are due."""
        for message in core.messages:
            due = message.due_at is not None and message.due_at <= NOW
            if not due or message.task is not Task.POLL or message.state.is_final:
                continue
            status = world.taken[message.num - 1]
            names = [f"poll:{status}"] if status else ["poll:0", "poll:0:retry"]
            for name in names:
                after, _ = self._packets.act(world.core, "see", message.num, name)
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
                after, going = self._packets.act(
                    world.core, "see", worker.num, "prepare", worker.epoch
                )
                no = "later" if first else "poll"
                yield f"{who}: prepare", becomes("cleared" if going else no, after)
            else:
                going = life.may_go_on(core.packet, message, epoch=worker.epoch, at=NOW)
                yield f"{who}: look", becomes("cleared" if going else "later")
        elif worker.phase == "cleared":
            yield from self._call(world, worker, message, becomes)
        else:
            after, _ = self._packets.act(world.core, "see", worker.num, worker.phase, worker.epoch)
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

    def _check_world(self, world: World) -> None:
        core = self._packets[world.core]
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
        return self._packets[world.core].messages[-1].state.is_final

    def _tell(self, world: World, came: dict[World, tuple[World | None, str]]) -> str:
        lines = [str(self._packets[world.core])]
        at: World | None = world
        while at is not None:
            at, label = came[at]
            lines.append(label)
        return "\n".join(reversed(lines))


def _put(values: tuple[int, ...], num: int, value: int) -> tuple[int, ...]:
    return (*values[: num - 1], value, *values[num:])
