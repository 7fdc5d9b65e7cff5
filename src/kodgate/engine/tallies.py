"""Counters and timers in plain numbers, for what every request counts.

Prometheus' own look at their arguments and take a lock for each number, which was a tenth of a
request's time. These belong to one thread; their names, labels and samples are the same.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Labels = tuple[str | int, ...]


@dataclass(slots=True)
class _Row:
    created: float
    counts: list[int]
    """Of a timer: by bucket, not yet summed up."""
    sum: float = 0.0


class _Tally(Collector):
    """One metric. `wall_s`: seconds since the epoch, for the samples that tell when it began."""

    def __init__(
        self,
        name: str,
        about: str,
        labels: Sequence[str] = (),
        *,
        bounds: Sequence[float] = (),
        registry: CollectorRegistry,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.labels = tuple(labels)
        self._name = name
        self._about = about
        self._bounds = tuple(bounds)
        self._wall_s = wall_s
        self._rows: dict[Labels, _Row] = {}
        if not self.labels:
            self._new(())
        registry.register(self)

    def _new(self, labels: Labels) -> _Row:
        row = _Row(created=self._wall_s(), counts=[0] * (len(self._bounds) + 1))
        return self._rows.setdefault(labels, row)


class Counts(_Tally):
    """A counter."""

    def inc(self, *labels: str | int) -> None:
        row = self._rows.get(labels) or self._new(labels)
        row.counts[0] += 1

    def describe(self) -> list[CounterMetricFamily]:
        return [CounterMetricFamily(self._name, self._about, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        (family,) = self.describe()
        for labels, row in self._rows.items():
            family.add_metric([str(each) for each in labels], row.counts[0], row.created)
        return [family]


class Timings(_Tally):
    """A histogram of seconds."""

    def observe(self, seconds: float, *labels: str | int) -> None:
        row = self._rows.get(labels) or self._new(labels)
        row.counts[bisect_left(self._bounds, seconds)] += 1
        row.sum += seconds

    def describe(self) -> list[HistogramMetricFamily]:
        return [HistogramMetricFamily(self._name, self._about, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        (family,) = self.describe()
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, row in self._rows.items():
            values = [str(each) for each in labels]
            buckets = list(zip(bounds, accumulate(row.counts), strict=True))
            family.add_metric(values, buckets, row.sum)
            named = dict(zip(self.labels, values, strict=True))
            family.add_sample(f"{self._name}_created", named, row.created)
        return [family]
