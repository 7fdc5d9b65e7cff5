"""One pooled HTTPS session to the Telegram Gateway: bytes out, answers in, nothing decided."""

from __future__ import annotations

import ssl

import aiohttp

from kodgate.channels.telegram import api
from kodgate.channels.telegram.settings import TelegramSettings

KEEPALIVE_S = 15.0
"""Shorter than servers keep idle connections: a request on a dead one is an uncertain one."""
POLL_CONNECTIONS_MAX = 100

_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No connection was made: refused, no name, bad certificate, proxy away, connect timeout."""


class Link:
    """Raises nothing for what a server does. Certificates are always verified (S-104)."""

    def __init__(self, settings: TelegramSettings) -> None:
        self._settings = settings
        self._base = settings.base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Makes the session; connects to nothing yet. Raises OSError for an unreadable CA file."""
        if self._session is not None:
            return
        settings = self._settings
        trusted = ssl.create_default_context(cafile=settings.ca_file or None)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=trusted,
                limit=settings.concurrency + POLL_CONNECTIONS_MAX,
                keepalive_timeout=KEEPALIVE_S,
            ),
            timeout=aiohttp.ClientTimeout(
                total=settings.timeout_s,
                connect=settings.connect_timeout_s,
                sock_connect=settings.connect_timeout_s,
            ),
            headers={
                "Authorization": f"Bearer {settings.token}",
                "Content-Type": "application/json",
                # an answer's size is then its size on the wire: no decompression bombs
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: api.Method, parameters: dict[str, str | int]) -> api.Answer:
        """One request, one answer, within the timeouts. The link must be open."""
        assert self._session is not None, "the channel was not started"
        try:
            async with self._session.post(
                f"{self._base}/{method}",
                data=api.build(parameters),
                proxy=self._settings.proxy or None,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                retry_after = response.headers.get("Retry-After", "")
                return api.read_answer(response.status, body, retry_after)
        except _NEVER_LEFT as error:
            return api.Lost(why=_name(error), never_left=True)
        except aiohttp.ClientHttpProxyError as error:
            return api.Lost(why=f"the proxy answered {error.status}", never_left=True)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # only the kind of error: its text may quote headers
            return api.Lost(why=_name(error))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """At most one byte more than the limit, so that the reader can tell."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > api.BODY_BYTES_MAX:
            break
    return bytes(body[: api.BODY_BYTES_MAX + 1])


def _name(error: BaseException) -> str:
    return type(error).__name__
