"""Packets as numbers: every action of the real rules on a packet, done and judged once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kodgate.core import ledger, life
from kodgate.core.types import Change, Packet, Plan, Reason, State

from .judge import Judge
from .kit import ATTEMPTS_MAX, NOW
from .world import TICK, Core, canonical, observation, older


class Cores:
    """All states of one packet that were met; each equals its canonical form."""

    def __init__(self, plan: Plan, *, reserve: bool, lease_ms: int = 2 * TICK) -> None:
        self.plan = plan
        self.reserve = reserve
        self.lease_ms = lease_ms
        self.judge = Judge(plan, reserve=reserve)
        self.cores: list[Core] = []
        self.words: set[str] = set()
        """Notes and verdicts that occurred."""
        self._index: dict[Core, int] = {}
        self._acted: dict[tuple[int, tuple[Any, ...]], tuple[int, bool]] = {}

    def __getitem__(self, number: int) -> Core:
        return self.cores[number]

    def __len__(self) -> int:
        return len(self.cores)

    def start(self) -> int:
        held = ledger.hold(self.plan, 0, reserve=self.reserve)
        packet = Packet(
            id=1,
            account_id=1,
            plan=self.plan,
            held=held,
            reserve=self.reserve,
            confirm_tries=life.CONFIRM_TRIES_MAX - 1,
        )
        first = replace(life.new_message(self.plan, 1, NOW), id=1)
        paid = ledger.charge(1, first)
        moves = ((paid.kind, paid.num, paid.customer),)
        return self.intern(Core(packet, (first,), moves, ()))

    def intern(self, core: Core) -> int:
        self.judge.core(core)
        core = canonical(core)
        number = self._index.get(core)
        if number is None:
            number = self._index[core] = len(self.cores)
            self.cores.append(core)
            self._check_early_deadline(core)
        return number

    def _check_early_deadline(self, core: Core) -> None:
        newest = core.messages[-1]
        if newest.decide_at is not None and newest.decide_at > NOW:
            self._see(core, newest.num, "deadline")

    def act(self, number: int, *action: Any) -> tuple[int, bool]:
        """Applies an action of the real code to a core state; the flag: taken, or may go on."""
        key = (number, action)
        done = self._acted.get(key)
        if done is None:
            core = self.cores[number]
            after, flag = ACTIONS[action[0]](self, core, *action[1:])
            done = self._acted[key] = (self.intern(after), flag)
        return done

    def _apply(self, core: Core, change: Change) -> Core:
        self.judge.change(core, change)
        by_num = {m.num: m for m in core.messages}
        by_num |= {m.num: replace(m, id=m.num) for m in change.messages}
        customer = (t for t in change.transfers if t.kind in ("charge", "refund"))
        moves = (*core.moves, *((t.kind, t.num, t.customer) for t in customer))
        self.words.update(note.word for note in change.notes)
        messages = tuple(by_num[num] for num in sorted(by_num))
        given = core.given if len(messages) == len(core.messages) else ()
        return Core(change.packet, messages, tuple(sorted(moves, key=str)), given)

    def _claim(self, core: Core, num: int) -> tuple[Core, bool]:
        before = core.messages[num - 1]
        cap = ATTEMPTS_MAX[before.channel]
        change, taken = life.claim(
            core.packet,
            core.messages,
            num,
            at=NOW,
            lease_until=NOW + self.lease_ms,
            attempts_max=cap,
        )
        after = self._apply(core, change)
        message = after.messages[num - 1]
        answered = core.packet.answered_at is not None
        if taken:
            assert before.lease_until is None or before.lease_until <= NOW, "claimed while held"
            assert not answered, "claimed though the person has the code"
            assert before.attempts < cap, "claimed over the cap"
            assert (before.handover_at or before.ends_at) > NOW, "claimed after its end"
            assert message.epoch == before.epoch + 1, "the epoch does not grow"
            assert message.attempts == before.attempts + 1, "the attempt is not on record"
        elif answered and before.attempts == 0:
            assert message.reason is Reason.CANCELLED, "not cancelled"
        return after, taken

    def _see(self, core: Core, num: int, name: str, epoch: int | None = None) -> tuple[Core, bool]:
        before = core.messages[num - 1]
        seen = observation(before, name, epoch)
        after = self._apply(core, life.advance(core.packet, core.messages, num, seen))
        self.judge.seen(core, after, num, seen)
        held = before.state is State.QUEUED and before.lease_until is not None
        if name == "later" and before.epoch == epoch and held and epoch not in core.given:
            given = core.given if epoch is None else (*core.given, epoch)
            after = after._replace(given=given)
        message = after.messages[num - 1]
        going = epoch is not None and life.may_go_on(after.packet, message, epoch=epoch, at=NOW)
        if name == "prepare":
            self.judge.prepare(core, message, seen, going=going)
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
        self.words.add(verdict.value)
        return after, verdict is life.Verdict.RIGHT

    def _discard(self, core: Core) -> tuple[Core, bool]:
        """At once, without the patience that an operator must have: more than can happen."""
        newest = core.messages[-1]
        change = life.discard(core.packet, core.messages, at=NOW, patience_ms=0)
        due = newest.decide_at is not None and newest.decide_at <= NOW
        assert (change is not None) is due, "only what is stuck may be discarded"
        if change is None:
            return core, False
        after = self._apply(core, change)
        ended = after.messages[newest.num - 1]
        assert (ended.state, ended.reason) == (State.FAILED, Reason.DISCARDED)
        assert ended.refunded and after.packet.held == 0, "a discard gives everything back"
        return after, True

    def _retry(self, core: Core) -> tuple[Core, bool]:
        change = life.retry(core.packet, core.messages, at=NOW)
        assert not change.transfers and change.packet == core.packet, "a retry moves money"
        after = self._apply(core, change)
        before, message = core.messages[-1], after.messages[-1]
        kept = (message.state, message.attempts, message.epoch, message.lease_until)
        assert kept == (before.state, before.attempts, before.epoch, before.lease_until)
        return after, False

    def _tick(self, core: Core) -> tuple[Core, bool]:
        return core._replace(messages=tuple(older(m) for m in core.messages)), False

    def _restart(self, core: Core) -> tuple[Core, bool]:
        """The node died and is back: its claims are free again, their attempts stay on record."""
        message = replace(core.messages[-1], lease_until=None, due_at=NOW)
        message = replace(message, decide_at=life.decide_at(message))
        return core._replace(messages=(*core.messages[:-1], message)), False


ACTIONS: dict[str, Callable[..., tuple[Core, bool]]] = {
    "claim": Cores._claim,
    "see": Cores._see,
    "confirm": Cores._confirm,
    "discard": Cores._discard,
    "retry": Cores._retry,
    "tick": Cores._tick,
    "restart": Cores._restart,
}
