"""The provider as a whole: calls, what their errors mean for the next ones, and its state."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from kodgate.channels import Clock, Delivery
from kodgate.channels.telegram import rules
from kodgate.channels.telegram.api import Action, Answer, Lost, Method, Refused, Status
from kodgate.channels.telegram.gates import Breaker, Budget, FloodGate, Outage
from kodgate.channels.telegram.link import Link
from kodgate.channels.telegram.settings import TelegramSettings

CALLBACKS_FLOW_S = 300.0
"""Real seconds for which one report of a read is taken as proof that reports arrive."""

OnCall = Callable[[str, str, float], None]
"""Told of each call: its method, its outcome (ok, refused, lost) and its real seconds."""

_OUTCOMES: dict[type[Answer], str] = {Status: "ok", Refused: "refused", Lost: "lost"}
_LONG_NUMBER = re.compile(r"[0-9]{7,}")
_log = structlog.get_logger(__name__)


real_s = time.monotonic
"""For everything that is not business time."""


class Upstream:
    """One access token at one Telegram Gateway."""

    def __init__(self, settings: TelegramSettings, clock: Clock, on_call: OnCall | None) -> None:
        self.settings = settings
        self.link = Link(settings)
        self.breaker = Breaker()
        self.budget = Budget(settings.polls_per_s)
        self.send_gate = FloodGate()
        self.poll_gate = FloodGate()
        self.balance: int | None = None
        self._clock = clock
        self._on_call = on_call
        self._outage = Outage()
        self._read_reported_s = -math.inf

    def now(self) -> int:
        return self._clock.now()

    def after_real(self, seconds: float) -> int:
        """The business instant that many real seconds from now: back-off is not scaled (D8)."""
        return self._clock.after_real(seconds)

    def cost(self, delivery: Delivery, status: Status | None = None) -> int:
        """What Telegram says that it took, else what the tariff or the settings expect."""
        if status is not None and status.cost is not None:
            return status.cost
        return delivery.cost or self.settings.expected_cost

    async def ask(self, method: Method, parameters: dict[str, str | int], phone: str) -> Answer:
        """A call of the sending path, for `phone` (digits)."""
        answer = await self._call(method, parameters)
        if isinstance(answer, Refused):
            self._heed(answer, self.send_gate, phone)
        if isinstance(answer, Lost) and answer.never_left:
            if self._outage.fail(real_s()):
                self.breaker.open(f"no connection: {answer.why}", real_s())
            return answer
        self._outage.end()
        if method is Method.CHECK and _is_served(answer):
            self.breaker.close()
        return answer

    async def look(self, request_id: str, typed: str = "") -> Answer:
        """checkVerificationStatus: polls have a flood gate of their own (D9)."""
        if self.poll_gate.until("", self.now()) is not None:
            return Lost(why="held back: flood", never_left=True)
        answer = await self._call(Method.STATUS, {"request_id": request_id, "code": typed})
        if isinstance(answer, Refused):
            self._heed(answer, self.poll_gate, phone="")
        if isinstance(answer, Status) and answer.request_id != request_id:
            return Lost(why="an answer about another request_id")
        return answer

    async def _call(self, method: Method, parameters: dict[str, str | int]) -> Answer:
        began_s = real_s()
        answer = await self.link.call(method, parameters)
        if self._on_call is not None:
            self._on_call(method.value, _OUTCOMES[type(answer)], real_s() - began_s)
        if isinstance(answer, Refused):
            return replace(answer, error=self._hide(answer.error, parameters))
        return answer

    def _hide(self, text: str, parameters: dict[str, str | int]) -> str:
        """Upstream may quote what we sent; its words go to logs and timelines (S-5)."""
        for secret in (self.settings.token, str(parameters.get("code", ""))):
            text = text.replace(secret, "***") if secret else text
        return _LONG_NUMBER.sub("***", text)

    def _heed(self, refused: Refused, gate: FloodGate, phone: str) -> None:
        """What an error means for the messages that follow."""
        if refused.row.action is Action.WAIT:
            now = self.now()
            gate.close(phone, now=now, until=now + refused.wait_s * 1000, at_s=real_s())
        if refused.row.action is Action.STOP:
            self.breaker.open(refused.error, real_s())
        if refused.row.alert:
            _log.error("Telegram refused a call", action="telegram_refused", error=refused.error)

    def read_reported(self, ago_s: float = 0.0) -> None:
        """A valid report of a read came in, here or to another process; real seconds ago."""
        self._read_reported_s = max(self._read_reported_s, real_s() - ago_s)

    @property
    def last_report_s(self) -> float | None:
        """Real seconds since the last report of a read; None: there was none."""
        never = self._read_reported_s == -math.inf
        return None if never else real_s() - self._read_reported_s

    def next_look(
        self, delivery: Delivery, status: Status, now: int, *, last: bool = False
    ) -> int | None:
        """While a message is open, for news; after its end, for the money that may come back."""
        if status.word == "read":
            return None
        if delivery.final or last or status.word == "expired":
            if status.refunded or status.word not in rules.REFUNDABLE:
                return None
            return rules.look_after_end(delivery.final_at, now)
        at = rules.next_look(delivery, now)
        return self.news_at(delivery, at) if status.word else at

    def news_at(self, delivery: Delivery, at: int | None) -> int | None:
        """Only the deadline's poll while reports arrive (D9). Which words Telegram reports is not
        documented, so a report of a read is the proof and no other."""
        flowing = real_s() - self._read_reported_s < CALLBACKS_FLOW_S
        if at is None or (self.settings.callback_url and flowing):
            return None
        return rules.before_decision(delivery, at)


def _is_served(answer: Answer) -> bool:
    """Whether the token and the funds were good enough for an answer."""
    return isinstance(answer, Status) or (
        isinstance(answer, Refused) and answer.row.action is not Action.STOP
    )


def words(method: Method, answer: Refused | Lost) -> str:
    """The provider's own words for the timeline."""
    return f"{method}: {answer.error if isinstance(answer, Refused) else answer.why}"


def said(status: Status) -> str:
    """A status in the provider's own words."""
    return (status.word or "no delivery status") + (", refunded" if status.refunded else "")
