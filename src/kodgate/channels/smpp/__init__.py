"""SMS over SMPP 3.4: which route, what a submit's answer means, and receipts (D10)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import structlog

from kodgate.channels import Clock, Delivery, Desk, Health, Journal, Setup, Sink
from kodgate.channels.smpp import receipts
from kodgate.channels.smpp.carrier import Carrier
from kodgate.channels.smpp.keeper import LEASE_S, Keeper
from kodgate.channels.smpp.link import Link
from kodgate.channels.smpp.names import Status, status_name
from kodgate.channels.smpp.pdu import DataSm, DeliverSm, Pdu, SubmitSmResp
from kodgate.channels.smpp.route import Ambiguity, Outcome, RouteProfile
from kodgate.channels.smpp.session import NotSent, Unanswered, Unfit
from kodgate.core.binds import Lease
from kodgate.core.types import Booking, BookingKind, Event, Observation, Reason

log = structlog.get_logger()

NAME = "sms"
ATTEMPTS_MAX = 2
"""The first, and one more where the first's outcome is not known (at_least_once)."""

LOST_LINK_S = 30.0
"""A link that was bound, or made, this recently counts as live: it is being bound (again)."""

PLACE_S = 8.0
"""How long a message may wait for its place and turn; then it goes back before its lease ends."""

AGAIN_S = 1.0
"""After "not now", or no answer: when the message is tried again; real seconds."""

_REASONS = {Outcome.CLOSED: Reason.CLOSED, Outcome.NO_ROUTE: Reason.NO_ROUTE}
_LATER = frozenset({Outcome.THROTTLE, Outcome.TEMPORARY})


class SmppChannel:
    """The channel `sms`."""

    name = NAME
    family = "sms"
    attempts_max = ATTEMPTS_MAX

    def __init__(self, *, desk: Desk, clock: Clock, lease_s: float = LEASE_S) -> None:
        self._clock = clock
        self._keeper = Keeper(desk, self._make, lease_s=lease_s)
        self._sink: Sink | None = None
        self._late: set[asyncio.Task[bool]] = set()

    def _make(self, profile: RouteProfile, before: Carrier | None) -> Carrier:
        return Carrier(profile, self._deliver, before)

    async def start(self, sink: Sink) -> None:
        """Begins to bind what this node gets; no provider need be there."""
        self._sink = sink
        await self._keeper.start(takes=True)

    async def watch(self) -> None:
        """Instead of `start`, where other processes send: knows the routes, binds none."""
        await self._keeper.start(takes=False)

    async def stop(self) -> None:
        """Unbinds: what is under way has about two seconds to be answered."""
        await self._keeper.stop()
        await asyncio.gather(*self._late, return_exceptions=True)

    def look_again(self) -> None:
        """A route, or what serves a zone, was changed: follow it now."""
        self._keeper.nudge()

    def health(self) -> Health:
        """Live while a link that sends is bound, or was within the last 30 s, or another node's is.

        A provider that is away for longer makes new SMS-only requests be answered 13; the SMS of
        a packet that has been accepted waits until its handover is over.
        """
        if not self._keeper.profiles:
            known = self._keeper.profiles is not None
            return Health(
                live=False, why="no SMPP route" if known else "no route read yet", absent=known
            )
        now_s = asyncio.get_running_loop().time()
        links = [link for carrier in self.carriers for link in carrier.senders]
        if any(link.bound or now_s - link.lost_at < LOST_LINK_S for link in links):
            return Health(live=True)
        if any(self._is_up(lease) for lease in self._keeper.leases):
            return Health(live=True)
        return Health(live=False, why="; ".join(carrier.why for carrier in self.carriers))

    def _is_up(self, lease: Lease) -> bool:
        """By its holder's last word."""
        return lease.route in (self._keeper.profiles or ()) and lease.is_up(self._clock.now())

    def room(self) -> int:
        return sum(carrier.room() for carrier in self.carriers)

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """For the operator's eyes: each route with its links and counts."""
        return tuple(self._keeper.carriers.values())

    def counts(self) -> Counter[str]:
        """What happened since the start: `<route>.accepted`, `.ambiguous`, `.receipts`, ..."""
        return Counter(
            {
                f"{carrier.profile.name}.{word}": number
                for carrier in self.carriers
                for word, number in carrier.counts.items()
            }
        )

    async def send(self, delivery: Delivery, journal: Journal) -> Observation:
        """One attempt over the best route for the phone."""
        carriers = self._carrying(delivery)
        if not carriers:
            return self._rejected(delivery, Reason.NO_ROUTE, "no route carries this phone")
        for carrier in carriers:
            link = carrier.best()
            if link is not None:
                return await self._send_over(carrier, link, delivery, journal)
            if self._is_up_elsewhere(carrier):
                break
        return self._later(delivery, AGAIN_S, carriers[0].why)

    async def poll(self, delivery: Delivery, *, last: bool) -> Observation | None:
        """An SMSC is not asked: it reports."""
        return None

    async def confirmed(self, delivery: Delivery, typed: str) -> None:
        """No SMSC wants to know."""

    def _carrying(self, delivery: Delivery) -> list[Carrier]:
        """The routes for a phone: those of its zone in their order; else by priority, then the
        longest prefix, then the name."""
        fits = {
            carrier.profile.name: (carrier.profile.priority, -size, carrier.profile.name)
            for carrier in self.carriers
            if (size := carrier.profile.carries(delivery.phone)) is not None
        }
        planned = self._keeper.plan.routes(delivery.zone)
        names = sorted(fits, key=lambda name: fits[name]) if planned is None else planned
        return [self._keeper.carriers[name] for name in names if name in fits]

    def _is_up_elsewhere(self, carrier: Carrier) -> bool:
        """Another node reaches this provider: it does not need the next route."""
        name, held = carrier.profile.name, carrier.held
        return any(
            lease.route == name and lease.num not in held and self._is_up(lease)
            for lease in self._keeper.leases
        )

    async def _send_over(
        self, carrier: Carrier, link: Link, delivery: Delivery, journal: Journal
    ) -> Observation:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PLACE_S
        try:
            async with link.slot():
                await carrier.pace.turn()
                if loop.time() > give_up_at:
                    return self._later(delivery, AGAIN_S, "not sent: no place in the window")
                if (delivery.answered and delivery.attempt > 1) or not await journal.may_go_on():
                    return self._later(delivery, 0, "not sent: claim or packet is over")
                answer = await link.submit(
                    lambda sequence: carrier.submit_sm(delivery, sequence, self._clock.now()),
                    late=lambda late: self._take_late(carrier, delivery, late),
                )
        except NotSent as error:
            return self._later(delivery, AGAIN_S, f"not sent: {error}")
        except Unanswered as error:
            return self._ambiguous(carrier, delivery, str(error))
        except Unfit as error:
            return self._rejected(delivery, None, str(error))
        return self._answered(carrier, delivery, answer)

    def _answered(self, carrier: Carrier, delivery: Delivery, answer: Pdu) -> Observation:
        """What an answer, or a nack, means for the message."""
        outcome = carrier.profile.outcome(answer.status)
        carrier.counts[outcome.value] += 1
        word = status_name(answer.status)
        if outcome in _LATER:
            wait_s = carrier.pace.throttled() if outcome is Outcome.THROTTLE else AGAIN_S
            return self._later(delivery, max(wait_s, AGAIN_S), word)
        if outcome is not Outcome.ACCEPTED or not isinstance(answer, SubmitSmResp):
            return self._rejected(delivery, _REASONS.get(outcome), word)
        carrier.pace.taken()
        route = carrier.profile.name
        fee = Booking(
            kind=BookingKind.FEE,
            provider=f"{NAME}:{route}",
            amount=delivery.cost,
            attempt=delivery.attempt,
        )
        return self._seen(
            delivery,
            events=(Event.ACCEPTED,),
            provider_id=receipts.provider_id(route, answer.message_id),
            bookings=(fee,) if fee.amount else (),
        )

    def _ambiguous(self, carrier: Carrier, delivery: Delivery, why: str) -> Observation:
        """It was written; nobody knows whether it was taken."""
        carrier.counts["ambiguous"] += 1
        again = (
            carrier.profile.ambiguity is Ambiguity.AT_LEAST_ONCE and delivery.attempt < ATTEMPTS_MAX
        )
        retry_at = self._clock.after_real(AGAIN_S) if again else None
        return self._seen(delivery, retry_at=retry_at, detail=f"unknown: {why}")

    def _later(self, delivery: Delivery, wait_s: float, why: str) -> Observation:
        """Definitely not taken: the claim goes back, and its attempt with it."""
        return self._seen(delivery, later_at=self._clock.after_real(wait_s), detail=why)

    def _rejected(self, delivery: Delivery, reason: Reason | None, why: str) -> Observation:
        return self._seen(delivery, events=(Event.REJECTED,), reason=reason, detail=why)

    def _seen(self, delivery: Delivery, **more: Any) -> Observation:
        return Observation(
            at=self._clock.now(),
            source="send",
            message_id=delivery.message_id,
            channel=NAME,
            epoch=delivery.epoch,
            **more,
        )

    def _take_late(self, carrier: Carrier, delivery: Delivery, answer: Pdu) -> None:
        """An answer after its time: it still says which id is ours, or that nothing was taken."""
        carrier.counts["late_answers"] += 1
        assert self._sink is not None
        task = asyncio.ensure_future(self._sink(self._answered(carrier, delivery, answer)))
        self._late.add(task)
        task.add_done_callback(self._late_done)

    def _late_done(self, task: asyncio.Task[bool]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("late_answer_lost", action="submit", error=str(task.exception()))

    async def _deliver(self, carrier: Carrier, pdu: DeliverSm | DataSm) -> int:
        """Records a receipt; returns the status that tells the provider whether to repeat it."""
        route = carrier.profile.name
        receipt = receipts.read(pdu)
        if receipt is None:
            carrier.counts["incoming"] += 1
            return Status.ESME_ROK
        routes = self._keeper.of_login(carrier.profile)
        keys = receipts.keys(routes, receipt.message_id, carrier.profile.receipt_ids)
        if not keys:
            carrier.counts["receipts_without_id"] += 1
            log.warning("receipt_without_id", action="receipt", route=route, word=receipt.word)
            return Status.ESME_ROK
        carrier.counts["receipts"] += 1
        assert self._sink is not None
        durable = await self._sink(
            Observation(
                at=self._clock.now(),
                source="receipt",
                channel=NAME,
                keys=keys,
                events=receipt.events,
                detail=receipt.detail,
            )
        )
        if durable:
            return Status.ESME_ROK
        carrier.counts["receipts_put_off"] += 1
        return Status.ESME_RX_T_APPN


def create(setup: Setup) -> SmppChannel:
    """Also without a route: one may be saved at any time."""
    return SmppChannel(
        desk=setup.desk,
        clock=setup.clock,
        lease_s=setup.settings.get("bind_lease_s", LEASE_S),
    )


CHANNEL = create
