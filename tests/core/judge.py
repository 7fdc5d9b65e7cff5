"""What must hold in every state of a packet and for every step between two (D1-D4, I-1..I-9)."""

from __future__ import annotations

import itertools
from dataclasses import replace

from kodgate.core.types import (
    Change,
    Event,
    Message,
    Observation,
    Plan,
    PlannedStep,
    Reason,
    State,
    Success,
    Task,
)

from .kit import ATTEMPTS_MAX, NOW
from .table import CELLS, REFUNDED
from .world import Core

EVIDENCE = {Event.ACCEPTED, Event.DELIVERED, Event.READ}
WITHOUT_FALLBACK = {Reason.CANCELLED, Reason.DISCARDED}
BY_RANK = [
    Event.ACCEPTED,
    Event.DELIVERED,
    Event.READ,
    Event.REJECTED,
    Event.UNDELIVERED,
    Event.TIMED_OUT,
]


class Broken(AssertionError):
    """A rule does not hold; the text tells the way to the state."""


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


def may_keep(step: PlannedStep) -> bool:
    """Whether some failure of the step is not refunded."""
    reachable = {Reason.REJECTED, Reason.UNKNOWN, Reason.UNDELIVERED}
    if step.success is Success.READ:
        reachable.add(Reason.UNREAD)
    return not reachable <= REFUNDED[step.refund]


class Judge:
    """Asserts the invariants of one packet."""

    def __init__(self, plan: Plan, *, reserve: bool) -> None:
        self.plan = plan
        self.reserve = reserve
        self.opening = needed(plan) if reserve else plan[0].price
        """The least that an account must have had."""

    def core(self, core: Core) -> None:
        *earlier, newest = core.messages
        self._money(core)
        for message in core.messages:
            self._message(core, message)
        for message in earlier:
            assert message.state.is_final, "two open messages"
            assert message.state is not State.CONFIRMED, "a fallback of a confirmed message"
            assert message.reason not in WITHOUT_FALLBACK, f"a fallback of a {message.reason} one"
        assert [m.num for m in core.messages] == list(range(1, len(core.messages) + 1))
        assert len(core.messages) <= len(self.plan), "a message without a step"
        failed = newest.state in (State.FAILED, State.EXPIRED)
        if failed and newest.reason not in WITHOUT_FALLBACK:
            assert newest.num == len(self.plan), "the packet looks final, its fallback is missing"
        if core.packet.answered_at is not None and newest.state is State.QUEUED:
            assert newest.attempts > 0, "an answered packet still has a message to send"

    def _message(self, core: Core, message: Message) -> None:
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

    def _money(self, core: Core) -> None:
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
        if self.reserve and not newest.state.is_final:
            held = needed(self.plan[newest.num - 1 :]) - newest.price
        assert core.packet.held == held, f"held {core.packet.held}, not {held}"
        balance = self.opening + sum(amount for _, _, amount in core.moves)
        if self.reserve:
            assert balance - held >= 0, "a promise that cannot be paid"

    def change(self, core: Core, change: Change) -> None:
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

    def seen(self, core: Core, after: Core, num: int, seen: Observation) -> None:
        before, message = core.messages[num - 1], after.messages[num - 1]
        success = self.plan[num - 1].success
        good = {Event.READ} if success is Success.READ else {Event.READ, Event.DELIVERED}
        answered = core.packet.answered_at is not None or not good.isdisjoint(seen.events)
        assert (after.packet.answered_at is not None) is answered, "who has the code is forgotten"
        if before.state.is_final:
            return
        if not (core.packet.answered_at is None and message.reason is Reason.CANCELLED):
            state, reason = expected_end(before, seen, success)
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

    def prepare(self, core: Core, message: Message, seen: Observation, *, going: bool) -> None:
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
        deadline = event is Event.TIMED_OUT and seen.source == "deadline"
        if deadline and expected_decision(replace(before, state=state)) > NOW:
            continue
        state, plain, attempted = CELLS[state, event, success]
        reason = attempted if attempts else plain
    return state, reason
