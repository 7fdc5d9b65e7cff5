"""One request through httpx2: an answer, or why there is none. Nothing is raised for the network.

httpx2 is imported with the first request: a command line that sends nothing need not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from kodgate.client.asking import Question
from kodgate.client.flow import Lost, Reply
from kodgate.wire.readers import ANSWER_MAX

if TYPE_CHECKING:
    import httpx2

KEEPALIVE_S = 3.0
"""Shorter than servers keep idle connections: a request on a dead one has an open outcome."""

NEVER_LEFT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError")
"""httpx2's errors of connections that were not made; all others leave the outcome open."""


def client(timeout_s: float) -> httpx2.Client:
    """Certificates are verified, redirects are not followed: a form with a secret stays here."""
    import httpx2

    return httpx2.Client(timeout=timeout_s, limits=_limits())


def async_client(timeout_s: float) -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(timeout=timeout_s, limits=_limits())


def _limits() -> httpx2.Limits:
    import httpx2

    return httpx2.Limits(keepalive_expiry=KEEPALIVE_S)


def exchange(http: httpx2.Client, question: Question[Any], timeout_s: float) -> Reply | Lost:
    """One POST and its whole answer, within `timeout_s`."""
    import httpx2

    ends_at = time.monotonic() + timeout_s
    try:
        with http.stream("POST", **_request(question, timeout_s)) as response:
            body = _gather(response.iter_bytes(), ends_at)
            return Reply(status=response.status_code, body=body)
    except httpx2.HTTPError as error:
        return _lost(error)


async def async_exchange(
    http: httpx2.AsyncClient, question: Question[Any], timeout_s: float
) -> Reply | Lost:
    """The same, awaitable."""
    import httpx2

    ends_at = time.monotonic() + timeout_s
    try:
        async with http.stream("POST", **_request(question, timeout_s)) as response:
            body = await _async_gather(response.aiter_bytes(), ends_at)
            return Reply(status=response.status_code, body=body)
    except httpx2.HTTPError as error:
        return _lost(error)


def _request(question: Question[Any], timeout_s: float) -> dict[str, Any]:
    return {
        "url": question.url,
        "content": question.body,
        "headers": {"Content-Type": question.content_type, "Accept-Encoding": "identity"},
        "timeout": timeout_s,
        "follow_redirects": False,
    }


def _gather(chunks: Iterator[bytes], ends_at: float) -> bytes:
    """At most a little more than the limit, so that the reader can tell. Raises ReadTimeout."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if _is_over(body, ends_at):
            break
    return bytes(body)


async def _async_gather(chunks: AsyncIterator[bytes], ends_at: float) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if _is_over(body, ends_at):
            break
    return bytes(body)


def _is_over(body: bytearray, ends_at: float) -> bool:
    """httpx2 times each read; a server that drips must not hold us longer than was asked."""
    import httpx2

    if time.monotonic() > ends_at:
        raise httpx2.ReadTimeout("the answer took too long")
    return len(body) > ANSWER_MAX


def _lost(error: httpx2.HTTPError) -> Lost:
    """Only the kind of error: its text may quote what was sent."""
    import httpx2

    return Lost(
        why=type(error).__name__,
        never_left=type(error).__name__ in NEVER_LEFT,
        timed_out=isinstance(error, httpx2.TimeoutException),
    )
