"""/inbox: hands requests through to the sandbox's inbox page, streams included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp
import structlog
from yarl import URL

from kodgate.web.addresses import is_loopback
from kodgate.web.asgi import Header, Receive, Scope, Send, answer_text, drop, read_body

log = structlog.get_logger("kodgate.web")

PREFIX = b"/inbox/"

CONNECT_S = 3.0

ASKED = frozenset(
    {"accept", "accept-language", "content-type", "cookie", "last-event-id", "if-none-match"}
)
"""Request headers that go on, and all that begin with `hx-`."""
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "date",
        "server",
    }
)


class Inbox:
    """An ASGI app. `base_url`: the sandbox, `http://127.0.0.1:8081`; `names`: what we answer to.

    It shows codes without a login, so it answers to loopback names and its own address only: a
    foreign name that was rebound to this machine gets nothing.
    """

    def __init__(self, base_url: str, *, names: Iterable[str] = ()) -> None:
        self._base = base_url.rstrip("/")
        self._names = {"localhost", *(name.lower() for name in names if name)}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        if not self._is_ours(_header(scope, b"host")):
            await answer_text(send, 403, "Open the inbox by its loopback address\n")
            return
        passing = asyncio.ensure_future(self._pass(scope, body, send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not passing.done():
                passing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await passing

    def _is_ours(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname or ""
        return name in self._names or is_loopback(name)

    async def _pass(self, scope: Scope, body: bytes, send: Send) -> None:
        begun = False
        try:
            async with self._client().request(
                scope["method"],
                self._url(scope),
                data=body or None,
                headers=_asked(scope["headers"]),
                allow_redirects=False,
            ) as answer:
                headers = _answered(answer.raw_headers)
                begun = True
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": headers}
                )
                async for piece in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("inbox_unreachable", error=type(error).__name__)
            if begun:
                drop(scope)
            else:
                await answer_text(send, 502, "The sandbox does not answer. Is it running?\n")

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, scope: Scope) -> URL:
        path = scope["raw_path"].decode("ascii")
        query = scope["query_string"].decode("ascii")
        return URL(f"{self._base}{path}{'?' + query if query else ''}", encoded=True)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((v.decode("latin-1") for name, v in scope["headers"] if name == wanted), "")


async def _gone(receive: Receive) -> None:
    """Returns when the browser has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _asked(headers: Iterable[Header]) -> dict[str, str]:
    texts = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    return {name: text for name, text in texts if name in ASKED or name.startswith("hx-")}


def _answered(headers: Iterable[Header]) -> list[Header]:
    return [
        (name.lower(), value)
        for name, value in headers
        if name.decode("latin-1").lower() not in HOP_BY_HOP
    ]
