"""The load generator, a process of its own: callers on keep-alive connections, raw sockets.

`python -m bench.load` reads a `Plan` as JSON from standard input and prints a `Result`. Closed
loop: each caller sends, waits for the answer, sends again. Open loop (`rate` above 0): requests
arrive at a fixed rate whatever the server does, and a latency counts from the arrival. Where they
arrive faster than callers are free for long, `drops` gives up what finds none.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
TICK_S = 0.001
LAST_ANSWERS_S = 10.0
GROUP = 32
"""Requests of one account that follow each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send. `kind`: accept, simulation (test=-1, no database) or status."""

    port: int
    callers: int
    seconds: float
    kind: str = "accept"
    rate: float = 0.0
    """Arrivals a second; 0: closed loop."""
    drops: bool = False
    """An arrival that finds no free caller is not sent, and counts as `late`; so that latencies
    count from the writing of the request."""
    logins: tuple[str, ...] = ("demo",)
    secret: str = ""
    to_sms: bool = False
    prefix: str = "7920"
    """Of the phones; seven digits follow."""
    first: int = 1
    """The first of our own message ids."""
    packet_id: int = 0
    """Asked for by `status`."""
    path: str = "/http_in5.asp"
    body: str = ""
    """For a peer: the form of a request, with {phone} and {number}; empty: ours. Where they stand
    in `path`, it is a GET."""
    good: str = "error_num='0'"
    """What a good answer holds."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What the callers saw; latencies of good answers in ms."""

    sent: int = 0
    good: int = 0
    seconds: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0
    refused_p99: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    """By error number; `lost`: no answer."""
    late: int = 0
    """Open loop: arrivals that nobody had taken when the time was over, or with `drops` at once."""
    lag_p99: float = 0.0
    """How late the generator itself was, in ms: it reads answers as late as it wakes."""
    drained_s: float = 0.0
    """From the end of the time until the last answer."""

    @property
    def per_second(self) -> float:
        return self.good / self.seconds if self.seconds else 0.0


def run(plan: Plan) -> Result:
    """The plan in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(dataclasses.asdict(plan)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Result(**json.loads(done.stdout))


def requests(plan: Plan) -> Iterator[bytes]:
    """Whole HTTP requests, without end."""
    bodies = {"simulation": _simulation, "status": _status}.get(plan.kind, _accept)
    path = "/http_out5.asp" if plan.kind == "status" else plan.path
    number = plan.first
    while "{phone}" in path:
        asked = path.format(phone=_phone(plan, number), number=number)
        yield b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % asked.encode()
        number += 1
    while True:
        body = bodies(plan, number).encode()
        yield (
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
        )
        number += 1


def _phone(plan: Plan, number: int) -> str:
    return f"{plan.prefix}{number % 10_000_000:07d}"


def _accept(plan: Plan, number: int) -> str:
    if plan.body:
        return plan.body.format(phone=_phone(plan, number), number=number)
    login = plan.logins[number // GROUP % len(plan.logins)]
    return (
        f"http_username={login}&http_password={plan.secret}&mode=TELE&to_sms={int(plan.to_sms)}"
        f"&phone_list={_phone(plan, number)}&message_id={number}&format=xml"
    )


def _simulation(plan: Plan, number: int) -> str:
    return f"test=-1&mode=TELE&phone_list={_phone(plan, number)}&format=xml"


def _status(plan: Plan, number: int) -> str:
    login = plan.logins[0]
    return (
        f"http_username={login}&http_password={plan.secret}&packet_id={plan.packet_id}&format=xml"
    )


class Caller(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.buffer = b""
        self.began = 0.0
        self.busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.crowd.free(self)

    def send(self, began: float) -> None:
        assert self.transport is not None
        self.began, self.busy = began, True
        self.transport.write(next(self.crowd.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(HEAD_END)
        if head < 0:
            return
        at = self.buffer.lower().find(LENGTH) + len(LENGTH)
        size = int(self.buffer[at : self.buffer.find(b"\r", at)])
        if len(self.buffer) >= head + len(HEAD_END) + size:
            body, self.buffer, self.busy = self.buffer[head + 4 :], b"", False
            self.crowd.answered(self, body)

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self.crowd.errors["lost"] += 1


class Crowd:
    """All callers of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = requests(plan)
        self.good = plan.good.encode()
        self.times: list[float] = []
        self.refused: list[float] = []
        self.errors: Counter[str] = Counter()
        self.lags: list[float] = []
        self.sent = 0
        self.dropped = 0
        self.over = False
        self._idle: deque[Caller] = deque()
        self._arrived: deque[float] = deque()

    def free(self, caller: Caller) -> None:
        """A caller without a request."""
        if self.over:
            return
        if self.plan.rate:
            if self._arrived:
                self._begin(caller, self._arrived.popleft())
            else:
                self._idle.append(caller)
        else:
            self._begin(caller, time.perf_counter())

    def arrive(self, at: float) -> None:
        if self._idle:
            self._begin(self._idle.popleft(), time.perf_counter() if self.plan.drops else at)
        elif self.plan.drops:
            self.dropped += 1
        else:
            self._arrived.append(at)

    def _begin(self, caller: Caller, at: float) -> None:
        self.sent += 1
        caller.send(at)

    def answered(self, caller: Caller, body: bytes) -> None:
        took = time.perf_counter() - caller.began
        if self.good in body:
            self.times.append(took)
        else:
            self.refused.append(took)
            self.errors[_error(body)] += 1
        self.free(caller)

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        callers = [
            (await loop.create_connection(lambda: Caller(self), "127.0.0.1", self.plan.port))[1]
            for _ in range(self.plan.callers)
        ]
        if self.plan.rate:  # nothing has arrived while they connected
            began = time.perf_counter()
        await self._keep_time(began)
        self.over = True
        ended = time.perf_counter()
        late = len(self._arrived) + self.dropped
        while any(one.busy for one in callers) and time.perf_counter() < ended + LAST_ANSWERS_S:
            await asyncio.sleep(0.005)
        return self._result(ended - began, late, drained_s=time.perf_counter() - ended)

    async def _keep_time(self, began: float) -> None:
        ends_at = began + self.plan.seconds
        due = time.perf_counter()
        while (now := time.perf_counter()) < ends_at:
            while self.plan.rate and due <= now:
                self.arrive(due)
                due += 1 / self.plan.rate
            tick = TICK_S if self.plan.rate else 0.05
            await asyncio.sleep(tick)
            self.lags.append(time.perf_counter() - now - tick)

    def _result(self, seconds: float, late: int, *, drained_s: float) -> Result:
        return Result(
            sent=self.sent,
            good=len(self.times),
            seconds=seconds,
            p50=percentile(self.times, 0.50) * 1000,
            p99=percentile(self.times, 0.99) * 1000,
            most=max(self.times, default=0.0) * 1000,
            refused_p99=percentile(self.refused, 0.99) * 1000,
            errors=dict(self.errors),
            late=late,
            lag_p99=percentile(self.lags, 0.99) * 1000,
            drained_s=drained_s,
        )


def percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _error(body: bytes) -> str:
    found = body.partition(b"error_num='")[2].partition(b"'")[0]
    return found.decode("ascii", "replace")[:8] or "other"


def main() -> None:
    given = json.load(sys.stdin)
    plan = Plan(**{**given, "logins": tuple(given["logins"])})
    result = uvloop.run(Crowd(plan).run())
    json.dump(dataclasses.asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
