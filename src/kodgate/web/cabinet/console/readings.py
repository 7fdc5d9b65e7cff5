"""What this process tells of itself: its channels and its counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import Metric

from kodgate.channels import Channel
from kodgate.channels.smpp import SmppChannel
from kodgate.channels.smpp.carrier import Carrier
from kodgate.channels.telegram.channel import TelegramChannel
from kodgate.channels.valve import Valve
from kodgate.engine import Engine
from kodgate.engine.meters import Meters

REFUSALS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One SMPP session."""

    mode: str
    bound: bool
    why: str
    busy: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """One SMPP route at work."""

    name: str
    address: str
    tps: float
    priority: int
    prefixes: tuple[str, ...]
    links: tuple[LinkView, ...]
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One method of a provider, since this process began."""

    method: str
    count: int
    lost: int
    """Calls without an answer."""
    mean_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """A channel as this process sees it."""

    name: str
    family: str
    here: bool
    """This process sends through it; else nothing but its name is known."""
    live: bool
    why: str
    """Not empty while live: a breaker that lets one request through."""
    shut: bool
    """The operator has taken it out of work."""
    room: int
    balance: int | None
    """1/10,000 of the provider's currency; None: it does not tell."""
    routes: tuple[RouteView, ...]
    calls: tuple[CallView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of this process since it began."""

    accepted: int
    refused: tuple[tuple[int, int], ...]
    """(error, how often), the most frequent first."""
    accept_ms: float | None
    deadlines: int
    late_ms: float | None
    """By how much deadlines were decided late, on average."""


def channel_views(engine: Engine) -> list[ChannelView]:
    """Every channel that is set up, in the order of its name."""
    calls = _calls(engine.meters)
    return [
        _channel_view(name, channel, channel in engine.senders, tuple(calls.get(name, ())))
        for name, channel in sorted(engine.channels.items())
        if not channel.health().absent
    ]


def _channel_view(
    name: str, channel: Channel, here: bool, calls: tuple[CallView, ...]
) -> ChannelView:
    health = channel.health()
    shut = isinstance(channel, Valve) and channel.shut
    if isinstance(channel, Valve):
        channel = channel.channel
    balance = channel.remaining_balance if isinstance(channel, TelegramChannel) else None
    carriers = channel.carriers if isinstance(channel, SmppChannel) else ()
    return ChannelView(
        name=name,
        family=channel.family,
        here=here,
        live=health.live,
        why=health.why,
        shut=shut,
        room=channel.room(),
        balance=balance,
        routes=tuple(_route_view(carrier) for carrier in carriers),
        calls=calls,
    )


def _route_view(carrier: Carrier) -> RouteView:
    profile = carrier.profile
    return RouteView(
        name=profile.name,
        address=f"{profile.host}:{profile.port}",
        tps=profile.tps,
        priority=profile.priority,
        prefixes=profile.prefixes,
        links=tuple(
            LinkView(
                mode=link.mode.value,
                bound=link.bound,
                why=link.why,
                busy=link.busy,
                window=profile.window,
            )
            for link in carrier.links
        ),
        counts=tuple(sorted(carrier.counts.items())),
    )


def _calls(meters: Meters) -> dict[str, list[CallView]]:
    seconds: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for sample in _samples(meters.upstream_seconds.collect()):
        if sample[0].endswith(("_sum", "_count")):
            key = (sample[1]["channel"], sample[1]["method"])
            seconds[key][sample[0].rpartition("_")[2]] = sample[2]
    lost: dict[tuple[str, str], int] = defaultdict(int)
    for name, labels, value in _samples(meters.upstream.collect()):
        if name.endswith("_total") and labels["status"] == "lost":
            lost[labels["channel"], labels["method"]] += int(value)
    found: dict[str, list[CallView]] = defaultdict(list)
    for (channel, method), sums in sorted(seconds.items()):
        count = int(sums["count"])
        mean_ms = round(1000 * sums["sum"] / count) if count else 0
        view = CallView(method=method, count=count, lost=lost[channel, method], mean_ms=mean_ms)
        found[channel].append(view)
    return found


def counted(meters: Meters) -> Counted:
    results: dict[int, int] = defaultdict(int)
    for name, labels, value in _samples(meters.codes.collect()):
        if name.endswith("_total"):
            results[int(labels["result"])] += int(value)
    accepted = results.pop(0, 0)
    often = sorted(results.items(), key=lambda each: (-each[1], each[0]))
    deadlines, late_ms = _mean(meters.deadline_late_seconds.collect())
    return Counted(
        accepted=accepted,
        refused=tuple(often[:REFUSALS_SHOWN]),
        accept_ms=_mean(meters.accept_seconds.collect())[1],
        deadlines=deadlines,
        late_ms=late_ms,
    )


def _mean(metrics: Iterable[Metric]) -> tuple[int, float | None]:
    """(how many, the mean in ms) of a histogram without labels."""
    sums = {name.rpartition("_")[2]: value for name, _, value in _samples(metrics)}
    count = int(sums["count"])
    return count, (1000 * sums["sum"] / count if count else None)


def _samples(metrics: Iterable[Metric]) -> Iterable[tuple[str, dict[str, str], float]]:
    for metric in metrics:
        for sample in metric.samples:
            yield sample.name, sample.labels, sample.value
