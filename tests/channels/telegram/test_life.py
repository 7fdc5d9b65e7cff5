"""Whole lives: the real channel and the real rules of `core.life` against every mix of faults."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kodgate.channels import Delivery
from kodgate.core import cascade, life
from kodgate.core.types import (
    BookingKind,
    Event,
    Message,
    Observation,
    Packet,
    PlannedStep,
    Reason,
    State,
    Task,
    Transfer,
)

from .fake import CODE, NOW, PHONE, Bench, Step, bench

STEPS_MAX = 200
PRICE = 21_000

FAULTS = st.sampled_from(
    [
        Step(),
        Step(),
        Step(lose="before"),
        Step(lose="after"),
        Step(raw=b"<html>"),
        Step(error="FLOOD_WAIT_3"),
        Step(error="FLOOD_WAIT_40"),
        Step(error="REQUEST_ID_INVALID"),
        Step(error="PHONE_NUMBER_NOT_AVAILABLE"),
        Step(error="BALANCE_NOT_ENOUGH"),
        Step(error="SOMETHING_NEW"),
    ]
)
PROGRESS = st.sampled_from(["sent", "delivered", "read", "expired", "refunded"])


@dataclass
class Life:
    """One packet with one Telegram message, and everything that was booked for it."""

    bench: Bench
    transfers: list[Transfer] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan = tuple(
            PlannedStep(
                channel=step.channel,
                wait_s=step.wait_s,
                handover_s=step.handover_s,
                success=step.success,
                refund=step.refund,
                price=PRICE,
            )
            for step in cascade.tele(60)
        )
        self.packet = Packet(id=1, account_id=1, plan=plan, held=0, reserve=True)
        self.message: Message = life.new_message(plan, 1, NOW)

    def delivery(self) -> Delivery:
        m = self.message
        return Delivery(
            message_id=1,
            packet_id=1,
            phone=PHONE,
            code=CODE,
            zone=1,
            attempt=m.attempts,
            epoch=m.epoch,
            created_at=m.created_at,
            ends_at=m.ends_at,
            handover_at=m.handover_at,
            decide_at=m.decide_at,
            provider_id=m.provider_id,
            settles_at=m.settles_at,
            answered=self.packet.answered_at is not None,
            final=m.state.is_final,
            final_at=m.final_at,
            delivered=m.delivered_at is not None,
        )

    def keep(self, change: Any) -> None:
        self.packet = change.packet
        for message in change.messages:
            self.message = message
        known = {(t.kind, t.attempt) for t in self.transfers}
        self.transfers += [t for t in change.transfers if (t.kind, t.attempt) not in known]

    def see(self, seen: Observation) -> None:
        self.keep(life.advance(self.packet, (self.message,), 1, seen))

    async def prepared(self, **fact: Any) -> bool:
        now, m = self.bench.clock.at, self.message
        going = life.may_go_on(self.packet, m, epoch=m.epoch, at=now)
        self.see(Observation(at=now, source="prepare", epoch=m.epoch, **fact))
        return going

    async def may_go_on(self) -> bool:
        m = self.message
        return life.may_go_on(self.packet, m, epoch=m.epoch, at=self.bench.clock.at)

    async def step(self) -> bool:
        """The next thing that is due; False: nothing ever will be."""
        m, clock = self.message, self.bench.clock
        claimable = m.task is not Task.SEND or clock.at < m.ends_at
        instants = [at for at in (m.due_at if claimable else None, m.decide_at) if at is not None]
        if not instants:
            return False
        clock.at = max(clock.at, min(instants))
        if m.decide_at is not None and m.decide_at <= clock.at:
            await self.decide()
        elif m.task is Task.SEND:
            change, taken = life.claim(
                self.packet,
                (m,),
                1,
                at=clock.at,
                lease_until=clock.at + 30_000,
                attempts_max=self.bench.channel.attempts_max,
            )
            self.keep(change)
            if taken:
                self.see(await self.bench.channel.send(self.delivery(), self))
        else:
            seen = await self.bench.channel.poll(self.delivery(), last=False)
            assert seen is not None
            self.see(seen)
        return True

    async def decide(self) -> None:
        seen = await self.bench.channel.poll(self.delivery(), last=True)
        at = self.bench.clock.at
        known = seen or Observation(at=at, source="deadline")
        self.see(
            Observation(
                at=at,
                source="deadline",
                events=(*known.events, Event.TIMED_OUT),
                bookings=known.bookings,
                poll_at=known.poll_at,
            )
        )

    def booked(self, *kinds: BookingKind) -> int:
        return sum(t.amount for t in self.transfers if t.kind in {k.value for k in kinds})

    def balances(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for t in self.transfers:
            found[t.debit] = found.get(t.debit, 0) - t.amount
            found[t.credit] = found.get(t.credit, 0) + t.amount
        return found


def move(b: Bench, word: str) -> None:
    """The provider's own progress with what it has."""
    for found in b.gateway.requests.values():
        if found.word is None or (found.word in {"read", "expired"} and word != "refunded"):
            continue
        if word == "refunded":
            found.refunded = found.refunded or found.word == "expired"
        elif word == "expired":
            found.word = "expired" if found.word == "sent" else found.word
        elif word == "read" or found.word == "sent":
            found.word = word


async def live(faults: dict[str, list[Step]], progress: list[str]) -> tuple[Life, Bench]:
    async with bench() as b:
        for method, steps in faults.items():
            b.gateway.plan(method, *steps)
        one = Life(b)
        for count in range(STEPS_MAX):
            if not await one.step():
                return one, b
            if count < len(progress):
                move(b, progress[count])
    raise AssertionError("it never ends")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(  # a flood wait between two lost checks
    faults={
        "checkSendAbility": [Step(lose="after"), Step(error="FLOOD_WAIT_3"), Step(lose="after")],
        "sendVerificationMessage": [],
        "checkVerificationStatus": [],
    },
    progress=[],
)
@given(
    faults=st.fixed_dictionaries(
        {
            "checkSendAbility": st.lists(FAULTS, max_size=3),
            "sendVerificationMessage": st.lists(FAULTS, max_size=4),
            "checkVerificationStatus": st.lists(FAULTS, max_size=6),
        }
    ),
    progress=st.lists(PROGRESS, max_size=8),
)
def test_every_life_ends_with_one_message_at_most_and_its_money_explained(
    faults: dict[str, list[Step]], progress: list[str]
) -> None:
    one, b = asyncio.run(live(faults, progress))
    message, gateway = one.message, b.gateway
    # a charge stays only for a read code; everything else comes back once
    refunds = [t for t in one.transfers if t.kind == "refund"]
    assert message.state.is_final
    assert len(refunds) == (message.state is not State.CONFIRMED)
    # at most one message, whatever was lost
    assert gateway.sent <= 1
    checks = gateway.methods().count("checkSendAbility")
    assert checks <= 2 + floods(faults)
    # what was rejected was never sent: evidence is not thrown away
    if message.reason is Reason.REJECTED:
        assert gateway.sent == 0
    # an end as confirmed needs a read
    if message.state is State.CONFIRMED:
        assert any(found.word == "read" for found in gateway.requests.values())
    # fees: never fewer than the provider took, except for a second lost check
    fees = one.booked(BookingKind.FEE, BookingKind.ORPHAN_FEE)
    lost_checks = sum(step.lose == "after" for step in faults["checkSendAbility"][:checks])
    assert fees >= 100 * (gateway.fees - max(0, lost_checks - 1))
    # what is owed is never negative, and a refund is booked only if there was one
    assert one.balances().get("telegram:receivable", 0) in {0, 100}
    if one.booked(BookingKind.REFUND):
        assert any(found.refunded for found in gateway.requests.values())
    assert sum(one.balances().values()) == 0


def floods(faults: dict[str, list[Step]]) -> int:
    """Checks that were refused as a flood are given back and do not count."""
    return sum((step.error or "").startswith("FLOOD") for step in faults["checkSendAbility"])
