"""Calls in the form that load brings, and connections that are handed over to aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .conftest import Gateway

TOKEN = "sandbox"

PHONE = b'{"phone_number":"+79120000001"}'


def call(body: bytes = PHONE, *, method: str = "checkSendAbility", more: str = "") -> bytes:
    head = (
        f"POST /{method} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[bytes, dict[str, object]]:
        """The head and the JSON of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head, json.loads(await self.reader.readexactly(size))


@asynccontextmanager
async def wire(gateway: Gateway) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports.telegram)
    try:
        async with asyncio.timeout(10):
            yield Wire(reader, writer)
    finally:
        writer.close()


def is_short(head: bytes) -> bool:
    return b"Server: sandbox\r\n" in head


async def test_calls_after_each_other_and_ahead_are_answered_in_order(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        talk.writer.write(call() + call() + call(method="nothing", body=b"{}"))
        first, second, third = [await talk.answer() for _ in range(3)]
        assert first[1]["ok"] and second[1]["ok"]
        assert third[1] == {"ok": False, "error": "UNKNOWN_METHOD"}
        assert [is_short(head) for head, _ in (first, second, third)] == [True, True, False]


async def test_a_call_that_comes_in_pieces_is_put_together(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        for byte in call():
            talk.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        head, told = await talk.answer()
        assert is_short(head) and told["ok"]


@pytest.mark.parametrize(
    "odd",
    [
        call(more="X-Odd: 1\r\n"),
        call(more="Accept: a\r\nAccept: b\r\n"),
        call().replace(b"application/json", b"application/json; charset=utf-8"),
        call()
        .replace(b"Content-Length: 31", b"Transfer-Encoding: chunked")
        .replace(PHONE, b"1f\r\n" + PHONE + b"\r\n0\r\n\r\n"),
        b"GET /checkSendAbility?phone_number=79120000001&access_token=%b HTTP/1.1\r\n"
        b"Host: x\r\n\r\n" % TOKEN.encode(),
    ],
    ids=["header", "twice", "charset", "chunked", "get"],
)
async def test_other_forms_mean_the_same(gateway: Gateway, odd: bytes) -> None:
    async with wire(gateway) as talk:
        talk.writer.write(call())
        plain = (await talk.answer())[1]["result"]
        talk.writer.write(odd)
        told = (await talk.answer())[1]["result"]
        assert isinstance(plain, dict) and isinstance(told, dict)
        assert told.keys() == plain.keys() and told["phone_number"] == plain["phone_number"]


async def test_a_body_that_is_no_json_is_a_bad_request(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        for body in (b"{", b"[]", b'{"phone_number":"\\ud800"}'):
            talk.writer.write(call(body))
            head, told = await talk.answer()
            assert is_short(head) and told == {"ok": False, "error": "BAD_REQUEST"}


async def test_a_wrong_token_is_refused(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        talk.writer.write(call().replace(TOKEN.encode(), b"wrong"))
        head, told = await talk.answer()
        assert is_short(head) and told == {"ok": False, "error": "ACCESS_TOKEN_INVALID"}


async def test_a_lost_answer_ends_the_connection(gateway: Gateway) -> None:
    await gateway.control("faults", kind="lost_after", method="checksendability")
    async with wire(gateway) as talk:
        talk.writer.write(call())
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await talk.answer()


async def test_a_body_above_the_limit_is_refused(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        talk.writer.write(call(b" " * 70_000))
        assert (await talk.reader.readline()).startswith(b"HTTP/1.1 413")


async def test_a_page_and_a_call_share_a_connection(gateway: Gateway) -> None:
    async with wire(gateway) as talk:
        talk.writer.write(call())
        assert (await talk.answer())[1]["ok"]
        talk.writer.write(b"GET /control/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        head, told = await talk.answer()
        assert not is_short(head) and "credit" in told
        talk.writer.write(call())
        assert (await talk.answer())[1]["ok"]
