"""POST over kept connections, against servers that answer as they like."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kodgate.channels import posting
from kodgate.channels.posting import Broken, Poster, Unreachable

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """Answers each request with the next of `answers`; an empty one closes the connection."""

    answers: list[bytes]
    closes: bool = False
    """After each answer."""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                self.requests.append(head + await reader.readexactly(size))
                answer = self.answers.pop(0)
                writer.write(answer)
                if self.closes or not answer:
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()


Talk = tuple[Poster, Server]


@asynccontextmanager
async def talk(*answers: bytes, closes: bool = False, **limits: Any) -> AsyncIterator[Talk]:
    server = Server(list(answers), closes=closes)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    poster = make(**limits)
    try:
        yield poster, server
    finally:
        poster.close()
        listener.close()


def make(**limits: Any) -> Poster:
    usual = {"connections_max": 4, "connect_timeout_s": 2.0, "timeout_s": 2.0}
    return Poster(tls=ssl.create_default_context(), **(usual | limits))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_request_is_what_was_given_with_its_host_and_length() -> None:
    async with talk(WHOLE) as (poster, server):
        await poster.post(f"{server.url}/a/b?c=d", b"X-One: 1\r\n", b"body")
        host = server.url.removeprefix("http://").encode()
        head = b"POST /a/b?c=d HTTP/1.1\r\nHost: %b\r\nX-One: 1\r\nContent-Length: 4\r\n\r\n"
        assert server.requests == [head % host + b"body"]


async def test_an_answer_has_its_status_headers_and_body() -> None:
    async with talk(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno") as (
        poster,
        server,
    ):
        answer = await poster.post(server.url, b"", b"")
        assert (answer.status, answer.headers[b"retry-after"], answer.body) == (429, b"7", b"no")


async def test_requests_after_each_other_share_a_connection() -> None:
    async with talk(WHOLE, WHOLE, WHOLE) as (poster, server):
        for _ in range(3):
            assert (await poster.post(server.url, b"", b"x")).body == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n" + WHOLE,
    ],
    ids=["chunked", "continue", "early hints"],
)
async def test_an_answer_in_another_form_is_read_and_its_connection_kept(whole: bytes) -> None:
    async with talk(whole, WHOLE) as (poster, server):
        assert (await poster.post(server.url, b"", b"")).body == b"ok"
        assert (await poster.post(server.url, b"", b"")).body == b"ok"
        assert server.connections == 1


async def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    closing = WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with talk(closing, WHOLE) as (poster, server):
        await poster.post(server.url, b"", b"")
        await poster.post(server.url, b"", b"")
        assert server.connections == 2


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with talk(b"HTTP/1.0 200 OK\r\n\r\nok", WHOLE, closes=True) as (poster, server):
        assert (await poster.post(server.url, b"", b"")).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"no HTTP at all",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    ],
    ids=["nothing", "head", "length", "chunk", "continue", "garbage", "upgrade", "body", "header"],
)
async def test_an_answer_that_is_not_whole_is_broken(answer: bytes) -> None:
    async with talk(answer, closes=True) as (poster, server):
        with pytest.raises(Broken):
            await poster.post(server.url, b"", b"x")
        assert len(server.requests) == 1


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async with talk(WHOLE, WHOLE, closes=True) as (poster, server):
        await poster.post(server.url, b"", b"")
        await until(lambda: not poster._open)
        assert (await poster.post(server.url, b"", b"")).body == b"ok"


async def test_a_connection_that_was_idle_for_long_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(posting, "KEEPALIVE_S", -1.0)
    async with talk(WHOLE, WHOLE) as (poster, server):
        await poster.post(server.url, b"", b"")
        await poster.post(server.url, b"", b"")
        assert server.connections == 2


async def test_a_second_answer_to_one_request_ends_the_connection() -> None:
    other = WHOLE.replace(b"ok", b"no")
    async with talk(WHOLE + other, WHOLE) as (poster, server):
        assert (await poster.post(server.url, b"", b"")).body == b"ok"
        await until(lambda: not poster._open)
        assert (await poster.post(server.url, b"", b"")).body == b"ok"
        assert server.connections == 2


async def test_a_request_that_is_given_up_takes_its_connection_along() -> None:
    async with talk(b"HTTP/1.1 200 OK\r\n", WHOLE, timeout_s=0.1) as (poster, server):
        with pytest.raises(TimeoutError):
            await poster.post(server.url, b"", b"")
        assert (await poster.post(server.url, b"", b"")).body == b"ok"
        assert server.connections == 2


async def test_what_finds_no_connection_in_time_has_not_left() -> None:
    head = b"HTTP/1.1 200 OK\r\n"
    async with talk(head, connections_max=1, connect_timeout_s=0.1) as (poster, server):
        first = asyncio.create_task(poster.post(server.url, b"", b"1"))
        await until(lambda: bool(server.requests))
        with pytest.raises(Unreachable):
            await poster.post(server.url, b"", b"2")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert len(server.requests) == 1


async def test_where_nobody_listens_nothing_has_left() -> None:
    poster = make(connections_max=1)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await poster.post("http://127.0.0.1:9/", b"", b"")


async def test_a_server_without_tls_is_unreachable_over_https() -> None:
    async with talk(WHOLE, connect_timeout_s=0.2, timeout_s=0.2) as (poster, server):
        with pytest.raises(Unreachable):
            await poster.post(server.url.replace("http:", "https:"), b"", b"secret")
        assert server.requests == []


@pytest.mark.parametrize(
    "url", ["", "http://", "http://host/a b", "http://host/\r\nX: y", "http://h:x/"]
)
async def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        await make().post(url, b"", b"")
