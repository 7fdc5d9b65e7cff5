"""What is measured. Each scene prepares nothing but its own load and returns rows of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.home import SMS_LOGIN, Home, Running
from bench.load import Result
from bench.machine import cpu_s, slow_disk
from kodgate.store.schema import PACKET_ID_MIN

CALLERS = (1, 16, 64)
EVENTS = "kodgate_message_events_total"
LATE = "kodgate_deadline_late_seconds"
OPEN_RATE = 500.0
"""What arrives beside the open messages, a second."""
DONE_S = 120.0
STEADY_RATE = 50.0
STEADY_PARTS = 10
SLOWER_MS = 2.0
SEVERAL = {"KODGATE_HTTP__WORKERS": "2"}
APART = {"KODGATE_HTTP__WORKERS": "1"}
STATUS_RATE = 500.0
NOWHERE = {"path": "/nothing", "good": "Not found"}
"""What the wire's listener answers to a path that it does not know."""
PEAK_CALLERS = 64
TIMES = 10
NONE_REFUSED = "none refused"
"""Of the peak: what arrives in an overload."""
CONNECTIONS = 2_000
MANY = {"KODGATE_HTTP__CONNECTIONS_MAX": "4096"}
NORMAL = 0.9
"""Of the peak's rate."""
NORMAL_WITHIN_S = 30.0
PROBE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    load: str
    per_second: float
    p50: float | None = None
    p99: float | None = None
    cpu_us: float | None = None
    """Of the gateway, for each request or message."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long, how much. Seconds; messages a second."""

    seconds: float = 5.0
    runs: int = 3
    overload_s: float = 60.0
    telegram_s: float = 60.0
    telegram_rate: float = 700.0
    sms: int = 20_000
    sms_rate: float = 2_500.0
    open_s: float = 60.0
    open: int = 0
    """Messages that are open while accepts are measured; 0: the scene is left out."""
    steady_s: float = 0.0
    """How long memory is watched; 0: the scene is left out."""


QUICK = Effort(
    seconds=2.0,
    runs=1,
    overload_s=6.0,
    telegram_s=8.0,
    telegram_rate=200.0,
    sms=3_000,
    sms_rate=600.0,
)
FULL = Effort(open=1_000_000)

Scene = Callable[[Home, Effort], Iterator[Row]]


def floor(home: Home, effort: Effort) -> Iterator[Row]:
    """What the same server answers at the least; and with all of an accept but its storing."""
    with home.running("http") as gateway:
        for callers in CALLERS:
            yield _closed(gateway, effort, "floor: static answer", callers, **NOWHERE)
        for callers in CALLERS:
            what = "test=-1: parsed, priced, not stored"
            yield _closed(gateway, effort, what, callers, kind="simulation")


def accepts(home: Home, effort: Effort) -> Iterator[Row]:
    """Every accept durable and paid; this process does nothing else."""
    with home.running("http") as gateway:
        for callers in CALLERS:
            yield _closed(gateway, effort, "accept", callers)
        for rate in (500.0, 1_000.0, 2_000.0):
            result, cpu = gateway.load(callers=256, seconds=effort.seconds, rate=rate)
            yield _row("accept", f"{rate:,.0f}/s arrive", result, cpu)
        many = f"{len(home.logins):,} accounts, 64 callers"
        result, cpu = gateway.load(callers=64, seconds=effort.seconds, logins=home.logins)
        yield _row("accept", many, result, cpu)
    with home.running("http", **SEVERAL) as gateway:
        for callers in CALLERS[1:]:
            yield _closed(gateway, effort, "accept, 2 processes", callers)


def status(home: Home, effort: Effort) -> Iterator[Row]:
    """Status queries as fast as they are answered, beside accepts that arrive at a fixed rate."""
    with home.running("http") as gateway, ThreadPoolExecutor(1) as beside:
        gateway.load(callers=1, seconds=0.1)
        accepts = beside.submit(
            gateway.load, callers=64, seconds=effort.seconds + 1, rate=STATUS_RATE, first=1_000_000
        )
        asked, cpu = gateway.load(
            kind="status", callers=16, seconds=effort.seconds, packet_id=PACKET_ID_MIN
        )
        sent, _ = accepts.result()
        yield _row("status query", f"16 callers, beside {STATUS_RATE:,.0f} accepts/s", asked, cpu)
        yield _row("accept beside status queries", f"{STATUS_RATE:,.0f}/s arrive", sent, cpu)


def slow(home: Home, effort: Effort) -> Iterator[Row]:
    """The same on a disk whose fsync takes 2 ms longer."""
    environ = slow_disk(home.data.parent, SLOWER_MS)
    if environ is None:
        return
    with home.running("http", **environ) as gateway:
        for callers in CALLERS:
            yield _closed(gateway, effort, f"accept, fsync +{SLOWER_MS:g} ms", callers)


def overload(home: Home, effort: Effort) -> Iterator[Row]:
    """Ten times the peak arrives, whatever is answered; then the peak's callers again."""
    with home.running("http", **MANY) as gateway:
        peak = _closed(gateway, effort, "overload: the peak before it", PEAK_CALLERS)
        yield peak
        rate = TIMES * peak.per_second
        result, cpu = gateway.load(
            callers=CONNECTIONS, seconds=effort.overload_s, rate=rate, drops=True
        )
        yield _overloaded(result, cpu, rate, peak)
        yield _normal_again(gateway, result.drained_s, peak)


def _overloaded(result: Result, cpu: float, rate: float, peak: Row) -> Row:
    offered, taken = result.sent + result.late, result.sent
    return Row(
        what=f"overload: {TIMES} times the peak",
        load=f"{rate:,.0f}/s arrive at {CONNECTIONS:,} connections",
        per_second=result.per_second,
        p50=result.p50,
        p99=result.p99,
        cpu_us=cpu,
        note=f"goodput {result.per_second / peak.per_second:.0%} of the peak; a second"
        f" {offered / result.seconds:,.0f} offered, {taken / result.seconds:,.0f} written,"
        f" {result.late / result.seconds:,.0f} found no free connection;"
        f" {_refused(result) or NONE_REFUSED};"
        f" times from the writing, the generator itself late by {result.lag_p99:.0f} ms (p99)",
    )


def _normal_again(gateway: Running, drained_s: float, peak: Row) -> Row:
    """How long after the overload the peak's callers get the peak's rate and times again."""
    began = time.perf_counter()
    while True:
        result, cpu = gateway.load(callers=PEAK_CALLERS, seconds=PROBE_S)
        after = drained_s + time.perf_counter() - began
        quick = result.p99 <= 2 * (peak.p99 or 0.0)
        normal = result.per_second >= NORMAL * peak.per_second and quick and not result.errors
        if normal or after > NORMAL_WITHIN_S:
            break
    told = "normal again" if normal else "not yet normal"
    return _row(
        "overload: after it",
        f"{PEAK_CALLERS} callers",
        result,
        cpu,
        note=f"{told} {after:.1f} s after it (at least {NORMAL:.0%} of the peak's rate, p99 at most"
        f" twice the peak's), of which the last answers {drained_s:.1f} s",
    )


def sms(home: Home, effort: Effort) -> Iterator[Row]:
    """From the request to the SMSC and its receipt back; with one process, and with two."""
    yield _sms(home, effort, "end to end, SMSC with receipts")
    yield _sms(home, effort, "the same, requests in a process of their own", **APART)


def _sms(home: Home, effort: Effort, what: str, **environ: str) -> Row:
    with home.running("http,deliver,smpp", **environ) as gateway:
        before = gateway.counted(EVENTS, channel="sms", word="confirmed")
        began, cpu = time.perf_counter(), gateway.cpu_s()
        result, _ = gateway.load(
            callers=128,
            seconds=effort.sms / effort.sms_rate,
            rate=effort.sms_rate,
            logins=(SMS_LOGIN,),
            to_sms=True,
        )
        gateway.until_counted(
            EVENTS, before + result.good, within_s=DONE_S, channel="sms", word="confirmed"
        )
        seconds, used = time.perf_counter() - began, gateway.cpu_s() - cpu
        return Row(
            what=what,
            load=f"{effort.sms_rate:,.0f}/s arrive",
            per_second=result.good / seconds,
            p50=result.p50,
            p99=result.p99,
            cpu_us=used / result.good * 1e6,
            note=f"{result.good:,} delivered; {_refusals(result)}",
        )


def telegram(home: Home, effort: Effort) -> Iterator[Row]:
    """Accepts while every code travels to the sandbox Telegram and its reports come back; with one
    process, and with two."""
    calls = {"KODGATE_TELEGRAM__CONCURRENCY": "256"}
    yield _telegram(home, effort, "accept, each code through the sandbox Telegram", **calls)
    apart = {**APART, **calls}
    yield _telegram(home, effort, "the same, requests in a process of their own", **apart)


def _telegram(home: Home, effort: Effort, what: str, **environ: str) -> Row:
    with home.running(**environ) as gateway:
        sandbox = gateway.sandbox
        before = gateway.counted(EVENTS, channel="telegram", word="confirmed")
        used, theirs = gateway.cpu_s(), cpu_s(sandbox)
        rate, seconds = effort.telegram_rate, effort.telegram_s
        result, _ = gateway.load(callers=128, seconds=seconds, rate=rate)
        behind = result.good - gateway.counted(EVENTS, channel="telegram", word="sent")
        done = gateway.until_counted(
            EVENTS, before + result.good, within_s=DONE_S, channel="telegram", word="confirmed"
        )
        used, theirs = gateway.cpu_s() - used, cpu_s(sandbox) - theirs
        return Row(
            what=what,
            load=f"{rate:,.0f}/s arrive",
            per_second=result.per_second,
            p50=result.p50,
            p99=result.p99,
            cpu_us=used / result.good * 1e6,
            note=f"{max(0.0, behind):,.0f} not sent when the last was accepted, all read"
            f" {done:.1f} s later; sandbox {theirs / result.good * 1e6:,.0f} us each;"
            f" {_refusals(result) or NONE_REFUSED}; {gateway.resident_mib():.0f} MiB",
        )


def backlog(home: Home, effort: Effort) -> Iterator[Row]:
    """Accepts beside a million messages whose deadlines lie ahead, polls and decisions going on."""
    if not effort.open:
        return
    home.open(effort.open)
    began = time.perf_counter()
    with home.running("http,deliver") as gateway:
        gateway.load(callers=1, seconds=0.1)
        started, resident = time.perf_counter() - began, gateway.resident_mib()
        decided, polls = gateway.counted(f"{LATE}_count"), _polls(gateway)
        cpu, began = gateway.cpu_s(), time.perf_counter()
        result, _ = gateway.load(callers=128, seconds=effort.open_s, rate=OPEN_RATE)
        seconds = time.perf_counter() - began
        decided, polls = gateway.counted(f"{LATE}_count") - decided, _polls(gateway) - polls
        in_time = gateway.counted(f"{LATE}_bucket", le="1.0")
        every = gateway.counted(f"{LATE}_count")
        yield Row(
            what=f"accept beside {effort.open:,} open messages",
            load=f"{OPEN_RATE:,.0f}/s arrive",
            per_second=result.per_second,
            p50=result.p50,
            p99=result.p99,
            cpu_us=(gateway.cpu_s() - cpu) / max(1, result.good) * 1e6,
            note=f"first accept {started:.1f} s after the start; {decided / seconds:,.0f} deadlines"
            f" and {polls / seconds:,.0f} polls a second, {in_time / max(1, every):.2%} of the"
            f" deadlines decided within 1 s; {_refusals(result) or NONE_REFUSED};"
            f" {resident:.0f} MiB, {gateway.resident_mib():.0f} after {seconds:.0f} s",
        )


def steady(home: Home, effort: Effort) -> Iterator[Row]:
    """What the gateway keeps in memory while codes come and go, each through the sandbox."""
    if not effort.steady_s:
        return
    with home.running() as gateway:
        part_s, sizes, good = effort.steady_s / STEADY_PARTS, [], 0
        cpu = gateway.cpu_s()
        for part in range(STEADY_PARTS):
            first = 1 + good + part * 1_000
            result, _ = gateway.load(callers=64, seconds=part_s, rate=STEADY_RATE, first=first)
            good += result.good
            sizes.append(gateway.resident_mib())
        yield Row(
            what=f"memory over {effort.steady_s / 60:,.0f} minutes",
            load=f"{STEADY_RATE:,.0f}/s arrive",
            per_second=good / effort.steady_s,
            p50=result.p50,
            p99=result.p99,
            cpu_us=(gateway.cpu_s() - cpu) / good * 1e6,
            note=f"MiB after each tenth: {', '.join(f'{size:.0f}' for size in sizes)}",
        )


def _polls(gateway: Running) -> float:
    return gateway.counted("kodgate_upstream_requests_total", method="checkVerificationStatus")


SCENES: dict[str, Scene] = {
    "floor": floor,
    "accepts": accepts,
    "status": status,
    "slow": slow,
    "overload": overload,
    "sms": sms,
    "telegram": telegram,
    "backlog": backlog,
    "steady": steady,
}


def _closed(gateway: Running, effort: Effort, what: str, callers: int, **plan: object) -> Row:
    """The median run of several, by its rate; the others in the notes."""
    runs = [
        gateway.load(callers=callers, seconds=effort.seconds, **plan) for _ in range(effort.runs)
    ]
    runs.sort(key=lambda one: one[0].per_second)
    result, cpu = runs[len(runs) // 2]
    least, most = runs[0][0].per_second, runs[-1][0].per_second
    spread = f"{least:,.0f} to {most:,.0f}/s; " if len(runs) > 1 else ""
    load = f"{callers} caller{'s' * (callers > 1)}"
    return _row(what, load, result, cpu, note=f"{spread}{gateway.resident_mib():.0f} MiB")


def _row(what: str, load: str, result: Result, cpu: float, note: str = "") -> Row:
    notes = [word for word in (_refusals(result), note) if word]
    return Row(
        what=what,
        load=load,
        per_second=result.per_second,
        p50=result.p50,
        p99=result.p99,
        cpu_us=cpu,
        note="; ".join(notes),
    )


def _refusals(result: Result) -> str:
    behind = f"{result.late:,} never taken" if result.late else ""
    return ", ".join(word for word in (_refused(result), behind) if word)


def _refused(result: Result) -> str:
    told = ", ".join(f"{count:,} x {error}" for error, count in sorted(result.errors.items()))
    return f"refused {told} (p99 {result.refused_p99:.0f} ms)" if told else ""
