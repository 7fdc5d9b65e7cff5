"""The matrix of request forms and attacks, byte by byte against the real server (S-41..S-57)."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kodgate.web.requirements import Limits

from .raw import FAST, Echo, Networks, connected, exchange, running

GOOD = b"GET /ok HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n"


def _post(*headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    lines = [b"POST /a HTTP/" + version, b"Host: gate", *headers, b"", body]
    return b"\r\n".join(lines)


SECOND = b"GET /smuggled HTTP/1.1\r\nHost: gate\r\n\r\n"

REFUSED = {
    "CL and TE": _post(
        b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SECOND
    ),
    "two different CL": _post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab" + SECOND),
    "two equal CL": _post(b"Content-Length: 1", b"Content-Length: 1", body=b"a" + SECOND),
    "CL with plus": _post(b"Content-Length: +5", body=b"hello" + SECOND),
    "CL list": _post(b"Content-Length: 5, 6", body=b"hello" + SECOND),
    "CL underscore": _post(b"Content-Length: 1_0", body=b"helloworld" + SECOND),
    "CL arabic digit": _post("Content-Length: ٥".encode(), body=b"hello" + SECOND),
    "CL negative": _post(b"Content-Length: -5", body=b"hello" + SECOND),
    "CL huge": _post(b"Content-Length: 1000000000000", body=b"hello" + SECOND),
    "CL of 5000 digits": _post(b"Content-Length: " + b"9" * 5000, body=b"hello" + SECOND),
    "TE xchunked": _post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SECOND),
    "TE with space before colon": _post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SECOND),
    "TE identity, chunked": _post(
        b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n" + SECOND
    ),
    "TE twice": _post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SECOND
    ),
    "TE in HTTP/1.0": _post(
        b"Transfer-Encoding: chunked", version=b"1.0", body=b"0\r\n\r\n" + SECOND
    ),
    "bad chunk size": _post(b"Transfer-Encoding: chunked", body=b"zz\r\nab\r\n0\r\n\r\n" + SECOND),
    "bad chunk end": _post(b"Transfer-Encoding: chunked", body=b"2\r\nabXX0\r\n\r\n" + SECOND),
    "chunk extension without end": _post(
        b"Transfer-Encoding: chunked", body=b"2;" + b"x" * 200_000
    ),
    "bare LF": b"GET /a HTTP/1.1\nHost: gate\n\n",
    "bare CR in a value": b"GET /a HTTP/1.1\r\nHost: gate\r\nA: b\rc\r\n\r\n",
    "NUL in a value": b"GET /a HTTP/1.1\r\nHost: gate\r\nA: b\x00c\r\n\r\n",
    "folded header": b"GET /a HTTP/1.1\r\nHost: gate\r\nA: b\r\n c\r\n\r\n",
    "no Host": b"GET /a HTTP/1.1\r\nA: b\r\n\r\n",
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "empty Host": b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
    "Host with a path": b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with markup": b"GET /a HTTP/1.1\r\nHost: <script>\r\n\r\n",
    "TRACE": b"TRACE /a HTTP/1.1\r\nHost: gate\r\n\r\n",
    "CONNECT": b"CONNECT gate:80 HTTP/1.1\r\nHost: gate\r\n\r\n",
    "OPTIONS": b"OPTIONS * HTTP/1.1\r\nHost: gate\r\n\r\n",
    "DELETE": b"DELETE /a HTTP/1.1\r\nHost: gate\r\n\r\n",
    "lower case method": b"get /a HTTP/1.1\r\nHost: gate\r\n\r\n",
    "method with a bracket": b"GE(T /a HTTP/1.1\r\nHost: gate\r\n\r\n",
    "HTTP/0.9": b"GET /a HTTP/0.9\r\nHost: gate\r\n\r\n",
    "HTTP/2.0": b"GET /a HTTP/2.0\r\nHost: gate\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "asterisk": b"GET * HTTP/1.1\r\nHost: gate\r\n\r\n",
    "request line of 8 KiB and a byte": b"GET /"
    + b"a" * (8192 - len(b"GET / HTTP/1.1") + 1)
    + b" HTTP/1.1\r\nHost: gate\r\n\r\n",
    "request line of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: gate\r\n\r\n",
    "65 headers": b"GET /a HTTP/1.1\r\nHost: gate\r\n" + b"A: b\r\n" * 64 + b"\r\n",
    "10,000 headers": b"GET /a HTTP/1.1\r\nHost: gate\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "header of 17 KiB": b"GET /a HTTP/1.1\r\nHost: gate\r\nA: " + b"b" * 17_408 + b"\r\n\r\n",
    "header of 1 MB": b"GET /a HTTP/1.1\r\nHost: gate\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "body of 64 KiB and a byte": _post(b"Content-Length: 65537", body=b"x" * 65_537),
    "body of 20 MB": _post(b"Content-Length: 20000000", body=b"x" * 20_000_000),
    "chunked body of 64 KiB and a byte": _post(
        b"Transfer-Encoding: chunked", body=b"10001\r\n" + b"x" * 65_537 + b"\r\n0\r\n\r\n"
    ),
    "other expectation": _post(b"Expect: 200-ok", b"Content-Length: 1", body=b"x"),
    "raw UTF-8 in the query": "GET /a?b=код HTTP/1.1\r\nHost: gate\r\n\r\n".encode(),
    "raw cp1251 in the query": "GET /a?b=код HTTP/1.1\r\nHost: gate\r\n\r\n".encode("cp1251"),
    "garbage": b"\x00\xff\xfe\r\n\r\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_honest_request_gets_one_4xx_and_a_closed_connection(data):
    echo = Echo()
    async with running(echo) as server:
        began = time.monotonic()
        answers = await exchange(server, data)
        assert time.monotonic() - began < 1.5
        if "20000000" not in data[:200].decode("latin-1"):
            assert answers.startswith(b"HTTP/1.1 ") and answers[9:10] in (b"4", b"5"), answers
            assert b"connection: close" in answers
        assert answers.count(b"HTTP/1.1 ") <= 1
        assert echo.seen == []
        assert (await exchange(server, GOOD)).startswith(b"HTTP/1.1 200 OK\r\n")


STATUSES = {
    "TRACE": 405,
    "HTTP/2.0": 505,
    "no Host": 400,
    "request line of 8 KiB and a byte": 414,
    "65 headers": 431,
    "CL huge": 413,
    "other expectation": 417,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
async def test_the_refusal_says_what_was_wrong(name, status):
    async with running(Echo()) as server:
        assert (await exchange(server, REFUSED[name])).startswith(b"HTTP/1.1 %d " % status)


ACCEPTED = {
    "origin form": (b"GET /a?b=1 HTTP/1.1\r\nHost: gate\r\n\r\n", b"/a", b"b=1"),
    "HTTP/1.0 without Host": (b"GET /a HTTP/1.0\r\n\r\n", b"/a", b""),
    "absolute form": (b"GET http://gate/a?b HTTP/1.1\r\nHost: gate\r\n\r\n", b"/a", b"b"),
    "absolute form without Host": (b"GET http://gate:80/a HTTP/1.1\r\n\r\n", b"/a", b""),
    "absolute form with another Host": (
        b"GET http://gate/a HTTP/1.1\r\nHost: other\r\n\r\n",
        b"/a",
        b"",
    ),
    "absolute form in HTTP/1.0": (b"GET http://gate/a HTTP/1.0\r\n\r\n", b"/a", b""),
    "CRLF before the request": (b"\r\n\r\nGET /a HTTP/1.1\r\nHost: gate\r\n\r\n", b"/a", b""),
    "raw braces and quotes": (
        b'GET /a?json={"q":"1"} HTTP/1.1\r\nHost: gate\r\n\r\n',
        b"/a",
        b'json={"q":"1"}',
    ),
    "percent escapes that are none": (
        b"GET /a?b=%zz%u043A HTTP/1.1\r\nHost: gate\r\n\r\n",
        b"/a",
        b"b=%zz%u043A",
    ),
    "Host with port": (b"GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", b"/a", b""),
    "request line of 8 KiB": (
        b"GET /" + b"a" * (8192 - len(b"GET / HTTP/1.1")) + b" HTTP/1.1\r\nHost: gate\r\n\r\n",
        b"/" + b"a" * (8192 - len(b"GET / HTTP/1.1")),
        b"",
    ),
    "upgrade to HTTP/2 is ignored": (
        b"GET /a HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"/a",
        b"",
    ),
    "expectation without a body": (
        b"GET /a HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\n\r\n",
        b"/a",
        b"",
    ),
    "64 headers": (
        b"GET /a HTTP/1.1\r\nHost: gate\r\n" + b"A: b\r\n" * 63 + b"\r\n",
        b"/a",
        b"",
    ),
}


@pytest.mark.parametrize(("data", "path", "query"), ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_request_forms_of_old_clients_are_served(data, path, query):
    echo = Echo()
    async with running(echo) as server, connected(server) as raw:
        await raw.send(data)
        answer = await raw.answer()
    assert answer.status == 200
    assert [(seen[1], seen[2]) for seen in echo.seen] == [(path, query)]


BODIES = {
    "by length": _post(b"Content-Length: 5", body=b"hello"),
    "by length with CRLF after it": _post(b"Content-Length: 5", body=b"hello\r\n\r\n"),
    "in chunks": _post(b"Transfer-Encoding: chunked", body=b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    "in chunks with trailers": _post(
        b"Transfer-Encoding: chunked",
        body=b"5\r\nhello\r\n0\r\nAuthorization: Basic x\r\nHost: b\r\n\r\n",
    ),
    "HTTP/1.0 with CRLF after it": _post(
        b"Content-Length: 5", body=b"hello\r\n\r\n", version=b"1.0"
    ),
}


WHOLE = {
    "get": SECOND,
    "length": BODIES["by length"],
    "length and CRLF": BODIES["by length with CRLF after it"],
    "chunks": BODIES["in chunks"],
    "trailers": BODIES["in chunks with trailers"],
}


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES.keys())
async def test_bodies_are_read_whole(data):
    echo = Echo()
    async with running(echo) as server, connected(server) as raw:
        await raw.send(data)
        answer = await raw.answer()
    assert answer.body == b"/a hello"
    assert echo.seen[0][3] == b"hello"


async def test_a_body_of_exactly_64_kib_in_small_pieces_is_read():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(_post(b"Content-Length: 65536", body=b""))
        for _ in range(16):
            await raw.send(b"x" * 4096)
        assert (await raw.answer()).body == b"/a " + b"x" * 65_536


async def test_crlf_after_the_body_leaves_the_connection_usable():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(_post(b"Content-Length: 2", body=b"ab\r\n\r\n"))
        assert (await raw.answer()).status == 200
        await raw.send(b"\r\n" + SECOND)
        assert (await raw.answer()).body == b"/smuggled "


async def test_crlf_that_comes_late_does_not_cost_the_answer():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(_post(b"Content-Length: 2", b"Connection: close", body=b"ab"))
        await asyncio.sleep(0.1)
        await raw.send(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        assert (await raw.rest()).endswith(b"/a ab")


async def test_a_client_that_asks_for_100_continue_gets_it():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(_post(b"Content-Length: 2", b"Expect: 100-continue"))
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await raw.send(b"ab")
        assert (await raw.answer()).body == b"/a ab"


async def test_http_1_0_is_closed_after_the_answer():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(b"GET /a HTTP/1.0\r\n\r\n")
        answer = await raw.answer()
        assert answer.headers["connection"] == "close"
        assert await raw.is_closed()


async def test_http_1_0_with_keep_alive_stays_open_and_says_so():
    async with running(Echo()) as server, connected(server) as raw:
        for _ in range(2):
            await raw.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await raw.answer()).headers["connection"] == "keep-alive"


async def test_connection_close_is_honoured():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(GOOD + SECOND)
        assert (await raw.answer()).headers["connection"] == "close"
        assert await raw.is_closed()


async def test_a_client_that_closed_its_half_still_gets_its_answer():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.1)
        await Echo()(scope, receive, send)

    async with running(slow) as server, connected(server) as raw:
        await raw.send(SECOND)
        raw.writer.write_eof()
        assert (await raw.rest()).endswith(b"/smuggled ")


async def test_a_half_closed_client_gets_what_it_asked_for_whole():
    echo = Echo()

    async def slow(scope, receive, send):
        await asyncio.sleep(0.1)
        await echo(scope, receive, send)

    async with running(slow) as server, connected(server) as raw:
        await raw.send(SECOND + SECOND + _post(b"Content-Length: 9", body=b"half"))
        raw.writer.write_eof()
        assert (await raw.rest()).count(b"HTTP/1.1 200 OK") == 2
    assert len(echo.seen) == 2


async def test_head_has_the_headers_and_no_body():
    async with running(Echo()) as server, connected(server) as raw:
        await raw.send(b"HEAD /a HTTP/1.1\r\nHost: gate\r\n\r\n")
        assert (await raw.answer(head=True)).headers["content-length"] == "3"
        await raw.send(SECOND)
        assert (await raw.answer()).body == b"/smuggled "


async def test_no_server_name_is_told():
    async with running(Echo()) as server:
        answer = await exchange(server, GOOD)
        assert b"\r\nserver:" not in answer.lower() and b"uvicorn" not in answer


async def test_a_thousand_pipelined_requests_are_answered_in_order():
    async with running(Echo()) as server, connected(server) as raw:
        data = b"".join(b"GET /%d HTTP/1.1\r\nHost: gate\r\n\r\n" % i for i in range(1000))
        writing = asyncio.create_task(raw.send(data))
        for i in range(1000):
            assert (await raw.answer()).body == b"/%d " % i
        await writing


async def test_pipelined_bodies_keep_to_their_requests():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.01)
        await Echo()(scope, receive, send)

    async with running(slow) as server, connected(server) as raw:
        bodies = [bytes([97 + i]) * (i * 900) for i in range(20)]
        data = b"".join(_post(b"Content-Length: %d" % len(b), body=b) for b in bodies)
        writing = asyncio.create_task(raw.send(data))
        for body in bodies:
            assert (await raw.answer()).body == b"/a " + body
        await writing


@settings(max_examples=40, deadline=None)
@given(st.data())
async def test_requests_read_the_same_however_the_network_cuts_them(data):
    kinds = st.lists(st.sampled_from(sorted(WHOLE)), min_size=1, max_size=8)
    chosen = data.draw(kinds)
    stream = b"".join(WHOLE[kind] for kind in chosen)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    echo = Echo()
    async with running(echo) as server, connected(server) as raw:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            await raw.send(stream[start:end])
            await asyncio.sleep(0)
        for _ in chosen:
            assert (await raw.answer()).status == 200
    seen = [(method, body) for method, _, _, body in echo.seen]
    assert seen == [("GET", b"") if kind == "get" else ("POST", b"hello") for kind in chosen]


async def test_requests_in_line_are_bounded_while_the_first_one_is_slow():
    release = asyncio.Event()

    async def stuck(scope, receive, send):
        await release.wait()
        await Echo()(scope, receive, send)

    async with running(stuck) as server, connected(server) as raw:
        raw.writer.write(SECOND * 20_000)
        await asyncio.sleep(0.3)
        (connection,) = server.state.connections
        assert len(connection.pipeline) < 200
        assert len(connection.backlog) < 600_000
        release.set()
        for _ in range(1000):
            assert (await raw.answer()).status == 200


async def test_garbage_after_a_request_is_refused_after_its_answer():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.1)
        await Echo()(scope, receive, send)

    async with running(slow) as server, connected(server) as raw:
        await raw.send(SECOND + b"\x00garbage\r\n\r\n")
        assert (await raw.answer()).body == b"/smuggled "
        assert (await raw.answer()).status == 400
        assert await raw.is_closed()


async def test_a_broken_body_in_line_is_never_given_to_the_app():
    echo = Echo()

    async def slow(scope, receive, send):
        await asyncio.sleep(0.1)
        await echo(scope, receive, send)

    async with running(slow) as server, connected(server) as raw:
        await raw.send(SECOND + _post(b"Transfer-Encoding: chunked", body=b"zz\r\n"))
        assert (await raw.answer()).body == b"/smuggled "
        assert (await raw.answer()).status == 400
        assert await raw.is_closed()
    assert len(echo.seen) == 1


SLOW = {
    "headers": (b"GET /a HTTP/1.1\r\n", b"A: b\r\n"),
    "a header that never ends": (b"GET /a HTTP/1.1\r\nHost: gate\r\nA: ", b"b"),
    "body": (_post(b"Content-Length: 1000"), b"x"),
    "chunks": (_post(b"Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    "a chunk extension": (_post(b"Transfer-Encoding: chunked", body=b"5;"), b"x"),
}


@pytest.mark.parametrize(("start", "drip"), SLOW.values(), ids=SLOW.keys())
async def test_a_dripping_request_is_closed_at_its_deadline(start, drip):
    echo = Echo()
    async with running(echo, FAST) as server, connected(server) as raw:
        began = time.monotonic()
        reading = asyncio.create_task(raw.rest())
        try:
            await raw.send(start)
            while not reading.done() and time.monotonic() - began < 4:
                await asyncio.sleep(0.05)
                await raw.send(drip)
        except ConnectionError:
            pass
        assert (await reading)[:12] in (b"HTTP/1.1 408", b"")
        assert time.monotonic() - began < 3
    assert echo.seen == []


@pytest.mark.parametrize("drip", [b"", b"\r\n"], ids=["nothing", "empty lines"])
async def test_an_idle_connection_is_closed_also_if_it_drips_empty_lines(drip):
    async with running(Echo(), FAST) as server, connected(server) as raw:
        began = time.monotonic()
        reading = asyncio.create_task(raw.rest())
        while not reading.done() and time.monotonic() - began < 4:
            await asyncio.sleep(0.05)
            try:
                await raw.send(drip)
            except ConnectionError:
                break
        assert await reading == b""
        assert time.monotonic() - began < 3


async def test_a_connection_is_closed_when_no_next_request_comes():
    async with running(Echo(), FAST) as server, connected(server) as raw:
        await raw.send(SECOND)
        assert (await raw.answer()).status == 200
        assert await raw.is_closed()


async def test_a_slow_app_is_no_idle_connection():
    async def slow(scope, receive, send):
        await asyncio.sleep(1.2)
        await Echo()(scope, receive, send)

    async with running(slow, FAST) as server, connected(server) as raw:
        await raw.send(SECOND)
        assert (await raw.answer()).status == 200


async def test_a_reader_that_does_not_read_is_cut():
    ended = asyncio.Event()

    async def flood(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(2000):
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                message = scope["extensions"]
                assert message
        finally:
            ended.set()

    async with running(flood, FAST) as server, connected(server) as raw:
        await raw.send(SECOND)
        raw.reader._transport.pause_reading()
        async with asyncio.timeout(4):
            await ended.wait()
        await _until(lambda: not server.state.connections)


async def test_connections_of_one_source_are_capped():
    limits = Limits(per_source_max=2)
    async with running(Echo(), limits) as server:
        async with connected(server) as one, connected(server) as two:
            await one.send(SECOND)
            await two.send(SECOND)
            assert (await one.answer()).status == (await two.answer()).status == 200
            assert b" 503 " in await exchange(server, b"")
        await _until(lambda: len(server.roster) == 0)
        assert (await exchange(server, GOOD)).startswith(b"HTTP/1.1 200")


async def test_our_own_proxies_are_not_capped():
    limits = Limits(per_source_max=1)
    proxies = Networks(["127.0.0.0/8"])
    async with (
        running(Echo(), limits, exempt=proxies) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        for raw in (one, two):
            await raw.send(SECOND)
            assert (await raw.answer()).status == 200


async def test_when_all_places_are_taken_the_longest_idle_one_goes():
    limits = Limits(connections_max=2)
    async with (
        running(Echo(), limits) as server,
        connected(server) as oldest,
        connected(server) as other,
    ):
        await oldest.send(SECOND)
        assert (await oldest.answer()).status == 200
        await other.send(SECOND)
        assert (await other.answer()).status == 200
        assert (await exchange(server, GOOD)).startswith(b"HTTP/1.1 200")
        assert await oldest.is_closed()
        await other.send(SECOND)
        assert (await other.answer()).status == 200


async def test_five_hundred_idle_connections_leave_good_clients_alone():
    async with running(Echo(), FAST) as server:
        idle = [await asyncio.open_connection("127.0.0.1", server.ports[0]) for _ in range(500)]
        assert (await exchange(server, GOOD)).startswith(b"HTTP/1.1 ")
        await _until(lambda: not server.state.connections)
        assert (await exchange(server, GOOD)).startswith(b"HTTP/1.1 200")
        for _, writer in idle:
            writer.close()


async def test_an_app_that_fails_tells_nobody_anything(caplog):
    async def broken(scope, receive, send):
        secret = "canary-4711"
        raise RuntimeError(f"no {secret}")

    async with running(broken) as server:
        answer = await exchange(server, GOOD)
    assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"Internal error\n")
    assert b"canary" not in answer
    assert "canary" not in caplog.text


async def test_an_app_may_close_without_an_answer():
    async def doubtful(scope, receive, send):
        scope["extensions"]["kodgate.drop"]["close"]()

    async with running(doubtful) as server:
        assert await exchange(server, SECOND + SECOND) == b""


async def test_the_stop_waits_for_answers_and_ends_streams():
    async def app(scope, receive, send):
        if scope["raw_path"] == b"/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.Event().wait()
        await asyncio.sleep(0.3)
        await Echo()(scope, receive, send)

    async with running(app) as server, connected(server) as stream, connected(server) as slow:
        await stream.send(b"GET /stream HTTP/1.1\r\nHost: gate\r\n\r\n")
        assert b"200 OK" in await stream.reader.readuntil(b"x")
        await slow.send(SECOND)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        assert (await slow.answer()).body == b"/smuggled "
        await stopping
        assert time.monotonic() - began < 3
        assert await slow.is_closed()


async def test_the_stop_cuts_what_does_not_end():
    async def stuck(scope, receive, send):
        await asyncio.Event().wait()

    async with running(stuck) as server, connected(server) as raw:
        await raw.send(SECOND)
        await asyncio.sleep(0.05)
        await server.stop(grace_s=0.2)
        assert await raw.is_closed()
    assert not server.state.tasks


async def _until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)
