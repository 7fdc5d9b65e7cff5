"""The wire's routes over real sockets, with the real dialects (S-7..S-24, S-58..S-66)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest
import structlog

from kodgate import wire
from kodgate.core.errors import InDoubt, Refused
from kodgate.store import Unavailable
from kodgate.web.addresses import Networks
from kodgate.web.api import OVERLOADED_PER_S, Api, ApiSettings, Inflight
from kodgate.web.limits import SimulationLimit, Throttle, ThrottleLimits

from .fakes import CODE, PASSWORD, PHONE, Desk
from .raw import connected, exchange, running

SEND = {
    "http_username": "alice",
    "http_password": PASSWORD,
    "mode": "TELE",
    "phone_list": PHONE,
    "code": CODE,
}


@asynccontextmanager
async def api(desk: Desk | None = None, **options):
    desk = desk or Desk()
    app = Api(desk, wire.load(), **options)
    async with running(app) as server:
        server.desk = desk
        yield server


async def ask(server, data: bytes):
    async with connected(server) as raw:
        await raw.send(data)
        return await raw.answer()


def get(path: str, query: str = "", *headers: str) -> bytes:
    lines = [f"GET {path}{'?' + query if query else ''} HTTP/1.1", "Host: gate", *headers, "", ""]
    return "\r\n".join(lines).encode("ascii")


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: gate", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def send_form(**changed: str) -> bytes:
    return post("/http_in5.asp", urlencode(SEND | changed).encode("ascii"))


def error_of(answer) -> int:
    text = answer.body.decode()
    if text.startswith("{"):
        said = json.loads(text)
        return int(said.get("errcode", said.get("err_num", -1)))
    line = next(line for line in text.splitlines() if line.startswith("error_code"))
    return int(line.split("=")[1])


async def test_a_send_is_answered_with_its_length_and_never_stored_by_caches():
    async with api() as server:
        answer = await ask(server, send_form())
    assert answer.status == 200
    assert "error_num = OK\r\n" in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert len(answer.headers["x-request-id"]) > 8


@pytest.mark.parametrize(
    "path", ["/http_in5.asp", "/HTTP_IN5.ASP", "//http_in5.asp", "/Http_In5.asp/"]
)
async def test_the_path_is_taken_in_any_case_and_with_slashes_too_many(path):
    async with api() as server:
        answer = await ask(server, get(path, urlencode(SEND)))
        assert error_of(answer) == 0
        assert len(server.desk.sends) == 1


ELSEWHERE = """
/ /etc/passwd /%2e%2e/http_in5.asp /http_in5.asp;jsessionid=1 /http%5Fin5.asp /http_in5.asp%00
/x/../http_in5.asp /metrics /livez /readyz /inbox
"""


@pytest.mark.parametrize("path", ELSEWHERE.split())
async def test_other_paths_are_not_there(path):
    async with api() as server:
        answer = await ask(server, get(path, urlencode(SEND)))
        assert (answer.status, answer.body) == (404, b"Not found\n")
        assert server.desk.judged == []


async def test_the_absolute_form_and_http_1_0_reach_the_same_route():
    async with api() as server:
        body = urlencode(SEND).encode()
        data = b"POST http://gate:80/http_in5.asp HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(
            body
        )
        assert b"error_num = OK" in await exchange(server, data + body + b"\r\n\r\n")


async def test_json_in_the_query_may_come_unencoded():
    fields = {"http_username": "alice", "http_password": PASSWORD, "mode": "TELE"}
    said = json.dumps(fields | {"phone_list": PHONE, "message": CODE}, separators=(",", ":"))
    async with api() as server:
        answer = await ask(server, get("/json_in5.asp", f"json={said}"))
        assert json.loads(answer.body)["error"] == "OK"


async def test_the_json_service_sends_tells_and_confirms():
    login = {"login": "alice", "pass": PASSWORD}
    send = login | {"tel_list": PHONE, "mode": "6", "code": CODE}
    async with api() as server:
        said = {}
        for path, fields in (
            ("/send", send),
            ("/status", login | {"package_id": "33"}),
            ("/confirm", login | {"package_id": "33", "code": CODE}),
        ):
            body = json.dumps(fields).encode()
            answer = await ask(server, post(path, body, "Content-Type: application/json"))
            said[path] = json.loads(answer.body)
            assert error_of(answer) == 0, answer
        assert said["/send"]["pakage"] == "33"
        assert server.desk.sends[0][2] == "json_service"


async def test_the_balance_is_told():
    async with api() as server:
        answer = await ask(server, get("/http_credit.asp", urlencode(SEND)))
        assert answer.body == b"408,71"


REFUSALS = {
    "wrong password": ({"http_password": "wrong"}, 1),
    "unknown login": ({"http_username": "mallory"}, 1),
    "no login": ({"http_username": ""}, 22),
    "no password": ({"http_password": ""}, 21),
    "bad mode": ({"mode": "PIGEON"}, 101),
    "bad phone": ({"phone_list": "79x"}, 10),
    "bad code": ({"code": "12"}, 102),
    "bad format": ({"format": "x<y"}, 105),
    "bad format and wrong password": ({"format": "x<y", "http_password": "wrong"}, 1),
}


@pytest.mark.parametrize(("changed", "number"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_errors_are_http_200_with_the_documented_number(changed, number):
    async with api() as server:
        answer = await ask(server, send_form(**changed))
        assert (answer.status, error_of(answer)) == (200, number)
        assert server.desk.sends == []


async def test_errors_come_in_the_format_that_was_asked_for():
    async with api() as server:
        answer = await ask(server, send_form(http_password="wrong", format="xml"))
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert b"error_num='1'" in answer.body
        answer = await ask(server, post("/send", b"not json"))
        assert error_of(answer) == 111


async def test_unknown_login_and_wrong_password_read_the_same():
    async with api() as server:
        wrong = await ask(server, send_form(http_password="wrong"))
        unknown = await ask(server, send_form(http_username="mallory"))
        assert wrong.body == unknown.body


async def test_a_duplicate_names_the_first_packet():
    desk = Desk()
    desk.trouble = Refused("DUPLICATE", packet_id=77)
    async with api(desk) as server:
        answer = await ask(server, send_form())
        assert error_of(answer) == 19 and b"packet_id = 77" in answer.body


async def test_error_3_prints_what_can_be_spent():
    desk = Desk()
    desk.trouble = Refused("NO_FUNDS")
    desk.trouble.balance = 5_000
    async with api(desk) as server:
        assert b"balance_before = 0,50" in (await ask(server, send_form())).body


async def test_a_database_that_is_away_is_error_13():
    desk = Desk()
    desk.trouble = Unavailable("gone")
    async with api(desk) as server:
        answer = await ask(server, send_form())
        assert (answer.status, error_of(answer)) == (200, 13)


@pytest.mark.parametrize("trouble", [InDoubt(), RuntimeError("boom"), AssertionError()])
async def test_a_doubtful_send_is_closed_without_an_answer(trouble):
    desk = Desk()
    desk.trouble = trouble
    async with api(desk) as server:
        assert await exchange(server, send_form() + get("/http_credit.asp")) == b""
        desk.trouble = None
        assert error_of(await ask(server, send_form())) == 0


async def test_too_many_at_once_are_refused_before_any_work():
    desk = Desk()
    desk.gate = asyncio.Event()
    async with api(desk, inflight=Inflight(most=2)) as server:
        waiting = [asyncio.create_task(ask(server, send_form())) for _ in range(2)]
        while len(desk.judged) < 2:
            await asyncio.sleep(0.01)
        answer = await ask(server, send_form())
        assert error_of(answer) == 13
        assert len(desk.judged) == 2
        desk.gate.set()
        assert [error_of(answer) for answer in await asyncio.gather(*waiting)] == [0, 0]
        assert error_of(await ask(server, send_form())) == 0


async def test_old_pages_of_the_family_say_what_to_use_instead():
    async with api() as server:
        txt = await ask(server, get("/http_in4.asp", urlencode(SEND)))
        assert txt.status == 200 and "Not supported. Use /http_in5.asp" in txt.body.decode()
        xml = await ask(server, post("/xml_in5.asp", b"<message/>"))
        assert xml.headers["content-type"].startswith("text/xml") and b"Not supported" in xml.body
        assert b"Not supported" in (await ask(server, get("/http_feedback.asp"))).body
        assert b"message_id" not in txt.body
        assert server.desk.judged == []


PACKED = (
    "Content-Type: multipart/form-data; boundary=x",
    "content-type: MULTIPART/mixed",
    "Content-Encoding: gzip",
    "Content-Encoding: deflate",
)


@pytest.mark.parametrize("header", PACKED)
async def test_multipart_and_compressed_bodies_are_not_unpacked(header):
    async with api() as server:
        answer = await ask(server, post("/http_in5.asp", b"x" * 1000, header))
        assert answer.status == 415
        assert server.desk.judged == []


async def test_head_sends_nothing():
    async with api() as server, connected(server) as raw:
        await raw.send(get("/http_in5.asp", urlencode(SEND)).replace(b"GET", b"HEAD", 1))
        answer = await raw.answer(head=True)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
        assert server.desk.judged == []


async def test_the_same_name_in_query_and_body_with_different_values_is_refused():
    async with api() as server:
        body = urlencode(SEND).encode()
        answer = await ask(server, post("/http_in5.asp?code=1111", body))
        assert error_of(answer) == 105


async def test_a_basic_header_that_differs_from_the_parameters_is_refused():
    async with api() as server:
        for pair, number in ((f"alice:{PASSWORD}", 0), ("bob:other", 1)):
            said = base64.b64encode(pair.encode()).decode()
            data = get("/http_in5.asp", urlencode(SEND), f"Authorization: Basic {said}")
            assert error_of(await ask(server, data)) == number
        data = get("/http_in5.asp", urlencode(SEND), "Authorization: Basic %%%")
        assert error_of(await ask(server, data)) == 1


# test=-1


async def test_a_simulation_needs_no_login():
    async with api() as server:
        answer = await ask(server, get("/http_in5.asp", f"test=-1&mode=TELE&phone_list={PHONE}"))
        assert error_of(answer) == 0
        assert server.desk.judged == server.desk.sends == []
        answer = await ask(server, get("/http_credit.asp", "test=-1"))
        assert answer.body == b"408,71"


async def test_simulations_from_outside_are_limited():
    settings = ApiSettings(proxies=Networks(["127.0.0.1/32"]))
    limit = SimulationLimit(per_minute=3)
    async with api(settings=settings, simulations=limit) as server:
        data = get(
            "/http_in5.asp",
            f"test=-1&phone_list={PHONE}",
            "X-Forwarded-For: 203.0.113.9",
        )
        assert [error_of(await ask(server, data)) for _ in range(5)] == [0, 0, 0, 24, 24]
        other = data.replace(b"203.0.113.9", b"198.51.100.1")
        assert error_of(await ask(server, other)) == 0


# Who calls


async def test_forwarded_headers_from_strangers_are_ignored():
    async with api() as server:
        data = get("/http_in5.asp", urlencode(SEND), "X-Forwarded-For: 203.0.113.9")
        assert b"sender_ip = 127.0.0.1" in (await ask(server, data)).body


async def test_the_right_most_hop_that_is_no_proxy_of_ours_is_the_caller():
    settings = ApiSettings(proxies=Networks(["127.0.0.1/32", "10.0.0.0/8"]))
    async with api(settings=settings) as server:
        data = get(
            "/http_in5.asp",
            urlencode(SEND),
            "X-Forwarded-For: 6.6.6.6, 203.0.113.9",
            "X-Forwarded-For: 10.1.2.3",
        )
        assert b"sender_ip = 203.0.113.9" in (await ask(server, data)).body


async def test_plain_http_is_refused_where_a_proxy_says_so_and_nothing_is_judged():
    settings = ApiSettings(proxies=Networks(["127.0.0.1/32"]))
    async with api(settings=settings) as server:
        plain = get("/http_in5.asp", urlencode(SEND), "X-Forwarded-Proto: http")
        answer = await ask(server, plain)
        assert (answer.status, error_of(answer)) == (200, 5)
        assert "location" not in answer.headers
        assert server.desk.judged == []
        secure = get("/http_in5.asp", urlencode(SEND), "X-Forwarded-Proto: https")
        assert error_of(await ask(server, secure)) == 0


async def test_plain_http_is_served_where_the_listener_is_set_so():
    settings = ApiSettings(proxies=Networks(["127.0.0.1/32"]), allow_plain=True)
    async with api(settings=settings) as server:
        data = get("/http_in5.asp", urlencode(SEND), "X-Forwarded-Proto: http")
        assert error_of(await ask(server, data)) == 0


# Guessing


async def test_who_guesses_too_often_is_not_looked_at_and_reads_the_same():
    throttle = Throttle(ThrottleLimits(pair_free=3))
    settings = ApiSettings(proxies=Networks(["127.0.0.1/32"]))
    async with api(throttle=throttle, settings=settings) as server:
        wrong = urlencode(SEND | {"http_password": "wrong"})
        guess = get("/http_in5.asp", wrong, "X-Forwarded-For: 203.0.113.9")
        answers = [(await ask(server, guess)).body for _ in range(8)]
        assert len(set(answers)) == 1
        assert len(server.desk.judged) == 3
        good = get("/http_in5.asp", urlencode(SEND), "X-Forwarded-For: 198.51.100.7")
        assert error_of(await ask(server, good)) == 0


# Logs


async def test_a_refusal_is_logged_with_its_reason_and_no_secret():
    with structlog.testing.capture_logs() as lines:
        async with api() as server:
            await ask(server, get("/http_in5.asp", urlencode(SEND | {"code": "12"})))
            await ask(server, send_form(http_username="mallory"))
            await ask(server, get("/http_in5.asp", f"http_pasword={PASSWORD}&code={CODE}"))
            await ask(server, send_form())
    assert [line["error"] for line in lines] == [102, 1, 22]
    assert lines[0]["account"] == 1 and lines[0]["path"] == "/http_in5.asp"
    for canary in (PASSWORD, CODE, PHONE):
        assert canary not in repr(lines)


async def test_every_request_is_logged_where_it_is_wanted():
    with structlog.testing.capture_logs() as lines:
        async with api(settings=ApiSettings(log_requests=True)) as server:
            await ask(server, send_form())
    assert [(line["event"], line["error"]) for line in lines] == [("request", 0)]
    assert PASSWORD not in repr(lines) and CODE not in repr(lines)


async def test_an_accident_is_logged_without_any_value(caplog):
    desk = Desk()
    desk.trouble = RuntimeError(f"with {PASSWORD}")
    with structlog.testing.capture_logs() as lines:
        async with api(desk) as server:
            assert await exchange(server, send_form()) == b""
    assert any(line["event"] == "request_failed" for line in lines)
    assert PASSWORD not in repr(lines) + caplog.text


async def test_every_request_is_told_to_the_meters():
    seen = []
    async with api(on_request=lambda **facts: seen.append(facts)) as server:
        await ask(server, send_form())
        await ask(server, send_form(http_password="wrong"))
    assert [(fact["endpoint"], fact["error"]) for fact in seen] == [
        ("http_in5.asp", 0),
        ("http_in5.asp", 1),
    ]
    assert all(fact["seconds"] >= 0 for fact in seen)


# Bodies on their way


async def test_a_body_that_comes_in_pieces_is_one_request():
    data = send_form()
    async with api() as server, connected(server) as raw:
        for start in range(0, len(data), 40):
            await raw.send(data[start : start + 40])
            await asyncio.sleep(0.002)
        assert error_of(await raw.answer()) == 0


async def test_a_caller_who_leaves_in_mid_body_has_asked_for_nothing():
    async with api() as server:
        async with connected(server) as raw:
            await raw.send(send_form()[:-3])
            await asyncio.sleep(0.05)
            raw.writer.transport.abort()
        async with asyncio.timeout(5):
            while server.state.connections or server.state.tasks:
                await asyncio.sleep(0.02)
        assert server.desk.judged == []


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"mode": "FAX"}, True),
        ({"code": "12"}, True),
        ({"phone_list": ""}, True),
        ({"http_password": "wrong-wrong-wrong-wrong"}, False),
        ({"http_username": ""}, False),
    ],
)
async def test_a_refusal_prints_the_balance_to_its_owner_only(changed, shown):
    async with api() as server:
        answer = await ask(server, send_form(**changed))
    text = answer.body.decode()
    assert ("balance_before = 408,71\r\n" in text) is shown
    assert ("balance_after = 408,71\r\n" in text) is shown


async def test_a_refusal_is_given_without_the_balance_where_it_cannot_be_read():
    class Blind(Desk):
        async def funds(self, account):
            raise Unavailable("busy")

    async with api(Blind()) as server:
        answer = await ask(server, send_form(code="12"))
    assert error_of(answer) == 102
    assert "balance" not in answer.body.decode()


async def test_an_overloaded_gateway_says_try_later_without_looking_at_the_login():
    async with api() as server:
        server.desk.admitting = False
        reply = await ask(server, send_form(format="xml"))
        assert reply.status == 200
        assert b"error_num='13'" in reply.body
        assert (server.desk.judged, server.desk.sends) == ([], [])


async def test_an_overloaded_gateway_still_answers_who_asks_for_money_and_status():
    async with api() as server:
        server.desk.admitting = False
        query = urlencode({"http_username": "alice", "http_password": PASSWORD})
        assert (await ask(server, get("/http_credit.asp", query))).body == b"408,71"


async def test_an_overloaded_gateway_spends_little_of_its_time_on_saying_so():
    async with api() as server:
        server.desk.admitting = False
        began = time.monotonic()
        replies = await asyncio.gather(*(ask(server, send_form(format="xml")) for _ in range(100)))
        assert time.monotonic() - began >= 99 / OVERLOADED_PER_S
    assert all(b"error_num='13'" in reply.body for reply in replies)


async def test_a_send_that_waited_to_be_refused_is_taken_where_there_is_room_by_then():
    async with api() as server:
        server.desk.admitting = False
        asked = [asyncio.create_task(ask(server, send_form(format="xml"))) for _ in range(200)]
        replies = [await next(asyncio.as_completed(asked))]
        server.desk.admitting = True
        replies += await asyncio.gather(*asked)
    taken = [b"error_num='0'" in reply.body for reply in replies]
    assert any(taken) and not all(taken)


async def test_an_overload_is_told_once_and_not_a_line_a_request():
    async with api() as server:
        server.desk.admitting = False
        with structlog.testing.capture_logs() as lines:
            for _ in range(5):
                await ask(server, send_form())
    assert len([line for line in lines if line["event"] == "request"]) == 1
