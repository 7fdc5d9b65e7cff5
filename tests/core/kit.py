"""Short ways to make packets, messages and observations for the tests of the pure rules."""

from __future__ import annotations

from dataclasses import replace

from kodgate.core import cascade, ledger, life, orders
from kodgate.core.types import (
    Change,
    Event,
    Message,
    Observation,
    Packet,
    Plan,
    PlannedStep,
    Reason,
    RefundWord,
    Success,
)

NOW = 1_000_000_000
"""An instant, far from zero so that no rule can take it for "none"."""

PRICES = {"telegram": 21_000, "sms": 42_000}
ATTEMPTS_MAX = {"telegram": 3, "sms": 2}


def planned(
    channel: str,
    *,
    price: int | None = None,
    wait_s: int = 30,
    handover_s: int | None = None,
    success: Success = Success.READ,
    refund: RefundWord = RefundWord.UNREAD,
) -> PlannedStep:
    return PlannedStep(
        channel=channel,
        wait_s=wait_s,
        handover_s=handover_s,
        success=success,
        refund=refund,
        price=PRICES[channel] if price is None else price,
    )


def tele_to_sms(ttl_s: int = 30, success: Success = Success.READ) -> Plan:
    """The document's cascade (W-7) with the demo's prices."""
    return tuple(
        planned(
            step.channel,
            wait_s=step.wait_s,
            handover_s=step.handover_s,
            success=step.success,
            refund=step.refund,
        )
        for step in cascade.tele_to_sms(ttl_s, success=success)
    )


def order(plan: Plan, **more: object) -> orders.Order:
    """An order of alice's, with every field that decides nothing filled in."""
    fields: dict[str, object] = {
        "account_id": 1,
        "at": NOW,
        "plan": plan,
        "reserve": True,
        "zone": 1,
        "ttl_s": 30,
        "phone": b"",
        "phone_digest": b"",
        "phone_mask": "7912***6789",
        "code": b"",
        "code_digest": b"",
        "code_generated": True,
        "key_day": "2026-01-01",
        "dialect": "http_asp",
    }
    return orders.Order(**(fields | more))  # type: ignore[arg-type]


class Case:
    """A packet that lives: each method applies one decision of `core.life` and keeps its change."""

    def __init__(self, plan: Plan, *, reserve: bool = True, at: int = NOW) -> None:
        held = ledger.hold(plan, 0, reserve=reserve)
        self.packet = Packet(id=1, account_id=1, plan=plan, held=held, reserve=reserve)
        self.messages: tuple[Message, ...] = (replace(life.new_message(plan, 1, at), id=1),)
        self.changes: list[Change] = []

    def __getitem__(self, num: int) -> Message:
        return self.messages[num - 1]

    @property
    def kinds(self) -> list[tuple[str, int | None]]:
        """The transfers so far, as (kind, message number)."""
        return [(t.kind, t.num) for change in self.changes for t in change.transfers]

    @property
    def words(self) -> list[str]:
        return [note.word for change in self.changes for note in change.notes]

    def keep(self, change: Change) -> None:
        self.changes.append(change)
        self.packet = change.packet
        by_num = {m.num: m for m in self.messages} | {
            m.num: replace(m, id=m.num) for m in change.messages
        }
        self.messages = tuple(by_num[num] for num in sorted(by_num))

    def claim(self, num: int = 1, *, at: int = NOW, lease_ms: int = 10_000) -> bool:
        change, taken = life.claim(
            self.packet,
            self.messages,
            num,
            at=at,
            lease_until=at + lease_ms,
            attempts_max=ATTEMPTS_MAX[self[num].channel],
        )
        self.keep(change)
        return taken

    def see(self, num: int, *events: Event, at: int = NOW, **more: object) -> Change:
        source = str(more.pop("source", "receipt"))
        seen = Observation(at=at, source=source, events=events, **more)  # type: ignore[arg-type]
        return self.apply(num, seen)

    def apply(self, num: int, seen: Observation) -> Change:
        change = life.advance(self.packet, self.messages, num, seen)
        self.keep(change)
        return change

    def deadline(self, num: int = 1, *events: Event, at: int | None = None) -> Change:
        when = self[num].decide_at if at is None else at
        assert when is not None
        return self.see(num, *events, Event.TIMED_OUT, at=when, source="deadline")

    def confirm(self, *, right: bool = True, at: int = NOW) -> life.Verdict:
        change, verdict = life.confirm(self.packet, self.messages, right=right, at=at)
        self.keep(change)
        return verdict


def sms_after_unread() -> Case:
    """A packet whose Telegram message was never read; its SMS is due."""
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1)
    case.see(1, Event.DELIVERED)
    case.deadline(1)
    return case


def unknown_sms() -> Case:
    """A packet whose SMS ended without any answer."""
    case = sms_after_unread()
    case.claim(2, at=case[2].created_at)
    case.deadline(2)
    assert case[2].reason is Reason.UNKNOWN
    return case
