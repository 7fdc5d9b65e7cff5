"""One packet's life: what a claim, an observation or a confirm does to it.

Pure. A store reads a packet and its messages under lock, asks here, and writes the `Change` in the
same transaction (D3). The explorer in the tests walks every interleaving of exactly this code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from kodgate.core import cascade, ledger
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

GRACE_MS = 2_000
"""After the deadline, or the provider's own end if that is later, before it is decided (D9)."""

CORRECTION_MS = 72 * 3_600_000
"""How long after an end `unknown` a receipt may still correct what is reported (D2)."""

CONFIRM_TRIES_MAX = 5

_EVIDENCE = frozenset({Event.ACCEPTED, Event.DELIVERED, Event.READ})
"""Events that are true whoever says them: the epoch does not fence them (D7)."""


class Verdict(StrEnum):
    """What a confirm came to."""

    RIGHT = "right"
    WRONG = "wrong"
    USED = "used"
    EXHAUSTED = "exhausted"


def decide_at(message: Message) -> int:
    """When the deadline of an open message is to be decided."""
    if message.state is State.QUEUED and message.handover_at is not None:
        end = message.handover_at
    else:
        end = max(message.ends_at, message.settles_at or 0) + GRACE_MS
    if message.state is State.QUEUED and message.lease_until is not None:
        return max(end, message.lease_until)
    return end


def new_message(plan: Plan, num: int, at: int) -> Message:
    """The message of step `num` (from 1), due to be sent at once."""
    step = plan[num - 1]
    message = Message(
        id=None,
        num=num,
        channel=step.channel,
        state=State.QUEUED,
        price=step.price,
        created_at=at,
        ends_at=at + step.wait_s * 1000,
        handover_at=None if step.handover_s is None else at + step.handover_s * 1000,
        decide_at=None,
        due_at=at,
        task=Task.SEND,
    )
    return replace(message, decide_at=decide_at(message))


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

    The attempt is on record before anything leaves the house (D10). A packet that was answered in
    the meantime is not claimed: without an attempt it is cancelled, with one it is left alone.
    """
    life = _Life(packet, messages)
    message = life.message(num)
    assert message.state is State.QUEUED and message.task is Task.SEND
    if packet.answered_at is not None and message.attempts == 0:
        life.cancel(num, at)
        return life.change(), False
    if packet.answered_at is not None or message.attempts >= attempts_max:
        polled = message.settles_at is not None and message.attempts >= attempts_max
        life.put(
            replace(
                message,
                task=Task.POLL if polled else None,
                due_at=at if polled else None,
                lease_until=None,
            )
        )
        return life.change(), False
    life.put(
        replace(
            message,
            attempts=message.attempts + 1,
            epoch=message.epoch + 1,
            lease_until=lease_until,
            due_at=lease_until,
        )
    )
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
    life.packet = replace(packet, confirm_tries=packet.confirm_tries + 1)
    if not right:
        return life.change(), Verdict.WRONG
    life.packet = replace(life.packet, confirmed_at=at, answered_at=life.packet.answered_at or at)
    newest = life.newest
    if newest.state is State.QUEUED and newest.attempts == 0:
        life.cancel(newest.num, at)
    elif newest.state.is_final:
        life.note(newest.num, "confirmed_late")
    else:
        life.observe(newest.num, Observation(at=at, source="confirm", events=(Event.READ,)))
    return life.change(), Verdict.RIGHT


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
        changed = (m for num, m in self._messages.items() if m != self._before.get(num))
        return Change(
            packet=self.packet,
            messages=tuple(changed),
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
            message = _reschedule(message, seen)
        ending = self._apply_events(message, seen, stale=stale)
        if ending.state is not message.state:
            self.note(num, ending.state.value)
        message = replace(message, state=ending.state)
        if ending.state.is_final:
            self._end(message, ending, seen)
            return
        if ending.state is not State.QUEUED:
            message = _await_news(message, seen)
        self.put(replace(message, decide_at=decide_at(message)))

    def late(self, num: int, seen: Observation) -> None:
        """An observation of a message that has ended: recorded, and no money moves (I-7)."""
        message = self.message(num)
        if seen.provider_id is not None and seen.provider_id != message.provider_id:
            self._aliases.append(Alias(num=num, provider_id=seen.provider_id))
        if seen.source == "poll" or seen.poll_at is not None:
            due = seen.poll_at
            message = replace(message, due_at=due, task=None if due is None else Task.POLL)
        events = [event for event in cascade.ORDER if event in seen.events]
        final = [event for event in events if event is not Event.ACCEPTED]
        if final and seen.source != "deadline" and seen.epoch is None:
            message = self._correct(message, final[-1], seen.at)
        if {Event.DELIVERED, Event.READ} & set(events) and message.delivered_at is None:
            message = replace(message, delivered_at=seen.at)
            if message.state is not State.CONFIRMED:
                self.note(num, "late")
        self.put(message)

    def answer(self, num: int, seen: Observation) -> None:
        """The person has the code: a later message that nobody has tried to send is cancelled."""
        success = self.packet.plan[num - 1].success
        if not any(cascade.answers(event, success) for event in seen.events):
            return
        if self.packet.answered_at is None:
            self.packet = replace(self.packet, answered_at=seen.at)
        newest = self.newest
        if newest.num > num and newest.state is State.QUEUED and newest.attempts == 0:
            self.cancel(newest.num, seen.at)

    def cancel(self, num: int, at: int) -> None:
        """Ends a message that was never attempted, with its money back and no fallback."""
        message = replace(self.message(num), state=State.FAILED)
        self.note(num, "cancelled")
        self._end(
            message,
            _Ending(State.FAILED, Reason.CANCELLED),
            Observation(at=at, source="cancel"),
        )

    def _learn_provider_id(self, message: Message, seen: Observation, *, stale: bool) -> Message:
        new, old = seen.provider_id, message.provider_id
        if new is None or new == old:
            return message
        if stale and (old is not None or seen.source == "prepare"):
            self._aliases.append(Alias(num=message.num, provider_id=new))
            return message
        if old is not None:
            self._aliases.append(Alias(num=message.num, provider_id=old))
        return replace(message, provider_id=new)

    def _apply_events(self, message: Message, seen: Observation, *, stale: bool) -> _Ending:
        success = self.packet.plan[message.num - 1].success
        state, reason = message.state, None
        for event in cascade.ORDER:
            if event not in seen.events or state.is_final:
                continue
            if stale and event not in _EVIDENCE:
                continue
            deadline = event is Event.TIMED_OUT and seen.source == "deadline"
            if deadline and decide_at(replace(message, state=state)) > seen.at:
                continue
            state, reason = cascade.step(state, event, success, attempted=message.attempts > 0)
            if event is Event.REJECTED and reason is Reason.REJECTED and seen.reason is not None:
                reason = seen.reason
        return _Ending(state, reason)

    def _end(self, message: Message, ending: _Ending, seen: Observation) -> None:
        """A message's end, its refund, the next step and the hold: one decision (D3)."""
        done = ending.state is State.CONFIRMED
        if {Event.DELIVERED, Event.READ} & set(seen.events) and message.delivered_at is None:
            message = replace(message, delivered_at=seen.at)
        refunded = not done and cascade.is_refunded(
            self.packet.plan[message.num - 1].refund, ending.reason or Reason.REJECTED
        )
        if refunded:
            self._transfers.append(ledger.refund(self.packet.account_id, message))
        poll = None if done else seen.poll_at
        self.put(
            replace(
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
        self.packet = replace(self.packet, held=0)
        if not done and ending.reason is not Reason.CANCELLED:
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
        self.packet = replace(self.packet, held=held)
        if self.packet.answered_at is not None:
            self.cancel(num, at)

    def _correct(self, message: Message, event: Event, at: int) -> Message:
        if message.reason is not Reason.UNKNOWN or message.corrected is not None:
            return message
        if message.final_at is None or at - message.final_at > CORRECTION_MS:
            return message
        self.note(message.num, "corrected")
        return replace(message, corrected=event, corrected_at=at)


def _reschedule(message: Message, seen: Observation) -> Message:
    """What the holder of the claim, or a poll, says of the next look at an open message."""
    if seen.settles_at is not None:
        message = replace(message, settles_at=max(message.settles_at or 0, seen.settles_at))
    if seen.source == "prepare":
        return message
    if seen.later_at is not None and seen.epoch is not None:
        return replace(
            message,
            attempts=message.attempts - 1,
            lease_until=None,
            due_at=seen.later_at,
            task=Task.SEND,
        )
    if seen.epoch is not None:
        message = replace(message, lease_until=None, due_at=None, task=None)
    if seen.retry_at is not None:
        return replace(message, due_at=seen.retry_at, task=Task.SEND)
    if seen.poll_at is not None:
        return replace(message, due_at=seen.poll_at, task=Task.POLL)
    if seen.source == "poll":
        return replace(message, due_at=None, task=None)
    return message


def _await_news(message: Message, seen: Observation) -> Message:
    """A message that a provider has: no claim any more, only looks."""
    if Event.DELIVERED in seen.events and message.delivered_at is None:
        message = replace(message, delivered_at=seen.at)
    if message.task is Task.SEND:
        message = replace(message, task=None, due_at=None)
    return replace(message, lease_until=None)
