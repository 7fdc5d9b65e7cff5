"""Bugs planted in the source of the rules: the table or an exploration must find every one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kodgate.core import cascade, ledger, life, orders, results
from kodgate.core.types import Plan, RefundWord, Success

from .explorer import Explorer, Setting
from .kit import planned
from .shared import explore_account, explore_plan
from .table import CELLS, REFUNDED

MODULES = (cascade, ledger, orders, results, life)
"""In the order in which they import each other."""

BUGS: dict[str, tuple[ModuleType, str, str]] = {
    "final states move": (
        cascade,
        "    if state.is_final:\n        return Cell(state)\n",
        "    if state.is_final:\n        return Cell(State.CONFIRMED)\n",
    ),
    "no final guard in advance": (
        life,
        "    if life.message(num).state.is_final:\n        life.late",
        "    if False:\n        life.late",
    ),
    "the final guard knows only confirmed": (
        life,
        "    if life.message(num).state.is_final:\n        life.late",
        "    if life.message(num).state is State.CONFIRMED:\n        life.late",
    ),
    "a rejection ends what a provider has taken": (
        cascade,
        "(State.SENT, Event.REJECTED): Cell(State.SENT)",
        "(State.SENT, Event.REJECTED): Cell(State.FAILED, Reason.REJECTED)",
    ),
    "undelivered ends what was delivered": (
        cascade,
        "(State.DELIVERED, Event.UNDELIVERED): Cell(State.DELIVERED)",
        "(State.DELIVERED, Event.UNDELIVERED): Cell(State.FAILED, Reason.UNDELIVERED)",
    ),
    "an unknown outcome is called a rejection": (
        cascade,
        "Cell(State.FAILED, Reason.REJECTED, Reason.UNKNOWN)",
        "Cell(State.FAILED, Reason.REJECTED, Reason.REJECTED)",
    ),
    "delivered counts as read": (
        cascade,
        "_SUCCESS_NEEDS = {Success.ACCEPTED: 0, Success.DELIVERED: 1, Success.READ: 2}",
        "_SUCCESS_NEEDS = {Success.ACCEPTED: 0, Success.DELIVERED: 1, Success.READ: 1}",
    ),
    "a report takes a message back": (
        cascade,
        "return Cell(max(state, PROGRESS[event], key=RANK.__getitem__))",
        "return Cell(PROGRESS[event])",
    ),
    "cancel is refunded by the refund word only": (
        cascade,
        "    if reason in ALWAYS_REFUNDED:\n        return True",
        "    if reason in ALWAYS_REFUNDED:\n        return refund is RefundWord.UNREAD",
    ),
    "an unknown end is not refunded as a rejection": (
        cascade,
        "Reason.UNKNOWN: 1,",
        "Reason.UNKNOWN: 2,",
    ),
    "a hold forgets that acceptance can be missed": (
        cascade,
        "Success.ACCEPTED: Reason.UNDELIVERED,",
        "Success.ACCEPTED: Reason.REJECTED,",
    ),
    "the deadline is decided before good news": (
        cascade,
        "ORDER = (\n    Event.ACCEPTED,",
        "ORDER = (\n    Event.TIMED_OUT,\n    Event.ACCEPTED,",
    ),
    "a late delivered does not answer": (
        cascade,
        "return event is Event.READ or (event is Event.DELIVERED and success is not Success.READ)",
        "return event is Event.READ",
    ),
    "the dearest path forgets what is kept": (
        ledger,
        "            kept += step.price",
        "            kept += 0",
    ),
    "the hold is one price too low": (
        ledger,
        "return dearest(plan, index) - plan[index].price if reserve else 0",
        "return max(0, dearest(plan, index) - 2 * plan[index].price) if reserve else 0",
    ),
    "accept looks at the first price only": (
        ledger,
        "return dearest(plan) if reserve else plan[0].price",
        "return plan[0].price",
    ),
    "accept spends what is held": (
        ledger,
        "return self.balance - self.held + self.credit_limit",
        "return self.balance + self.credit_limit",
    ),
    "a refund is a kopeck short": (
        ledger,
        "        credit=customer(account_id),\n        amount=message.price,",
        "        credit=customer(account_id),\n        amount=message.price - 1,",
    ),
    "a refund does not reach the customer": (
        ledger,
        "        customer=message.price,",
        "        customer=0,",
    ),
    "the refund is booked twice": (
        life,
        "            self._transfers.append(ledger.refund(self.packet.account_id, message))",
        "            self._transfers += [ledger.refund(self.packet.account_id, message)] * 2",
    ),
    "a refund mark without its transfer": (
        life,
        "            self._transfers.append(ledger.refund(self.packet.account_id, message))",
        "            pass",
    ),
    "a late read is refunded again": (
        life,
        '            self.note(num, "late")\n',
        '            self.note(num, "late")\n'
        "            self._transfers.append(ledger.refund(self.packet.account_id, message))\n",
    ),
    "a late read confirms an ended message": (
        life,
        '            self.note(num, "late")\n',
        '            self.note(num, "late")\n'
        "            message = changed(message, state=State.CONFIRMED, reason=None)\n",
    ),
    "the refund comes without its fallback": (
        life,
        "            self._fall_back(message.num + 1, seen.at)",
        "            pass",
    ),
    "a cancelled message falls back": (
        life,
        "        if not done and ending.reason not in cascade.ALWAYS_REFUNDED:",
        "        if not done:",
    ),
    "a confirmed message falls back": (
        life,
        "        if not done and ending.reason not in cascade.ALWAYS_REFUNDED:",
        "        if ending.reason not in cascade.ALWAYS_REFUNDED:",
    ),
    "the fallback is not charged": (
        life,
        "        self._transfers.append(ledger.charge(self.packet.account_id, message))",
        "        pass",
    ),
    "the fallback's price is read again": (
        life,
        "        price=step.price,",
        "        price=step.price + (num > 1),",
    ),
    "the hold is not released": (
        life,
        "        if self.packet.held:\n            self.packet = changed(self.packet, held=0)\n",
        "",
    ),
    "the hold is not recomputed at a fallback": (
        life,
        "        held = ledger.hold(plan, num - 1, reserve=self.packet.reserve)\n",
        "        held = ledger.hold(plan, 0, reserve=self.packet.reserve)\n",
    ),
    "the deadline ignores the lease": (
        life,
        "return end if message.lease_until is None else max(end, message.lease_until)",
        "return end",
    ),
    "the deadline ignores the provider's own end": (
        life,
        "return max(ends_at, settles_at or 0) + GRACE_MS",
        "return ends_at + GRACE_MS",
    ),
    "the deadline ignores the handover": (
        life,
        "return _end(ends_at, settles_at) if handover_at is None else handover_at",
        "return _end(ends_at, settles_at)",
    ),
    "the deadline has no grace": (life, "settles_at or 0) + GRACE_MS", "settles_at or 0)"),
    "a deadline that comes too early is believed": (
        life,
        "            if deadline and decide_at(changed(message, state=state)) > seen.at:",
        "            if False:",
    ),
    "a sent message is still decided by its handover": (
        life,
        "            if deadline and decide_at(changed(message, state=state)) > seen.at:",
        "            if deadline and decide_at(message) > seen.at:",
    ),
    "the decision is not brought up to date": (
        life,
        "        self.put(_timed(message))\n\n    def late",
        "        self.put(message)\n\n    def late",
    ),
    "a stale rejection is believed": (
        life,
        "            if stale and event not in _EVIDENCE:",
        "            if False:",
    ),
    "a stale acceptance is not believed": (
        life,
        "            if stale and event not in _EVIDENCE:",
        "            if stale:",
    ),
    "a stale give-back counts": (
        life,
        "        stale = seen.epoch is not None and seen.epoch != message.epoch\n",
        "        stale = seen.epoch is not None and seen.epoch > message.epoch\n",
    ),
    "a give-back counts twice": (
        life,
        "    if message.lease_until is None:\n        return message\n    attempts",
        "    attempts",
    ),
    "a give-back keeps its attempt": (
        life,
        "    attempts = message.attempts - 1\n",
        "    attempts = message.attempts\n",
    ),
    "an attempt is not on record": (
        life,
        "        attempts=message.attempts + 1,",
        "        attempts=message.attempts,",
    ),
    "the epoch does not grow": (
        life,
        "        epoch=message.epoch + 1,",
        "        epoch=max(1, message.epoch),",
    ),
    "no cap on attempts": (
        life,
        "    capped = message.attempts >= attempts_max",
        "    capped = False",
    ),
    "claimed after the handover": (
        life,
        "    if life.cancel_if_answered(at) or at >= _claims_end(message):",
        "    if life.cancel_if_answered(at):",
    ),
    "an answered packet is repeated": (
        life,
        "    if capped or packet.answered_at is not None:",
        "    if capped:",
    ),
    "an attempted message is cancelled": (
        life,
        "newest.state is not State.QUEUED or newest.attempts:",
        "newest.state is not State.QUEUED:",
    ),
    "a read does not cancel the waiting fallback": (
        life,
        "    life.answer(num, seen)\n    life.cancel_if_answered(seen.at)\n",
        "    life.answer(num, seen)\n",
    ),
    "a read is not remembered": (life, "    life.answer(num, seen)\n", ""),
    "a prepare that may not go on marks a send": (
        life,
        "            return _settling(message, seen) if going else message",
        "            return _settling(message, seen)",
    ),
    "a prepare does not record the provider's end": (
        life,
        "            return _settling(message, seen) if going else message",
        "            return message",
    ),
    "a worker without a lease may go on": (
        life,
        "        and message.lease_until > at\n",
        "",
    ),
    "a worker with an old epoch may go on": (
        life,
        "        and message.epoch == epoch\n",
        "",
    ),
    "a report takes the claim's schedule away": (
        life,
        "        if seen.epoch is None and message.lease_until is not None:",
        "        if False:",
    ),
    "what a provider has is sent again": (
        life,
        "    if message.task is Task.SEND:",
        "    if False:",
    ),
    "a confirm can be used twice": (
        life,
        "    if packet.confirmed_at is not None:",
        "    if False:",
    ),
    "tries of a confirm are not counted": (
        life,
        "    life.packet = changed(packet, confirm_tries=packet.confirm_tries + 1)",
        "    life.packet = packet",
    ),
    "a wrong confirm is right": (life, "    if not right:\n", "    if False:\n"),
    "a confirm of an unattempted message charges for it": (
        life,
        "    elif not life.cancel_if_answered(at):",
        "    else:",
    ),
    "a late confirm moves money": (
        life,
        "    if newest.state.is_final:\n        life.note",
        "    if newest.state is State.CONFIRMED:\n        life.note",
    ),
}


@contextlib.contextmanager
def plant(module: ModuleType, good: str, bad: str) -> Iterator[None]:
    """Runs the rules with one piece of one source replaced."""
    saved = {each: dict(vars(each)) for each in MODULES}
    try:
        for each in MODULES:
            source = Path(str(each.__file__)).read_text(encoding="utf-8")
            if each is module:
                assert source.count(good) == 1, f"not once in {each.__name__}: {good!r}"
                source = source.replace(good, bad)
            exec(compile(source, str(each.__file__), "exec"), vars(each))
        yield
    finally:
        for each, names in saved.items():
            vars(each).clear()
            vars(each).update(names)


def hunt() -> None:
    """Everything that looks for bugs, the quick ways first. Raises AssertionError at the first."""
    read_the_tables()
    for first in [
        planned("telegram", wait_s=2, refund=RefundWord.NEVER, price=5),
        planned("telegram", wait_s=4, handover_s=2, price=5),
        planned(
            "telegram", wait_s=2, success=Success.ACCEPTED, refund=RefundWord.REJECTED, price=5
        ),
    ]:
        explore_plan((first, SMS), reserve=True)
    Explorer(Setting(plan=SHORT, lease_ticks=3, stale=False, doubled=False, laters=0)).run()
    explore_account([SHORT[1:], SHORT[1:]], balance=50_000, credit_limit=0, reserve=True)
    explore_account([SHORT, SHORT], balance=63_000, credit_limit=0, reserve=True)
    for stale in (True, False):
        setting = Setting(plan=SHORT, stale=stale, doubled=not stale, confirms=False)
        Explorer(setting).run()


def read_the_tables() -> None:
    for key, (state, reason, attempted) in CELLS.items():
        assert cascade.step(*key, attempted=False) == (state, reason)
        assert cascade.step(*key, attempted=True) == (state, attempted)
    for refund, reasons in REFUNDED.items():
        for reason in REFUNDED[RefundWord.UNREAD]:
            assert cascade.is_refunded(refund, reason) is (reason in reasons)


SMS = planned("sms", wait_s=4, handover_s=2, success=Success.DELIVERED, refund=RefundWord.REJECTED)
SHORT: Plan = (planned("telegram", wait_s=4), SMS)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    with plant(*BUGS[name]), pytest.raises(AssertionError):
        hunt()


def test_planting_leaves_the_rules_as_they_were() -> None:
    step, advance = cascade.step, life.advance
    with plant(life, "    capped = message.attempts >= attempts_max", "    capped = False"):
        assert life.advance is not advance
    assert (cascade.step, life.advance) == (step, advance)
    read_the_tables()
