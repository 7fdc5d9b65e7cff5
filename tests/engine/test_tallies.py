"""Our counters and timers say what Prometheus' own would have said."""

from __future__ import annotations

import prometheus_client.metrics
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from kodgate.engine.tallies import Counts, Timings

AT_S = 1_758_101_663.25
BOUNDS = (0.001, 0.5, 1, 3600)
SECONDS = (0, 0.001, 0.0011, 0.5, 1, 2.5, 3600, 3601)


@pytest.fixture(autouse=True)
def stopped(monkeypatch):
    monkeypatch.setattr(prometheus_client.metrics.time, "time", lambda: AT_S)


def _ours() -> CollectorRegistry:
    registry = CollectorRegistry()
    counts = Counts("codes", "Sent.", ("dialect", "result"), registry=registry, wall_s=lambda: AT_S)
    timings = Timings(
        "took", "Long.", ("path",), bounds=BOUNDS, registry=registry, wall_s=lambda: AT_S
    )
    whole = Timings("all", "Of all.", bounds=BOUNDS, registry=registry, wall_s=lambda: AT_S)
    for dialect, result in (("json", 0), ("http", 10), ("json", 0)):
        counts.inc(dialect, result)
    for seconds in SECONDS:
        timings.observe(seconds, 'a"b')
        whole.observe(seconds)
    return registry


def _theirs() -> CollectorRegistry:
    registry = CollectorRegistry()
    counter = Counter("codes", "Sent.", ("dialect", "result"), registry=registry)
    timer = Histogram("took", "Long.", ("path",), buckets=BOUNDS, registry=registry)
    whole = Histogram("all", "Of all.", buckets=BOUNDS, registry=registry)
    for dialect, result in (("json", 0), ("http", 10), ("json", 0)):
        counter.labels(dialect, str(result)).inc()
    for seconds in SECONDS:
        timer.labels('a"b').observe(seconds)
        whole.observe(seconds)
    return registry


def test_every_sample_is_told_as_prometheus_tells_it():
    assert generate_latest(_ours()) == generate_latest(_theirs())


def test_what_was_never_counted_is_told_as_prometheus_tells_it():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    Timings("all", "Of all.", bounds=BOUNDS, registry=ours, wall_s=lambda: AT_S)
    Counts("codes", "Sent.", ("result",), registry=ours)
    Histogram("all", "Of all.", buckets=BOUNDS, registry=theirs)
    Counter("codes", "Sent.", ("result",), registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)
