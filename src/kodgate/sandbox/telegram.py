"""The Telegram Gateway on the wire: parameters in, answers and accidents out (telegram.md 1.1)."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from kodgate.sandbox import gateway
from kodgate.sandbox.config import SandboxConfig
from kodgate.sandbox.state import Durable, text_of
from kodgate.sandbox.timing import Clock

BODY_MAX = 64 * 1024
METHOD_MAX = 64

GARBAGE: dict[str, tuple[str, bytes]] = {
    "garbage": ("text/html", b"<html><body><h1>It works!</h1></body></html>"),
    "truncated": ("application/json", b'{"ok":true,"result":{"request_id":"'),
    "empty": ("application/json", b""),
}
"""Answers with status 200 that no client can read: content type and body."""


class Unreadable(Exception):
    """The body is not a set of parameters."""


@dataclass(frozen=True, slots=True)
class Said:
    """An HTTP answer."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


class TelegramGateway:
    """Serves `/METHOD` for a token. Every answer leaves after what it tells is durable."""

    def __init__(self, config: SandboxConfig, state: Durable, clock: Clock) -> None:
        self._token = config.token.encode()
        self._own = frozenset(config.own_phones)
        self._state = state
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [web.route(verb, "/{method}", self.handle) for verb in ("GET", "POST")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any form of a call, by aiohttp."""
        try:
            params = await _parameters(request)
        except Unreadable:
            params = None
        bearer = request.headers.get("Authorization", "")
        said = await render(await self._begin(request.match_info["method"], bearer, params))
        if said is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return web.Response(status=said.status, body=said.body, content_type=said.content_type)

    def begin(self, method: str, authorization: str, body: bytes) -> asyncio.Future[gateway.Reply]:
        """A call whose parameters are JSON in a body; its reply once that is durable."""
        try:
            params = _from_json(body)
            "".join(params.values()).encode()
        except (Unreadable, UnicodeEncodeError):
            return self._begin(method, authorization, None)
        return self._begin(method, authorization, params)

    def _begin(
        self, method: str, authorization: str, params: dict[str, str] | None
    ) -> asyncio.Future[gateway.Reply]:
        """`params`: None where they cannot be read."""
        refusal = "BAD_REQUEST" if params is None else self._authorise(authorization, params)
        if params is None or refusal:
            refused: asyncio.Future[gateway.Reply] = asyncio.get_running_loop().create_future()
            refused.set_result(gateway.Reply(error=refusal))
            return refused
        call = gateway.Call(
            method=method[:METHOD_MAX].lower(),
            params=params,
            now=self._clock.now(),
            real=self._clock.real(),
            own_phones=self._own,
        )
        return self._state.soon(partial(gateway.answer, call=call))

    def _authorise(self, authorization: str, params: dict[str, str]) -> str:
        given = params.pop("access_token", "")
        scheme, _, bearer = authorization.partition(" ")
        if scheme.lower() == "bearer" and bearer.strip():
            given = bearer.strip()
        if not given:
            return "ACCESS_TOKEN_REQUIRED"
        good = secrets.compare_digest(given.encode(errors="replace"), self._token)
        return "" if good else "ACCESS_TOKEN_INVALID"


async def _parameters(request: web.Request) -> dict[str, str]:
    """Query, form (either kind) or JSON, as text; what is `null` or empty is absent."""
    given: dict[str, str] = {name: value for name, value in request.query.items() if value}
    if request.method == "POST" and request.can_read_body:
        if request.content_type == "application/json":
            given |= _from_json(await request.read())
        else:
            given |= await _from_form(request)
    try:
        "".join(given.values()).encode()
    except UnicodeEncodeError as error:  # Half of a surrogate pair, out of JSON
        raise Unreadable from error
    return given


async def _from_form(request: web.Request) -> dict[str, str]:
    try:
        form = await request.post()
    except (ValueError, LookupError) as error:  # Broken parts, an unknown charset
        raise Unreadable from error
    return {name: value for name, value in form.items() if isinstance(value, str) and value}


def _from_json(body: bytes) -> dict[str, str]:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if not isinstance(raw, dict):
        raise Unreadable
    return {name: _text(value) for name, value in raw.items() if value not in (None, "")}


def _text(value: object) -> str:
    """Numbers may come as JSON numbers; anything deeper is no value of a parameter."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else "?"


def answer(reply: gateway.Reply) -> Said:
    """Of a reply without accidents. Errors too are HTTP 200 (captured)."""
    if reply.error:
        return Said(text_of({"ok": False, "error": reply.error}).encode())
    return Said(text_of({"ok": True, "result": reply.result}).encode())


async def render(reply: gateway.Reply) -> Said | None:
    """The answer, when it is time for it; None: it is lost."""
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    if reply.lost:
        return None
    if reply.fault is None:
        return answer(reply)
    if reply.fault.kind == "status":
        status = int(float(reply.fault.arg or 502))
        return Said(b"sandbox fault\n", content_type="text/plain", status=status)
    kind, body = GARBAGE[reply.fault.kind]
    return Said(body, content_type=kind)
