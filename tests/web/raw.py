"""Talks to the server byte by byte, as no client library would."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kodgate.web.addresses import Networks
from kodgate.web.asgi import App
from kodgate.web.requirements import Limits
from kodgate.web.server import HttpServer, bind

PATIENCE_S = 5.0

FAST = Limits(head_s=0.3, request_s=0.6, idle_s=0.5, write_s=0.5, linger_s=0.3)
"""Short enough for tests, long enough for a busy machine to send a whole request."""


@dataclass(frozen=True)
class Answer:
    status: int
    version: str
    headers: dict[str, str]
    body: bytes


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        """The next answer. Fails if none comes in time."""
        async with asyncio.timeout(PATIENCE_S):
            block = await self.reader.readuntil(b"\r\n\r\n")
            status_line, *lines = block.decode("latin-1").rstrip("\r\n").split("\r\n")
            version, status, _ = status_line.split(" ", 2)
            headers = {}
            for line in lines:
                name, value = line.split(": ", 1)
                assert name not in headers, f"{name} twice"
                headers[name] = value
            size = 0 if head else int(headers["content-length"])
            return Answer(int(status), version, headers, await self.reader.readexactly(size))

    async def rest(self) -> bytes:
        """Everything until the server closes. Fails if it does not."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def is_closed(self) -> bool:
        return await self.rest() == b""


@asynccontextmanager
async def running(app: App, limits: Limits | None = None, **options: object):
    """A server on a free port; stopped at the end."""
    server = HttpServer(app, [bind("127.0.0.1", 0)], limits=limits, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace_s=1.0)


@asynccontextmanager
async def connected(server: HttpServer):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


async def exchange(server: HttpServer, data: bytes) -> bytes:
    """Sends, and reads until the server closes."""
    async with connected(server) as raw:
        try:
            await raw.send(data)
        except ConnectionError:
            pass
        return await raw.rest()


class Echo:
    """An app that says what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, bytes, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.seen.append((scope["method"], scope["raw_path"], scope["query_string"], body))
        text = b"%s %s" % (scope["raw_path"], body)
        headers = [(b"content-length", b"%d" % len(text)), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


__all__ = ["FAST", "Answer", "Echo", "Networks", "Raw", "connected", "exchange", "running"]
