"""The few words of ASGI that our apps speak, and answers ready to be sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

DROP = "kodgate.drop"
"""Scope extension: a function that closes the connection without an answer (D6)."""

PLAIN = b"text/plain; charset=utf-8"
NO_STORE: Header = (b"cache-control", b"no-store")
NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")


def drop(scope: Scope) -> None:
    """Closes the connection without an answer."""
    scope["extensions"][DROP]["close"]()


async def read_body(receive: Receive) -> bytes | None:
    """The whole body (the connection bounds it); None: the caller went away before its end."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    if not message["more_body"]:
        return bytes(message["body"])
    parts = [message["body"]]
    while message["more_body"]:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
    return b"".join(parts)


async def answer(
    send: Send, status: int, content_type: bytes, body: bytes, more: Iterable[Header] = ()
) -> None:
    """One whole answer."""
    for message in whole(status, content_type, body, more):
        await send(message)


def whole(
    status: int, content_type: bytes, body: bytes, more: Iterable[Header] = ()
) -> tuple[MutableMapping[str, Any], MutableMapping[str, Any]]:
    """What is sent for a whole answer. Always with its length: HTTP/1.0 readers know no chunks."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        NO_STORE,
        NO_SNIFF,
        *more,
    ]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


async def answer_text(send: Send, status: int, text: str, more: Iterable[Header] = ()) -> None:
    """A short word for people; nothing of the request is repeated in it."""
    await answer(send, status, PLAIN, text.encode("utf-8"), more)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that has nothing."""
    await answer_text(send, 404, "Not found\n")


def by_name(name: str, named: App, otherwise: App) -> App:
    """Requests for this host name, whatever their port, go to one app; all others, and those that
    name no host, to the other."""
    wanted = hostname(name.encode("ascii"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for key, value in scope["headers"] if key == b"host"), b"")
        chosen = named if hostname(host) == wanted else otherwise
        await chosen(scope, receive, send)

    return app


def hostname(host: bytes) -> bytes:
    """Without port and closing dot, in lower case."""
    before, _, port = host.rpartition(b":")
    name = before if before and port.isdigit() else host
    return name.lower().removesuffix(b".")


def moved(path: bytes) -> App:
    """An app that sends browsers to another path of this host."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 308, PLAIN, b"", [(b"location", path)])

    return app


def mounted(exact: Mapping[bytes, App], prefixes: Mapping[bytes, App], otherwise: App) -> App:
    """Paths as they come, undecoded: what is spelled otherwise is not there (S-61).

    A prefix ends with `/` and takes the path without it too.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        chosen = exact.get(path)
        if chosen is None:
            found = (prefixes[p] for p in prefixes if path.startswith(p) or path == p[:-1])
            chosen = next(found, otherwise)
        await chosen(scope, receive, send)

    return app
