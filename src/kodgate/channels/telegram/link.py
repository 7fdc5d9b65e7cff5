"""One pool of connections to the Telegram Gateway: bytes out, answers in, nothing decided."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Mapping
from typing import Protocol

import aiohttp

from kodgate.channels.posting import KEEPALIVE_S, Answer, Broken, Poster, Unreachable
from kodgate.channels.telegram import api
from kodgate.channels.telegram.settings import TelegramSettings

POLL_CONNECTIONS_MAX = 100

_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No connection was made: refused, no name, bad certificate, proxy away, connect timeout."""


class Link:
    """Raises nothing for what a server does. Certificates are always verified (S-104)."""

    def __init__(self, settings: TelegramSettings) -> None:
        self._settings = settings
        base = settings.base_url.rstrip("/")
        self._urls = {method: f"{base}/{method}" for method in api.Method}
        self._way: _Way | None = None

    async def open(self) -> None:
        """Makes the pool; connects to nothing yet. Raises OSError for an unreadable CA file."""
        if self._way is None:
            tls = ssl.create_default_context(cafile=self._settings.ca_file or None)
            way = _Proxied if self._settings.proxy else _Direct
            self._way = way(self._settings, tls)

    async def close(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            await way.close()

    async def call(self, method: api.Method, parameters: dict[str, str | int]) -> api.Answer:
        """One request, one answer, within the timeouts. The link must be open."""
        assert self._way is not None, "the channel was not started"
        try:
            answer = await self._way.post(self._urls[method], api.build(parameters))
        except Unreachable as error:
            return api.Lost(why=str(error), never_left=True)
        except Broken as error:
            return api.Lost(why=str(error))
        except (TimeoutError, OSError) as error:
            # only the kind of error: its text may quote headers
            return api.Lost(why=type(error).__name__)
        retry_after = answer.headers.get(b"retry-after", b"").decode("latin-1")
        return api.read_answer(answer.status, answer.body, retry_after)


class _Way(Protocol):
    """How bytes get there."""

    def post(self, url: str, body: bytes) -> Awaitable[Answer]:
        """Raises Unreachable, Broken, TimeoutError, OSError."""

    async def close(self) -> None: ...


class _Direct:
    """Our own pool: both calls of every code go through it."""

    def __init__(self, settings: TelegramSettings, tls: ssl.SSLContext) -> None:
        lines = (f"{name}: {text}\r\n" for name, text in _headers(settings).items())
        self._head = "".join(lines).encode("ascii")
        self._poster = Poster(
            tls=tls,
            connections_max=settings.concurrency + POLL_CONNECTIONS_MAX,
            connect_timeout_s=settings.connect_timeout_s,
            timeout_s=settings.timeout_s,
        )

    def post(self, url: str, body: bytes) -> Awaitable[Answer]:
        return self._poster.post(url, self._head, body)

    async def close(self) -> None:
        self._poster.close()


class _Proxied:
    """Through a proxy: tunnels, their credentials and TLS within TLS are aiohttp's work."""

    def __init__(self, settings: TelegramSettings, tls: ssl.SSLContext) -> None:
        self._proxy = settings.proxy
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls,
                limit=settings.concurrency + POLL_CONNECTIONS_MAX,
                keepalive_timeout=KEEPALIVE_S,
            ),
            timeout=aiohttp.ClientTimeout(
                total=settings.timeout_s,
                connect=settings.connect_timeout_s,
                sock_connect=settings.connect_timeout_s,
            ),
            headers=_headers(settings),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(self, url: str, body: bytes) -> Answer:
        try:
            async with self._session.post(
                url, data=body, proxy=self._proxy, allow_redirects=False
            ) as response:
                headers = {b"retry-after": response.headers.get("Retry-After", "").encode()}
                return Answer(response.status, headers, await _read(response))
        except _NEVER_LEFT as error:
            raise Unreachable(type(error).__name__) from error
        except aiohttp.ClientHttpProxyError as error:
            raise Unreachable(f"the proxy answered {error.status}") from error
        except aiohttp.ClientError as error:
            raise Broken(type(error).__name__) from error

    async def close(self) -> None:
        await self._session.close()


def _headers(settings: TelegramSettings) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {settings.token}",
        "Content-Type": "application/json",
        # an answer's size is then its size on the wire: no decompression bombs
        "Accept-Encoding": "identity",
    }


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """At most one byte more than the limit, so that the reader can tell."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > api.BODY_BYTES_MAX:
            break
    return bytes(body[: api.BODY_BYTES_MAX + 1])
