"""POST /callbacks/<channel>: a provider's report, its raw bytes given to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from kodgate.web.asgi import PLAIN, App, Receive, Scope, Send, answer_text, read_body, whole
from kodgate.web.server import frames

log = structlog.get_logger("kodgate.web")

PREFIX = b"/callbacks/"

TEXTS = {200: b"OK\n", 403: b"Forbidden\n", 404: b"Not found\n", 503: b"Try later\n"}
ANSWERS = {status: whole(status, PLAIN, text) for status, text in TEXTS.items()}


class Engine(Protocol):
    async def callback(self, channel: str, body: bytes, headers: Mapping[str, str]) -> int:
        """200: durable; 403: not from the provider; 404: no such channel; 503: repeat it."""


def callbacks(engine: Engine) -> App:
    """An ASGI app. The body must be the bytes that were signed: it is not decoded here."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answer_text(send, 405, "Use POST\n", [(b"allow", b"POST")])
            return
        body = await read_body(receive)
        if body is None:
            return
        status = await _given(engine, scope, body)
        for message in ANSWERS[status]:
            await send(message)

    return app


async def _given(engine: Engine, scope: Scope, body: bytes) -> int:
    """503 for every accident: the provider must repeat what is not durable (I-17)."""
    channel = scope["raw_path"][len(PREFIX) :].decode("ascii")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        status = await engine.callback(channel, body, headers)
    except Exception as error:
        log.error("callback_failed", channel=channel, error=type(error).__name__, at=frames(error))
        return 503
    if status not in (200, 404):
        log.info("callback_refused", channel=channel, status=status)
    return status
