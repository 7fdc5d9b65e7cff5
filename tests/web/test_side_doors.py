"""Callbacks, the inbox behind us, and the operator's own listener."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from kodgate.web.asgi import answer_text, mounted, not_found, read_body
from kodgate.web.callbacks import callbacks
from kodgate.web.inbox import Inbox
from kodgate.web.monitor import Check, HttpMeters, monitor

from .fakes import Desk
from .raw import connected, exchange, running


async def ask(server, data: bytes, *, head: bool = False):
    async with connected(server) as raw:
        await raw.send(data)
        return await raw.answer(head=head)


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: gate\r\n\r\n".encode()


# Callbacks


def _callback(path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: gate\r\nX-Request-Timestamp: 1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@asynccontextmanager
async def calling(desk: Desk):
    app = mounted({}, {b"/callbacks/": callbacks(desk)}, not_found)
    async with running(app) as server:
        yield server


async def test_a_callback_reaches_the_engine_byte_by_byte():
    desk = Desk()
    body = b'{ "status" :\xff\x00 }'
    async with calling(desk) as server:
        assert (await ask(server, _callback("/callbacks/telegram", body))).status == 200
    ((channel, seen, headers),) = desk.callbacks
    assert (channel, seen, headers["x-request-timestamp"]) == ("telegram", body, "1")


@pytest.mark.parametrize("status", [200, 403, 404, 503])
async def test_the_engine_says_how_a_callback_is_answered(status):
    desk = Desk()
    desk.callback_status = status
    async with calling(desk) as server:
        assert (await ask(server, _callback("/callbacks/telegram", b"{}"))).status == status


async def test_a_callback_that_fails_must_be_repeated():
    desk = Desk()
    desk.trouble = RuntimeError("canary")
    async with calling(desk) as server:
        answer = await ask(server, _callback("/callbacks/telegram", b"{}"))
        assert (answer.status, answer.body) == (503, b"Try later\n")


async def test_callbacks_of_unknown_channels_and_other_methods_do_nothing():
    desk = Desk()
    async with calling(desk) as server:
        assert (await ask(server, _callback("/callbacks/pigeon", b"{}"))).status == 404
        assert (await ask(server, _callback("/callbacks/telegram/x", b"{}"))).status == 404
        assert (await ask(server, get("/callbacks/telegram"))).status == 405


async def test_a_callback_is_bounded_like_every_request():
    desk = Desk()
    async with calling(desk) as server:
        answer = await ask(server, _callback("/callbacks/telegram", b"x" * 65_537))
        assert answer.status == 413
    assert desk.callbacks == []


# The inbox


async def _sandbox(scope, receive, send) -> None:
    """Stands in for the sandbox: pages, a form, and a stream that never ends by itself."""
    path = scope["raw_path"]
    if path == b"/inbox/events":
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(10_000):
            piece = b"id: %d\ndata: code\n\n" % number
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.02)
    body = await read_body(receive)
    headers = dict(scope["headers"])
    said = [scope["method"], path.decode(), scope["query_string"].decode(), (body or b"").decode()]
    said.append(headers.get(b"hx-request", b"").decode())
    said.append(headers.get(b"authorization", b"").decode())
    await answer_text(send, 201, "|".join(said), [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])


@asynccontextmanager
async def inboxes():
    async with running(_sandbox) as sandbox:
        inbox = Inbox(f"http://127.0.0.1:{sandbox.ports[0]}", names=("gate",))
        async with running(mounted({}, {b"/inbox/": inbox}, not_found)) as gate:
            yield gate, sandbox
        await inbox.close()


async def test_the_inbox_page_and_its_forms_are_handed_through():
    async with inboxes() as (gate, _):
        answer = await exchange(
            gate,
            get("/inbox?x=%7E").replace(b"\r\n\r\n", b"\r\n\r\n", 1)[:-2]
            + b"HX-Request: true\r\nAuthorization: secret\r\nConnection: close\r\n\r\n",
        )
        assert b"201" in answer.split(b"\r\n")[0]
        assert b"GET|/inbox|x=%7E||true|" in answer
        assert b"secret" not in answer
        assert b"set-cookie: a=1" in answer and b"set-cookie: b=2" in answer
        answer = await exchange(
            gate,
            _callback("/inbox/read", b"phone=7").replace(
                b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1
            ),
        )
        assert b"POST|/inbox/read||phone=7|" in answer


async def test_a_stream_arrives_piece_by_piece_and_ends_with_the_browser():
    async with inboxes() as (gate, sandbox):
        async with connected(gate) as raw:
            await raw.send(get("/inbox/events"))
            head = await raw.reader.readuntil(b"\r\n\r\n")
            assert b"text/event-stream" in head
            async with asyncio.timeout(5):
                await raw.reader.readuntil(b"id: 3\n")
        async with asyncio.timeout(5):
            while sandbox.state.connections or gate.state.tasks:
                await asyncio.sleep(0.02)


async def test_the_stop_does_not_wait_for_an_open_stream():
    async with inboxes() as (gate, _), connected(gate) as raw:
        await raw.send(get("/inbox/events"))
        await raw.reader.readuntil(b"id: 1\n")
        began = time.monotonic()
        await gate.stop()
        assert time.monotonic() - began < 2


async def test_an_absent_sandbox_is_said_so():
    inbox = Inbox("http://127.0.0.1:1", names=("gate",))
    async with running(mounted({}, {b"/inbox/": inbox}, not_found)) as gate:
        answer = await ask(gate, get("/inbox"))
        assert answer.status == 502 and b"sandbox" in answer.body
    await inbox.close()


# The monitor


@asynccontextmanager
async def monitored(*checks: Check):
    registry = CollectorRegistry()
    meters = HttpMeters(registry, version="1.2.3")

    async def look():
        return checks

    async with running(monitor(look, registry)) as server:
        server.meters = meters
        yield server


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
async def test_it_is_alive_also_when_nothing_is_ready(path):
    async with monitored(Check(name="database", ok=False)) as server:
        assert (await ask(server, get(path))).status == 200
        assert (await ask(server, get(path, "HEAD"), head=True)).status == 200
        assert (await ask(server, get(path, "POST"))).status == 405


async def test_ready_says_what_is_missing():
    good = Check(name="database", ok=True, detail="12 ms")
    bad = Check(name="channel", ok=False, detail="telegram: no balance")
    async with monitored(good) as server:
        answer = await ask(server, get("/readyz"))
        assert (answer.status, answer.body) == (200, b"OK database 12 ms\n")
    async with monitored(good, bad) as server:
        answer = await ask(server, get("/readyz"))
        assert answer.status == 503
        assert answer.body == b"OK database 12 ms\nFAIL channel telegram: no balance\n"


async def test_a_check_that_fails_or_hangs_is_not_ready():
    async def broken():
        raise RuntimeError("canary")

    async with running(monitor(broken, CollectorRegistry())) as server:
        answer = await ask(server, get("/readyz"))
        assert answer.status == 503 and b"canary" not in answer.body


async def test_metrics_count_requests_without_naming_anybody():
    async with monitored() as server:
        server.meters.on_request(endpoint="http_in5.asp", error=0, seconds=0.004)
        server.meters.on_request(endpoint="http_in5.asp", error=3, seconds=0.004)
        answer = await ask(server, get("/metrics"))
    text = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'kodgate_http_requests_total{endpoint="http_in5.asp",error="3"} 1.0' in text
    assert 'kodgate_http_request_seconds_count{endpoint="http_in5.asp"} 2.0' in text
    assert 'kodgate_build_info{version="1.2.3"} 1.0' in text


async def test_nothing_else_is_there():
    async with monitored() as server:
        for path in ("/", "/metrics/", "/http_in5.asp", "/METRICS"):
            assert (await ask(server, get(path))).status == 404


async def test_a_foreign_name_that_was_rebound_to_us_sees_no_codes():
    async with inboxes() as (gate, _):
        answer = await ask(gate, b"GET /inbox HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert answer.status == 403
        answer = await exchange(
            gate, b"GET /inbox HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n"
        )
        assert b"GET|/inbox|" in answer
