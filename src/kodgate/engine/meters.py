"""What the engine counts, in Prometheus' words. No phone, login or code is ever a label."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kodgate.engine.tallies import Counts, Timings

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Meters:
    """All metrics of one process, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.codes = Counts(
            "kodgate_codes",
            "Send requests by dialect and result (0: accepted, else the error number).",
            ("dialect", "result"),
            registry=self.registry,
        )
        self.events = Counter(
            "kodgate_message_events",
            "What happened to messages: sent, delivered, confirmed, failed, expired, fallback, ...",
            ("channel", "word"),
            registry=self.registry,
        )
        self.upstream = Counter(
            "kodgate_upstream_requests",
            "Calls to providers by channel, method and outcome.",
            ("channel", "method", "status"),
            registry=self.registry,
        )
        self.upstream_seconds = Histogram(
            "kodgate_upstream_seconds",
            "How long calls to providers took.",
            ("channel", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.delivery_seconds = Histogram(
            "kodgate_delivery_seconds",
            "From a message's creation to its end, business time.",
            ("channel", "outcome"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.deadline_late_seconds = Histogram(
            "kodgate_deadline_late_seconds",
            "How long after its instant a deadline was decided.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.accept_seconds = Timings(
            "kodgate_accept_seconds",
            "From a checked request to its durable packet.",
            bounds=_SECONDS,
            registry=self.registry,
        )
        self.channel_up = Gauge(
            "kodgate_channel_up",
            "1 while a channel takes messages.",
            ("channel",),
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "kodgate_queue_depth",
            "Open messages by channel and state.",
            ("channel", "state"),
            registry=self.registry,
        )
        self.queue_oldest_seconds = Gauge(
            "kodgate_queue_oldest_seconds",
            "How long the oldest due message has been waiting.",
            registry=self.registry,
        )
        self.clock_drift_seconds = Gauge(
            "kodgate_clock_drift_seconds",
            "How far the wall clock is ahead of the gateway's clock.",
            registry=self.registry,
        )
        self.provider_balance = Gauge(
            "kodgate_provider_balance",
            "The last balance that a provider reported, in its currency.",
            ("channel",),
            registry=self.registry,
        )

        self.blocked_prefixes = Counter(
            "kodgate_blocked_prefixes",
            "Prefixes whose codes did not arrive, by what was done: blocked, or only watched.",
            ("done",),
            registry=self.registry,
        )

        self._children: dict[tuple[str, str], Counter] = {}
        self._calls: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def sent(self, dialect: str, error: int) -> None:
        """One send request: 0, or the error table's number."""
        self.codes.inc(dialect, error)

    def words(self, channel: str, words: Iterable[str]) -> None:
        for word in words:
            child = self._children.get((channel, word))
            if child is None:
                child = self._children[channel, word] = self.events.labels(channel, word)
            child.inc()

    def blocked(self, *, refuses: bool) -> None:
        """One prefix of one account."""
        self.blocked_prefixes.labels("blocked" if refuses else "watched").inc()

    def call(self, channel: str, method: str, status: str, seconds: float) -> None:
        """One call to a provider."""
        key = (channel, method, status)
        children = self._calls.get(key)
        if children is None:
            timed = self.upstream_seconds.labels(channel, method)
            children = self._calls[key] = (self.upstream.labels(*key), timed)
        counted, timed = children
        counted.inc()
        timed.observe(seconds)
