"""A closed-loop HTTP load generator: N callers on keep-alive connections, raw sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ANSWER_MAX = 65_536


@dataclass(slots=True)
class Result:
    """What the callers saw. Seconds."""

    callers: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def run(
    port: int,
    request: Callable[[int], bytes],
    is_good: Callable[[bytes], bool],
    *,
    callers: int,
    seconds: float,
) -> Result:
    """Each caller sends, waits for the answer, sends again. `request(n)` is the n-th message."""
    result = Result(callers)
    counter = iter(range(10**12))
    ends_at = time.perf_counter() + seconds

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ANSWER_MAX)
        while True:
            began = time.perf_counter()
            if began >= ends_at:
                break
            writer.write(request(next(counter)))
            body = await _answer(reader)
            result.latencies.append(time.perf_counter() - began)
            if not is_good(body):
                result.refused += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    result.seconds = time.perf_counter() - began
    return result


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    length = int(head[at : head.index(b"\r\n", at)])
    return await reader.readexactly(length)


def post(path: str, body: bytes) -> bytes:
    """One HTTP/1.1 form request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
