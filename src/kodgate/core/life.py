"""One packet's life: what a claim, an observation or a confirm does to it.

Pure. A store reads a packet and its messages under lock, asks here, and writes the `Change` in the
same transaction (D3). The explorer in the tests walks every interleaving of exactly this code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kodgate.core import cascade, ledger
from kodgate.core.results import CORRECTION_MS
from kodgate.core.types import (
    Alias,
    Change,
    Event,
    Message,
    Note,
    Observation,
    Packet,
    Plan,
    Reason,
    State,
    Task,
    Transfer,
)
from kodgate.core.values import changed

GRACE_MS = 2_000
"""After the deadline, or the provider's own end if that is later, before it is decided (D9)."""

CONFIRM_TRIES_MAX = 5

_EVIDENCE = frozenset({Event.ACCEPTED, Event.DELIVERED, Event.READ})
"""Events that are true whoever says them: the epoch does not fence them (D7)."""

_ARRIVED = frozenset({Event.DELIVERED, Event.READ})
"""Events that show the message on the phone."""

_REFINED = frozenset({Reason.CLOSED, Reason.NO_ROUTE})
"""What a provider's rejection may be refined to."""


class Verdict(StrEnum):
    """What a confirm came to."""

    RIGHT = "right"
    WRONG = "wrong"
    USED = "used"
    EXHAUSTED = "exhausted"


def decide_at(message: Message) -> int:
    """When the deadline of an open message is to be decided."""
    if message.state is not State.QUEUED:
        return _end(message.ends_at, message.settles_at)
    end = _queued_end(message.ends_at, message.settles_at, message.handover_at)
    return end if message.lease_until is None else max(end, message.lease_until)


def _end(ends_at: int, settles_at: int | None) -> int:
    """After it no good news may come."""
    return max(ends_at, settles_at or 0) + GRACE_MS


def _queued_end(ends_at: int, settles_at: int | None, handover_at: int | None) -> int:
    """The same while no provider has taken the message."""
    return _end(ends_at, settles_at) if handover_at is None else handover_at


def new_message(plan: Plan, num: int, at: int) -> Message:
    """The message of step `num` (from 1), due to be sent at once."""
    step = plan[num - 1]
    ends_at = at + step.wait_s * 1000
    handover_at = None if step.handover_s is None else at + step.handover_s * 1000
    return Message(
        id=None,
        num=num,
        channel=step.channel,
        state=State.QUEUED,
        price=step.price,
        created_at=at,
        ends_at=ends_at,
        handover_at=handover_at,
        decide_at=_queued_end(ends_at, None, handover_at),
        due_at=at,
        task=Task.SEND,
    )


def _timed(message: Message) -> Message:
    """An open message with the instant of its decision brought up to date."""
    at = decide_at(message)
    return message if at == message.decide_at else changed(message, decide_at=at)


def _claims_end(message: Message) -> int:
    """The first instant at which no attempt may begin any more."""
    return message.ends_at if message.handover_at is None else message.handover_at


def claim(
    packet: Packet,
    messages: tuple[Message, ...],
    num: int,
    *,
    at: int,
    lease_until: int,
    attempts_max: int,
) -> tuple[Change, bool]:
    """Takes a due message for one attempt, or says why not; True if it was taken.

    The attempt is on record before anything leaves the house (D10). Nothing is claimed from the
    message's handover, or end, on (D1). A packet that was answered in the meantime is not claimed:
    without an attempt it is cancelled, with one it is left alone.
    """
    life = _Life(packet, messages)
    message = life.message(num)
    assert message.state is State.QUEUED and message.task is Task.SEND
    if life.cancel_if_answered(at) or at >= _claims_end(message):
        return life.change(), False
    capped = message.attempts >= attempts_max
    if capped or packet.answered_at is not None:
        polled = capped and message.settles_at is not None
        task, due_at = (Task.POLL, at) if polled else (None, None)
        life.put(_timed(changed(message, task=task, due_at=due_at, lease_until=None)))
        return life.change(), False
    taken = changed(
        message,
        attempts=message.attempts + 1,
        epoch=message.epoch + 1,
        lease_until=lease_until,
        due_at=lease_until,
    )
    life.put(_timed(taken))
    return life.change(), True


def may_go_on(packet: Packet, message: Message, *, epoch: int, at: int) -> bool:
    """Whether the holder of a claim may still make an external call (D7)."""
    return (
        message.state is State.QUEUED
        and message.epoch == epoch
        and message.lease_until is not None
        and message.lease_until > at
        and packet.answered_at is None
    )


def advance(packet: Packet, messages: tuple[Message, ...], num: int, seen: Observation) -> Change:
    """Everything that one observation of message `num` does. Doing it twice does nothing more."""
    life = _Life(packet, messages)
    life.book(num, seen)
    if life.message(num).state.is_final:
        life.late(num, seen)
    else:
        life.observe(num, seen)
    life.answer(num, seen)
    life.cancel_if_answered(seen.at)
    return life.change()


def confirm(
    packet: Packet, messages: tuple[Message, ...], *, right: bool, at: int
) -> tuple[Change, Verdict]:
    """The person typed a code (D15): five tries, one use; a right one is a read of the newest."""
    life = _Life(packet, messages)
    if packet.confirmed_at is not None:
        return life.change(), Verdict.USED
    if packet.confirm_tries >= CONFIRM_TRIES_MAX:
        return life.change(), Verdict.EXHAUSTED
    life.packet = changed(packet, confirm_tries=packet.confirm_tries + 1)
    if not right:
        return life.change(), Verdict.WRONG
    life.packet = changed(life.packet, confirmed_at=at, answered_at=life.packet.answered_at or at)
    newest = life.newest
    if newest.state.is_final:
        life.note(newest.num, "confirmed_late")
    elif not life.cancel_if_answered(at):
        life.observe(newest.num, Observation(at=at, source="confirm", events=(Event.READ,)))
    return life.change(), Verdict.RIGHT


def is_stuck(message: Message, *, at: int, patience_ms: int) -> bool:
    """A dead letter: an open message that nobody decided, so long after its decision was due. By
    its reservations alone it never looks overdue: what counts is the end that the rules give it."""
    return not message.state.is_final and at >= decide_at(message) + patience_ms


def retry(packet: Packet, messages: tuple[Message, ...], *, at: int) -> Change:
    """An operator asks for the newest message's next step now: its decision where that is due, else
    the attempt that waits. Nothing changes for what has ended, is claimed or has no attempt left;
    so that no provider is asked once more than without it."""
    life = _Life(packet, messages)
    newest = life.newest
    held = newest.lease_until is not None and newest.lease_until > at
    if newest.state.is_final or held:
        return life.change()
    if at >= decide_at(newest):
        life.put(_timed(newest))
    elif newest.task is Task.SEND and newest.due_at is not None and newest.due_at > at:
        life.put(changed(newest, due_at=at))
    return life.change()


def discard(
    packet: Packet, messages: tuple[Message, ...], *, at: int, patience_ms: int
) -> Change | None:
    """An operator ends a stuck newest message: refunded, no fallback. None: it is not stuck, and
    ends by itself. What the provider took is still asked for."""
    life = _Life(packet, messages)
    newest = life.newest
    if not is_stuck(newest, at=at, patience_ms=patience_ms):
        return None
    life.note(newest.num, "discarded")
    ending = _Ending(State.FAILED, Reason.DISCARDED)
    poll_at = None if newest.settles_at is None else at
    seen = Observation(at=at, source="discard", poll_at=poll_at)
    life.end(changed(newest, state=ending.state), ending, seen)
    return life.change()


@dataclass(slots=True)
class _Ending:
    state: State
    reason: Reason | None


class _Life:
    """Collects what one decision changes."""

    def __init__(self, packet: Packet, messages: tuple[Message, ...]) -> None:
        self.packet = packet
        self._before = {m.num: m for m in messages}
        self._messages = dict(self._before)
        self._held_before = packet.held
        self._transfers: list[Transfer] = []
        self._aliases: list[Alias] = []
        self._notes: list[Note] = []

    def change(self) -> Change:
        before = self._before
        news = [m for num, m in self._messages.items() if m is not before.get(num)]
        return Change(
            packet=self.packet,
            messages=tuple(m for m in news if m != before.get(m.num)),
            transfers=tuple(self._transfers),
            held_delta=self.packet.held - self._held_before,
            aliases=tuple(self._aliases),
            notes=tuple(self._notes),
        )

    def message(self, num: int) -> Message:
        return self._messages[num]

    @property
    def newest(self) -> Message:
        return self._messages[max(self._messages)]

    def put(self, message: Message) -> None:
        self._messages[message.num] = message

    def note(self, num: int, word: str) -> None:
        self._notes.append(Note(num=num, word=word))

    def book(self, num: int, seen: Observation) -> None:
        self._transfers += [ledger.booking(num, entry) for entry in seen.bookings]

    def observe(self, num: int, seen: Observation) -> None:
        """An observation of an open message."""
        message = self.message(num)
        stale = seen.epoch is not None and seen.epoch != message.epoch
        message = self._learn_provider_id(message, seen, stale=stale)
        if not stale:
            message = self._reschedule(message, seen)
        ending = self._apply_events(message, seen, stale=stale)
        if ending.state is not message.state:
            self.note(num, ending.state.value)
            message = changed(message, state=ending.state)
        if ending.state.is_final:
            self.end(message, ending, seen)
            return
        if ending.state is not State.QUEUED:
            message = _await_news(message, seen)
        self.put(_timed(message))

    def late(self, num: int, seen: Observation) -> None:
        """An observation of a message that has ended: recorded, and no money moves (I-7)."""
        message = self.message(num)
        if seen.provider_id is not None and seen.provider_id != message.provider_id:
            self._aliases.append(Alias(num=num, provider_id=seen.provider_id))
        if message.state is not State.CONFIRMED and (
            seen.source == "poll" or seen.poll_at is not None
        ):
            task = None if seen.poll_at is None else Task.POLL
            message = changed(message, due_at=seen.poll_at, task=task)
        message = self._correct(message, seen)
        arrived = message.delivered_at is None and not _ARRIVED.isdisjoint(seen.events)
        if message.state is not State.CONFIRMED and (arrived or self._is_first_answer(num, seen)):
            self.note(num, "late")
        self.put(changed(message, delivered_at=seen.at) if arrived else message)

    def answer(self, num: int, seen: Observation) -> None:
        """The person has the code: from now on no later message is begun or repeated."""
        if self._is_first_answer(num, seen):
            self.packet = changed(self.packet, answered_at=seen.at)

    def _is_first_answer(self, num: int, seen: Observation) -> bool:
        success = self.packet.plan[num - 1].success
        answered = any(cascade.answers(event, success) for event in seen.events)
        return answered and self.packet.answered_at is None

    def cancel_if_answered(self, at: int) -> bool:
        """Ends the newest message, with its money back and no fallback, where the person has the
        code and nobody has tried to send the message: a rule on state, not on order (D2)."""
        newest = self.newest
        if self.packet.answered_at is None or newest.state is not State.QUEUED or newest.attempts:
            return False
        self.note(newest.num, "cancelled")
        ending = _Ending(State.FAILED, Reason.CANCELLED)
        self.end(changed(newest, state=ending.state), ending, Observation(at=at, source="cancel"))
        return True

    def _learn_provider_id(self, message: Message, seen: Observation, *, stale: bool) -> Message:
        new, old = seen.provider_id, message.provider_id
        if new is None or new == old:
            return message
        claimed = seen.epoch is not None and not stale
        replaces = claimed or (old is None and seen.source != "prepare")
        beside = old if replaces else new
        if beside is not None:
            self._aliases.append(Alias(num=message.num, provider_id=beside))
        return changed(message, provider_id=new) if replaces else message

    def _reschedule(self, message: Message, seen: Observation) -> Message:
        """What the holder of the claim, or a look, says of the next step of an open message."""
        if seen.source == "prepare":
            going = seen.epoch is not None and may_go_on(
                self.packet, message, epoch=seen.epoch, at=seen.at
            )
            return _settling(message, seen) if going else message
        message = _settling(message, seen)
        if seen.later_at is not None and seen.epoch is not None:
            return _given_back(message, seen.later_at)
        if seen.epoch is None and message.lease_until is not None:
            return message  # whoever holds the claim says what comes next
        news: dict[str, Any] = {}
        if seen.epoch is not None or seen.source == "poll":
            news = {"due_at": None, "task": None}
        if seen.epoch is not None:
            news["lease_until"] = None
        if seen.retry_at is not None:
            news |= {"due_at": seen.retry_at, "task": Task.SEND}
        elif seen.poll_at is not None:
            news |= {"due_at": seen.poll_at, "task": Task.POLL}
        return changed(message, **news) if news else message

    def _apply_events(self, message: Message, seen: Observation, *, stale: bool) -> _Ending:
        success = self.packet.plan[message.num - 1].success
        state, reason = message.state, None
        for event in cascade.ORDER:
            if event not in seen.events or state.is_final:
                continue
            if stale and event not in _EVIDENCE:
                continue
            deadline = event is Event.TIMED_OUT and seen.source == "deadline"
            if deadline and decide_at(changed(message, state=state)) > seen.at:
                continue
            state, reason = cascade.step(state, event, success, attempted=message.attempts > 0)
            if event is Event.REJECTED and reason is not None and seen.reason in _REFINED:
                reason = seen.reason
        return _Ending(state, reason)

    def end(self, message: Message, ending: _Ending, seen: Observation) -> None:
        """A message's end, its refund, the next step and the hold: one decision (D3)."""
        done = ending.state is State.CONFIRMED
        if message.delivered_at is None and not _ARRIVED.isdisjoint(seen.events):
            message = changed(message, delivered_at=seen.at)
        refund = self.packet.plan[message.num - 1].refund
        refunded = ending.reason is not None and cascade.is_refunded(refund, ending.reason)
        if refunded:
            self._transfers.append(ledger.refund(self.packet.account_id, message))
        poll = None if done else seen.poll_at
        self.put(
            changed(
                message,
                reason=ending.reason,
                refunded=refunded,
                final_at=seen.at,
                lease_until=None,
                decide_at=None,
                due_at=poll,
                task=None if poll is None else Task.POLL,
            )
        )
        if self.packet.held:
            self.packet = changed(self.packet, held=0)
        if not done and ending.reason not in cascade.ALWAYS_REFUNDED:
            self._fall_back(message.num + 1, seen.at)

    def _fall_back(self, num: int, at: int) -> None:
        plan = self.packet.plan
        if num > len(plan):
            return
        message = new_message(plan, num, at)
        self.put(message)
        self.note(num, "fallback")
        self._transfers.append(ledger.charge(self.packet.account_id, message))
        held = ledger.hold(plan, num - 1, reserve=self.packet.reserve)
        self.packet = changed(self.packet, held=held)

    def _correct(self, message: Message, seen: Observation) -> Message:
        """The first final receipt within 72 h of an end `unknown` changes what is reported (D2)."""
        if message.reason is not Reason.UNKNOWN or message.corrected is not None:
            return message
        assert message.final_at is not None
        if seen.at - message.final_at > CORRECTION_MS:
            return message
        event = self._final_word(message.num, seen)
        if event is None:
            return message
        self.note(message.num, "corrected")
        return changed(message, corrected=event, corrected_at=seen.at)

    def _final_word(self, num: int, seen: Observation) -> Event | None:
        """The event of a report that would have ended the message, had it come in time."""
        heard = set(seen.events)
        if seen.epoch is not None:
            heard &= _EVIDENCE
        if seen.source == "deadline":
            heard.discard(Event.TIMED_OUT)
        state, success = State.QUEUED, self.packet.plan[num - 1].success
        for event in cascade.ORDER:
            if event in heard:
                state, _ = cascade.step(state, event, success, attempted=True)
                if state.is_final:
                    return event
        return None


def _settling(message: Message, seen: Observation) -> Message:
    """The provider's own end: the latest of several sends counts (D9)."""
    if seen.settles_at is None:
        return message
    return changed(message, settles_at=max(message.settles_at or 0, seen.settles_at))


def _given_back(message: Message, later_at: int) -> Message:
    """The provider definitely did not take it: the claim is undone, its attempt with it (D10).

    Once only, however often it is told; without any other attempt there was no send that settles.
    """
    if message.lease_until is None:
        return message
    attempts = message.attempts - 1
    return changed(
        message,
        attempts=attempts,
        settles_at=message.settles_at if attempts else None,
        lease_until=None,
        due_at=later_at,
        task=Task.SEND,
    )


def _await_news(message: Message, seen: Observation) -> Message:
    """A message that a provider has: no claim any more, only looks."""
    news: dict[str, Any] = {}
    if message.delivered_at is None and Event.DELIVERED in seen.events:
        news["delivered_at"] = seen.at
    if message.task is Task.SEND:
        news["task"] = None if seen.poll_at is None else Task.POLL
        news["due_at"] = seen.poll_at
    if message.lease_until is not None:
        news["lease_until"] = None
    return changed(message, **news) if news else message
