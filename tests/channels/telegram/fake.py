"""A small Telegram Gateway over real HTTP: keeps its own truth, answers as captured on the wire,
and does what a test scripted for the next call of a method."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from kodgate.channels import Delivery
from kodgate.channels.telegram import TelegramChannel, TelegramSettings
from kodgate.core.types import Booking, Observation

TOKEN = "canary-token-0123456789"
NOW = 1_795_000_000_000
"""The business clock's instant at which tests begin, ms."""
PHONE = "79120000001"
CODE = "4711"
REQUEST_ID = "222370177540001"


@dataclass
class Clock:
    """A business clock that stands still until it is moved."""

    at: int = NOW
    scale: float = 1.0

    def now(self) -> int:
        return self.at

    def after_real(self, seconds: float) -> int:
        return self.at + int(seconds * 1000 * self.scale)


@dataclass
class Step:
    """What to do with one call: an error string, a raw answer, a delay, a lost answer."""

    error: str | None = None
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    lose: str | None = None
    """before: the connection breaks and nothing happens; after: it happens, then breaks."""
    drip: bool = False


@dataclass
class Request:
    """One request_id of the fake's own books."""

    phone: str
    word: str | None = None
    payload: str | None = None
    refunded: bool = False


class Gateway:
    """Method names are case-insensitive, errors are HTTP 200, phones come back without plus."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.requests: dict[str, Request] = {}
        self.script: dict[str, list[Step]] = defaultdict(list)
        self.fees = 0
        self.sent = 0
        self.connections: set[str] = set()
        self.url = ""
        self.word_when_sent = "sent"
        self.bad: dict[str, Any] = {}
        """Laid over the result of every answer."""

    def plan(self, method: str, *steps: Step) -> None:
        self.script[method.lower()] += steps

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def parameters(self, method: str) -> dict[str, Any]:
        """Of the latest call of a method."""
        return [found for name, found in self.calls if name == method][-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        parameters = json.loads(await request.read() or b"{}")
        self.calls.append((method, parameters))
        transport = request.transport
        assert transport is not None
        self.connections.add(str(transport.get_extra_info("peername")))
        script = self.script[method.lower()]
        step = script.pop(0) if script else Step()
        if step.wait_s:
            await asyncio.sleep(step.wait_s)
        if step.lose == "before":
            transport.abort()
            return web.Response()
        answer = self._answer(request, method.lower(), parameters, step)
        if step.lose == "after":
            transport.abort()
            return web.Response()
        body = step.raw if step.raw is not None else json.dumps(answer).encode()
        if step.drip:
            return await _drip(request, body)
        return web.Response(body=body, status=step.status, headers=step.headers)

    def _answer(
        self, request: web.Request, method: str, parameters: dict[str, Any], step: Step
    ) -> dict[str, Any]:
        error = step.error
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            error = "ACCESS_TOKEN_INVALID"
        if error is None and step.raw is None:
            error = getattr(self, f"_{method}", self._unknown)(parameters)
        if error is not None:
            return {"ok": False, "error": error}
        return {"ok": True, "result": self._result(method, parameters) | self.bad}

    def _unknown(self, parameters: dict[str, Any]) -> str:
        return "UNKNOWN_METHOD"

    def _checksendability(self, parameters: dict[str, Any]) -> None:
        self.fees += 1
        request_id = str(222370177540000 + len(self.requests) + 1)
        self.requests[request_id] = Request(phone=parameters["phone_number"].lstrip("+"))
        parameters["request_id"] = request_id

    def _sendverificationmessage(self, parameters: dict[str, Any]) -> str | None:
        found = self.requests.get(parameters["request_id"])
        if found is None:
            return "REQUEST_ID_INVALID"
        if found.word is not None:
            return "MESSAGE_ALREADY_SENT"
        self.sent += 1
        found.word, found.payload = self.word_when_sent, parameters["payload"]
        return None

    def _checkverificationstatus(self, parameters: dict[str, Any]) -> str | None:
        return None if parameters["request_id"] in self.requests else "REQUEST_ID_INVALID"

    def _result(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        found = self.requests.get(parameters.get("request_id", ""), Request(phone=PHONE))
        result: dict[str, Any] = {
            "request_id": parameters.get("request_id"),
            "phone_number": found.phone,
            "request_cost": 0.01,
        }
        if method == "checksendability":
            result["remaining_balance"] = 99.99
        if method == "sendverificationmessage":
            result["remaining_balance"] = 0
        if found.word is not None:
            result["delivery_status"] = {"status": found.word, "updated_at": 1_789_894_598}
            result["payload"] = found.payload
        if found.refunded:
            result["is_refunded"] = True
        return result


async def _drip(request: web.Request, body: bytes) -> web.StreamResponse:
    """One byte at a time, for longer than any client should wait."""
    response = web.StreamResponse()
    await response.prepare(request)
    for byte in body[:200]:
        try:
            await response.write(bytes([byte]))
        except ConnectionError:
            break
        await asyncio.sleep(0.05)
    return response


@asynccontextmanager
async def gateway(**site: Any) -> AsyncIterator[Gateway]:
    """A running fake on a port of the system's choice."""
    fake = Gateway()
    app = web.Application()
    app.router.add_route("*", "/{method}", fake.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, **site).start()
        port = runner.addresses[0][1]
        fake.url = f"{'https' if site.get('ssl_context') else 'http'}://127.0.0.1:{port}"
        yield fake
    finally:
        await runner.cleanup()


@dataclass
class Journal:
    """Remembers what was put on record, and says what it was told to say."""

    says: bool = True
    goes_on: bool = True
    prepared_with: list[dict[str, Any]] = field(default_factory=list)

    async def prepared(
        self,
        *,
        provider_id: str,
        settles_at: int | None,
        bookings: tuple[Booking, ...] = (),
        detail: str = "",
    ) -> bool:
        self.prepared_with.append(
            {"provider_id": provider_id, "settles_at": settles_at, "bookings": bookings}
        )
        return self.says

    async def may_go_on(self) -> bool:
        return self.goes_on

    @property
    def bookings(self) -> tuple[Booking, ...]:
        return tuple(b for entry in self.prepared_with for b in entry["bookings"])


def delivery(**changes: Any) -> Delivery:
    """A Telegram message of alice's, created now, to be read within 300 s."""
    plain = Delivery(
        message_id=123,
        packet_id=45,
        phone=PHONE,
        code=CODE,
        zone=1,
        attempt=1,
        epoch=1,
        created_at=NOW,
        ends_at=NOW + 300_000,
        handover_at=None,
        decide_at=NOW + 302_000,
        provider_id=None,
        settles_at=None,
    )
    return replace(plain, **changes)


@dataclass
class Bench:
    """A started channel with its gateway, clock and journal."""

    gateway: Gateway
    channel: TelegramChannel
    clock: Clock
    journal: Journal
    outcomes: list[tuple[str, str]]

    async def send(self, **changes: Any) -> Observation:
        return await self.channel.send(delivery(**changes), self.journal)

    async def resend(self, **changes: Any) -> Observation:
        """A later claim of a message whose first send was put on record."""
        entry = self.journal.prepared_with[-1]
        known = {"provider_id": entry["provider_id"], "settles_at": entry["settles_at"]}
        return await self.send(**({"attempt": 2, "epoch": 2} | known | changes))

    async def poll(self, *, last: bool = False, **changes: Any) -> Observation:
        known = {"provider_id": REQUEST_ID, "settles_at": NOW + 300_000}
        seen = await self.channel.poll(delivery(**(known | changes)), last=last)
        assert seen is not None
        return seen


async def no_sink(seen: Observation) -> bool:
    return True


@asynccontextmanager
async def bench(fake: Gateway | None = None, **settings: Any) -> AsyncIterator[Bench]:
    """A channel against a fresh fake, or against the given one."""
    if fake is None:
        async with gateway() as fresh, bench(fresh, **settings) as started:
            yield started
        return
    clock, outcomes = Clock(), []
    chosen = TelegramSettings(**({"token": TOKEN, "base_url": fake.url} | settings))
    channel = TelegramChannel(
        chosen,
        clock,
        on_call=lambda method, outcome, seconds: outcomes.append((method, outcome)),
        instance="abcd1234",
    )
    await channel.start(no_sink)
    try:
        yield Bench(fake, channel, clock, Journal(), outcomes)
    finally:
        await channel.stop()
