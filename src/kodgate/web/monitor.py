"""The operator's own listener: /livez, /readyz, /healthz, /metrics. Never on the public one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from kodgate.engine.tallies import Counts, Timings
from kodgate.web.asgi import App, Receive, Scope, Send, answer, answer_text, mounted, not_found

log = structlog.get_logger("kodgate.web")

CHECKS_S = 2.0
"""Checks that take longer count as failed."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of being ready: the database, its migrations, a live channel."""

    name: str
    ok: bool
    detail: str = ""
    """For the operator; shown on this listener only."""


Checks = Callable[[], Awaitable[Iterable[Check]]]


class HttpMeters:
    """What the wire's routes count, on the process's registry. `on_request` is the hook."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self._requests = Counts(
            "kodgate_http_requests",
            "Answered wire requests by endpoint and error number (0: done).",
            ("endpoint", "error"),
            registry=registry,
        )
        self._seconds = Timings(
            "kodgate_http_request_seconds",
            "From the whole request to the answer.",
            ("endpoint",),
            bounds=SECONDS,
            registry=registry,
        )
        build = Gauge("kodgate_build_info", "1, with the version.", ("version",), registry=registry)
        build.labels(version).set(1)

    def on_request(self, *, endpoint: str, error: int, seconds: float) -> None:
        self._requests.inc(endpoint, error)
        self._seconds.observe(seconds, endpoint)


def monitor(checks: Checks, registry: CollectorRegistry) -> App:
    """An ASGI app for a listener of its own (S-113)."""

    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_text(send, 200, "OK\n")

    async def ready(scope: Scope, receive: Receive, send: Send) -> None:
        found = await _looked(checks)
        lines = [f"{'OK' if c.ok else 'FAIL'} {c.name} {c.detail}".rstrip() for c in found]
        status = 200 if all(check.ok for check in found) else 503
        await answer_text(send, status, "\n".join(lines) + "\n")

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        body = generate_latest(registry)
        await answer(send, 200, CONTENT_TYPE_PLAIN_0_0_4.encode("ascii"), body)

    pages: dict[bytes, App] = {
        b"/livez": live,
        b"/healthz": live,
        b"/readyz": ready,
        b"/metrics": metrics,
    }
    return mounted({path: _read_only(page) for path, page in pages.items()}, {}, not_found)


async def _looked(checks: Checks) -> list[Check]:
    try:
        async with asyncio.timeout(CHECKS_S):
            return list(await checks())
    except Exception as error:
        log.warning("checks_failed", error=type(error).__name__)
        return [Check(name="checks", ok=False, detail=type(error).__name__)]


def _read_only(page: App) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await page(scope, receive, send)
        else:
            await answer_text(send, 405, "Use GET\n", [(b"allow", b"GET, HEAD")])

    return app
