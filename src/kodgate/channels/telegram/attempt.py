"""One claim of one message: check, record, send; or look first where a send may have arrived."""

from __future__ import annotations

from dataclasses import dataclass

from kodgate.channels import Delivery, Journal
from kodgate.channels.telegram import api, rules
from kodgate.channels.telegram.api import Action, Answer, Lost, Method, Refused, Status
from kodgate.channels.telegram.upstream import Upstream, real_s, said, words
from kodgate.core.types import Booking, Event, Observation

CLAIMS_MAX = 3
RETRY_S = 1.0
"""Real seconds between a lost answer, or a failed connection, and the next claim."""
FIRST_LOOK_MS = 1_000


@dataclass(frozen=True, slots=True)
class _Checked:
    request_id: str


class Attempt:
    """Ends in the one observation that is recorded; raises nothing for what Telegram does."""

    def __init__(
        self, upstream: Upstream, delivery: Delivery, journal: Journal, *, instance: str
    ) -> None:
        self._upstream = upstream
        self._delivery = delivery
        self._journal = journal
        self._instance = instance
        self._may_have_arrived = delivery.settles_at is not None
        """An earlier claim may have sent it: from then on nothing here says `rejected`."""
        self._bookings: tuple[Booking, ...] = ()
        if delivery.provider_id is None and delivery.attempt > 1:
            # the answer to an earlier claim's check was lost, or the process died with it
            self._bookings = rules.orphan_fee(upstream.cost(delivery))

    async def run(self) -> Observation:
        if self._may_have_arrived:
            return await self._resume()
        held = self._held_back()
        if held is not None:
            return held
        if not await self._journal.may_go_on():
            return self._say(later_at=self._upstream.now(), detail="stopped before the check")
        return await self._first()

    def _held_back(self) -> Observation | None:
        """The gates in their order: flood, time, breaker. None: go."""
        now = self._upstream.now()
        until = self._upstream.send_gate.until(self._delivery.phone, now)
        if until is not None:
            return self._wait(until, "held back: flood")
        if not rules.in_time(self._delivery.ends_at, now):
            return self._give_up("too late to send")
        if not self._upstream.breaker.admit(real_s()):
            return self._give_up(f"not tried: {self._upstream.breaker.why}")
        return None

    async def _first(self) -> Observation:
        """No send was ever attempted: two checks at most a message, lost ones of earlier claims
        included; the second one in a claim is for an id that Telegram lost."""
        request_id = self._delivery.provider_id
        checks_left = rules.CHECKS_MAX - (self._delivery.attempt - 1)
        why = "checked too often without an answer"
        for extra in range(rules.CHECKS_MAX):
            if request_id is None and checks_left <= extra:
                break
            if request_id is None:
                checked = await self._check(extra, is_last=checks_left == extra + 1)
                if isinstance(checked, Observation):
                    return checked
                request_id = checked.request_id
            sent = await self._deliver(request_id)
            if isinstance(sent, Observation):
                return sent
            request_id, why = None, words(Method.SEND, sent)
        return self._give_up(why)

    async def _check(self, extra: int, *, is_last: bool) -> _Checked | Observation:
        """checkSendAbility; a positive answer costs a fee, a lost one may have."""
        upstream, delivery = self._upstream, self._delivery
        answer = await upstream.ask(
            Method.CHECK, {"phone_number": f"+{delivery.phone}"}, delivery.phone
        )
        if isinstance(answer, Status) and answer.phone != delivery.phone:
            answer = Lost(why="an answer about another phone")
        if isinstance(answer, Status):
            upstream.balance = answer.balance
            cost = upstream.cost(delivery, answer)
            claim = delivery.attempt + extra * CLAIMS_MAX
            self._bookings += rules.fee(cost, claim=claim)
            return _Checked(answer.request_id)
        why = words(Method.CHECK, answer)
        if isinstance(answer, Refused) or answer.never_left:
            return self._not_done(why, answer) if extra == 0 else self._give_up(why)
        self._bookings = self._bookings or rules.orphan_fee(upstream.cost(delivery))
        if is_last:
            return self._give_up(why)
        return self._say(retry_at=upstream.after_real(RETRY_S), detail=why)

    async def _deliver(self, request_id: str) -> Observation | Refused:
        """Records, then sends. Refused: Telegram does not know the id, so nothing was sent."""
        upstream, delivery = self._upstream, self._delivery
        now = upstream.now()
        if not rules.in_time(delivery.ends_at, now):
            return self._give_up("too late to send")
        if not await self._journal.prepared(
            provider_id=request_id,
            settles_at=rules.settles_at(delivery.ends_at, now),
            bookings=self._bookings,
            detail=f"{Method.CHECK}: ok" if self._bookings else "",
        ):
            return self._say(later_at=now, detail="stopped before the send")
        self._bookings = ()
        answer = await self._send(request_id, rules.ttl_s(delivery.ends_at, now))
        if isinstance(answer, Status):
            return self._taken(answer)
        why = words(Method.SEND, answer)
        if isinstance(answer, Lost):
            return self._not_done(why, answer) if answer.never_left else self._look_again(why)
        if answer.row.action is Action.SENT:
            return self._accepted(why)
        if answer.row.action is Action.RECHECK and not self._may_have_arrived:
            return answer
        return self._not_done(why, answer)

    async def _send(self, request_id: str, ttl_s: int) -> Answer:
        """sendVerificationMessage; once more without the sender if the sender is refused."""
        upstream, delivery = self._upstream, self._delivery
        parameters: dict[str, str | int] = {
            "phone_number": f"+{delivery.phone}",
            "request_id": request_id,
            "sender_username": upstream.settings.sender_username,
            "code": delivery.code,
            "callback_url": upstream.settings.callback_url,
            "payload": api.payload(self._instance, delivery.message_id, delivery.epoch),
            "ttl": ttl_s,
        }
        answer = await upstream.ask(Method.SEND, parameters, delivery.phone)
        if isinstance(answer, Refused) and answer.row.action is Action.DROP_SENDER:
            parameters["sender_username"] = ""
            answer = await upstream.ask(Method.SEND, parameters, delivery.phone)
        if isinstance(answer, Status) and answer.request_id != request_id:
            return Lost(why="an answer about another request_id")
        return answer

    async def _resume(self) -> Observation:
        """The answer to an earlier send was lost: look, and repeat it only if it is not there."""
        upstream, delivery = self._upstream, self._delivery
        assert delivery.provider_id is not None, "settles_at is recorded with the id"
        answer = await upstream.look(delivery.provider_id)
        if isinstance(answer, Lost) and not answer.never_left:
            return self._look_again(words(Method.STATUS, answer))
        if isinstance(answer, Lost | Refused):
            return self._not_done(words(Method.STATUS, answer), answer)
        if answer.word is not None:
            return self._taken(answer)
        if delivery.answered:
            return self._only_look("not sent again: the person has the code")
        held = self._held_back()
        if held is not None:
            return held
        sent = await self._deliver(delivery.provider_id)
        assert isinstance(sent, Observation), "no new check after a send"
        return sent

    def _not_done(self, why: str, answer: Refused | Lost) -> Observation:
        """This call certainly did nothing: later, or never."""
        upstream = self._upstream
        if isinstance(answer, Refused):
            if answer.row.action is Action.WAIT:
                return self._wait(upstream.now() + answer.wait_s * 1000, why)
            return self._give_up(why)
        if upstream.breaker.why:
            return self._give_up(why)
        return self._wait(upstream.after_real(RETRY_S), why)

    def _taken(self, status: Status) -> Observation:
        """Telegram has it: accepted, and what more its status says."""
        upstream, delivery = self._upstream, self._delivery
        cost = upstream.cost(delivery, status)
        self._bookings += rules.later_money(status, cost)
        if status.word in {None, "sent"}:
            return self._accepted(said(status))
        return self._say(
            events=rules.events(status.word),
            poll_at=upstream.next_look(delivery, status, upstream.now()),
            detail=said(status),
        )

    def _accepted(self, detail: str) -> Observation:
        at = self._upstream.now() + FIRST_LOOK_MS
        poll_at = self._upstream.news_at(self._delivery, at)
        return self._say(events=(Event.ACCEPTED,), poll_at=poll_at, detail=detail)

    def _look_again(self, why: str) -> Observation:
        """It may have been sent: claim again to look and repeat; after the last claim, look."""
        if self._delivery.attempt < CLAIMS_MAX:
            return self._say(retry_at=self._upstream.after_real(RETRY_S), detail=why)
        return self._only_look(why)

    def _wait(self, until: int, why: str) -> Observation:
        """Gives the claim back until then, if a send can still be in time then."""
        if rules.in_time(self._delivery.ends_at, until):
            return self._say(later_at=until, detail=why)
        return self._give_up(why)

    def _give_up(self, why: str) -> Observation:
        """No send is started any more: rejected, unless an earlier one may have arrived."""
        if self._may_have_arrived:
            return self._only_look(why)
        return self._say(events=(Event.REJECTED,), detail=why)

    def _only_look(self, why: str) -> Observation:
        poll_at = rules.next_look(self._delivery, self._upstream.now())
        return self._say(poll_at=poll_at, detail=why)

    def _say(
        self,
        *,
        detail: str,
        events: tuple[Event, ...] = (),
        later_at: int | None = None,
        retry_at: int | None = None,
        poll_at: int | None = None,
    ) -> Observation:
        return Observation(
            at=self._upstream.now(),
            source="send",
            message_id=self._delivery.message_id,
            channel=rules.PROVIDER,
            epoch=self._delivery.epoch,
            events=events,
            later_at=later_at,
            retry_at=retry_at,
            poll_at=poll_at,
            bookings=self._bookings,
            detail=detail,
        )
