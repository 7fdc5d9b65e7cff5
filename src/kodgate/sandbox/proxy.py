"""The CONNECT-proxy listener: clients with a fixed host reach the sandbox through it."""

from __future__ import annotations

import asyncio
import contextlib
import re

HOST = "gatewayapi.telegram.org"
HEAD_MAX = 16 * 1024
HEAD_S = 10.0
"""How long a client may take to ask."""
BLOCK = 64 * 1024

_CONNECT = re.compile(rb"CONNECT ([^ ]{1,255}) HTTP/1\.[01]\r\n")


class ConnectProxy:
    """Tunnels `CONNECT gatewayapi.telegram.org:443` to the sandbox's own TLS listener.

    Any other host gets 403: nothing that a test talks to may leave the machine by accident.
    """

    def __init__(self, tls_port: int) -> None:
        self._tls_port = tls_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_MAX)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            try:
                async with asyncio.timeout(HEAD_S):
                    head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                return
            found = _CONNECT.match(head)
            if found is None:
                await _say(writer, "405 Method Not Allowed", "This listener knows CONNECT only.")
            elif found[1].decode("latin-1").lower() != f"{HOST}:443":
                await _say(writer, "403 Forbidden", f"Only {HOST}:443 is served here.")
            else:
                await self._tunnel(reader, writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._tls_port)
        with contextlib.closing(far_writer):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            both = [
                asyncio.create_task(_copy(reader, far_writer)),
                asyncio.create_task(_copy(far_reader, writer)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)


async def _say(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(BLOCK):
        writer.write(block)
        await writer.drain()
