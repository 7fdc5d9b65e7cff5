"""The Telegram Gateway behind the `Channel` contract (architecture D9)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

from kodgate.channels import Clock, Delivery, Health, Journal, Sink
from kodgate.channels.telegram import api, rules
from kodgate.channels.telegram.api import Answer, Lost, Method, Status
from kodgate.channels.telegram.attempt import CLAIMS_MAX, Attempt
from kodgate.channels.telegram.settings import TelegramSettings
from kodgate.channels.telegram.upstream import OnCall, Upstream, real_s, said, words
from kodgate.core.types import Observation

LAST_LOOK_S = 5.0
"""Real seconds for the poll before a deadline is decided (D9)."""


class TelegramChannel:
    """One access token; see docs of `TelegramSettings` for what can be set."""

    name = rules.PROVIDER
    family = "messenger"
    attempts_max = CLAIMS_MAX

    def __init__(
        self,
        settings: TelegramSettings,
        clock: Clock,
        *,
        on_call: OnCall | None = None,
        instance: str | None = None,
    ) -> None:
        """`instance`: 1 to 16 hex digits that mark this run's payloads; random by default.

        Reports of messages that another run sent are matched by `request_id` alone: message ids
        can come again after a restore from a backup, Telegram's ids cannot.
        """
        self._upstream = Upstream(settings, clock, on_call)
        self._instance = instance or secrets.token_hex(4)
        self._under_way = 0

    @property
    def remaining_balance(self) -> int | None:
        """1/10,000 of Telegram's currency; only positive checks tell it (telegram.md, fact 7)."""
        return self._upstream.balance

    async def start(self, sink: Sink) -> None:
        """Opens the connection pool. Reports come in through `read_callback`."""
        await self._upstream.link.open()

    async def stop(self) -> None:
        await self._upstream.link.close()

    def health(self) -> Health:
        """Not live while the breaker is open, except when its probe is due."""
        breaker = self._upstream.breaker
        return Health(live=breaker.is_live(real_s()), why=breaker.why)

    def room(self) -> int:
        return max(0, self._upstream.settings.concurrency - self._under_way)

    async def send(self, delivery: Delivery, journal: Journal) -> Observation:
        """One attempt, see `Attempt`."""
        self._under_way += 1
        try:
            attempt = Attempt(self._upstream, delivery, journal, instance=self._instance)
            return await attempt.run()
        finally:
            self._under_way -= 1

    async def poll(self, delivery: Delivery, *, last: bool) -> Observation | None:
        """The provider's word, or only when to look again. None: there is no id to ask about.

        `last` ignores the budget, and its `poll_at` is meant for after the message's end.
        """
        if delivery.provider_id is None:
            return None
        postponed_to = None if last else self._postponed_to()
        if postponed_to is not None:
            poll_at = rules.before_decision(delivery, postponed_to)
            return self._polled(delivery, poll_at=poll_at, detail="held back")
        answer = await self._look(delivery.provider_id, last=last)
        now = self._upstream.now()
        if not isinstance(answer, Status):
            poll_at = rules.look_without_answer(delivery, now, last=last)
            return self._polled(delivery, poll_at=poll_at, detail=words(Method.STATUS, answer))
        return self._answered(delivery, answer, now, last=last)

    def _postponed_to(self) -> int | None:
        """Until when the polls' flood gate or the budget holds a poll back; None: it goes."""
        upstream = self._upstream
        closed_until = upstream.poll_gate.until("", upstream.now())
        wait_s = upstream.budget.turn(real_s())
        if closed_until is None and not wait_s:
            return None
        return max(closed_until or 0, upstream.after_real(wait_s))

    async def _look(self, request_id: str, *, last: bool) -> Answer:
        if not last:
            return await self._upstream.look(request_id)
        self._upstream.budget.spend(real_s())
        try:
            async with asyncio.timeout(LAST_LOOK_S):
                return await self._upstream.look(request_id)
        except TimeoutError:
            return Lost(why="no answer before the deadline")

    def _answered(self, delivery: Delivery, status: Status, now: int, *, last: bool) -> Observation:
        upstream = self._upstream
        money = rules.later_money(
            status,
            upstream.cost(delivery, status),
            ended=delivery.final and not delivery.delivered,
            overdue=rules.is_overdue(delivery, now),
        )
        return Observation(
            at=now,
            source="poll",
            message_id=delivery.message_id,
            channel=self.name,
            events=rules.events(status.word),
            bookings=money,
            poll_at=upstream.next_look(delivery, status, now, last=last),
            detail=said(status),
        )

    def _polled(self, delivery: Delivery, *, poll_at: int | None, detail: str) -> Observation:
        return Observation(
            at=self._upstream.now(),
            source="poll",
            message_id=delivery.message_id,
            channel=self.name,
            poll_at=poll_at,
            detail=detail,
        )

    async def confirmed(self, delivery: Delivery, typed: str) -> None:
        """Forwards the typed code for Telegram's conversion statistics; its answer is not used."""
        if delivery.provider_id is not None:
            await self._upstream.look(delivery.provider_id, typed)

    def read_callback(
        self, body: bytes, headers: Mapping[str, str], *, wall_now_s: float
    ) -> Observation | None:
        """A delivery report, verified by its signature (telegram.md 1.6). None: answer 403.

        A signed report more than 300 s off the real clock moves nothing and asks for a poll: it
        may be a retry after a long outage of ours. Answer 200 once the sink has the observation.
        """
        if api.SIGNATURE_HEADER not in headers:
            headers = {name.lower(): value for name, value in headers.items()}
        timestamp = headers.get(api.TIMESTAMP_HEADER, "")
        signature = headers.get(api.SIGNATURE_HEADER, "")
        token = self._upstream.settings.token
        if len(body) > api.BODY_BYTES_MAX or not api.is_signed(
            token, timestamp=timestamp, signature=signature, body=body
        ):
            return None
        try:
            status = api.read_report(body)
        except ValueError:
            return None
        return self._reported(status, is_fresh=api.is_fresh(timestamp, wall_now_s))

    @property
    def last_report_s(self) -> float | None:
        """Real seconds since a read was last reported, here or to another process; None: never."""
        return self._upstream.last_report_s

    def reported_elsewhere(self, ago_s: float) -> None:
        """Another process of this token was told of a read, so many real seconds ago."""
        self._upstream.read_reported(ago_s)

    def _reported(self, status: Status, *, is_fresh: bool) -> Observation:
        now = self._upstream.now()
        poll_at: int | None = now
        if is_fresh:
            owed = status.word == "expired" and not status.refunded
            poll_at = rules.look_after_end(None, now) if owed else None
            if status.word == "read":
                self._upstream.read_reported()
        return Observation(
            at=now,
            source="callback",
            channel=self.name,
            message_id=api.message_id(status.payload, self._instance),
            keys=(status.request_id,),
            events=rules.events(status.word) if is_fresh else (),
            bookings=rules.later_money(status, status.cost or 0) if is_fresh else (),
            poll_at=poll_at,
            detail=said(status) if is_fresh else "a stale report: asking",
        )
