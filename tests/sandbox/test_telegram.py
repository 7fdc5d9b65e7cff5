"""The Telegram Gateway over real sockets: every quirk of the wire that a client depends on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import ALICE, BOB, Gateway, running, until


async def test_a_check_takes_one_price_and_tells_the_balance(gateway: Gateway) -> None:
    answer = await gateway.ok("checkSendAbility", phone_number=f"+{ALICE}")
    assert list(answer) == ["request_id", "phone_number", "request_cost", "remaining_balance"]
    assert re.fullmatch("[0-9]{15}", answer["request_id"])
    assert answer["phone_number"] == ALICE
    assert (answer["request_cost"], answer["remaining_balance"]) == (0.01, 999999.99)


async def test_a_send_is_free_says_sent_and_balance_0(gateway: Gateway) -> None:
    request_id = (await gateway.ok("checkSendAbility", phone_number=ALICE))["request_id"]
    answer = await gateway.ok(
        "sendVerificationMessage",
        phone_number=ALICE,
        request_id=request_id,
        code="0042",
        payload="attempt-1",
        ttl=60,
    )
    assert answer["request_cost"] == 0.01
    assert answer["remaining_balance"] == 0
    assert answer["delivery_status"]["status"] == "sent"
    assert answer["payload"] == "attempt-1"
    assert await gateway.credit() == 999999.99


async def test_a_send_without_a_check_takes_the_price(gateway: Gateway) -> None:
    await gateway.ok("sendVerificationMessage", phone_number=ALICE, code="4321")
    assert await gateway.credit() == 999999.99


async def test_there_is_no_delivery_status_before_the_send(gateway: Gateway) -> None:
    request_id = (await gateway.ok("checkSendAbility", phone_number=ALICE))["request_id"]
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id)
    assert list(answer) == ["request_id", "phone_number", "request_cost"]


async def test_a_request_id_sends_once(gateway: Gateway) -> None:
    request_id = await gateway.send(ALICE)
    again = await gateway.error(
        "sendVerificationMessage", phone_number=ALICE, request_id=request_id, code="4321"
    )
    assert again == "MESSAGE_ALREADY_SENT"
    assert await gateway.credit() == 999999.99


async def test_a_revoke_says_yes_and_moves_nothing(gateway: Gateway) -> None:
    request_id = await gateway.send(BOB)
    await until(lambda: _is(gateway, request_id, "delivered"))
    assert await gateway.ok("revokeVerificationMessage", request_id=request_id) is True
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id)
    assert answer["verification_status"]["status"] == "expired"
    assert answer["delivery_status"]["status"] in ("delivered", "read")
    assert "is_refunded" not in answer


async def _is(gateway: Gateway, request_id: str, status: str) -> bool:
    return await gateway.delivery(request_id) == status


@pytest.mark.parametrize("method", ["CHECKSENDABILITY", "checksendability", "CheckSendAbility"])
async def test_method_names_are_case_insensitive(gateway: Gateway, method: str) -> None:
    assert (await gateway.call(method, phone_number=ALICE))["ok"]


async def test_parameters_come_by_query_form_or_json(gateway: Gateway) -> None:
    given = {"phone_number": ALICE}
    by_query = await gateway.http.get("/checkSendAbility", params=given)
    by_form = await gateway.http.post("/checkSendAbility", data=given)
    by_post_query = await gateway.http.post("/checkSendAbility", params=given)
    by_parts = await gateway.http.post("/checkSendAbility", files={"phone_number": (None, ALICE)})
    for answer in (by_query, by_form, by_post_query, by_parts):
        assert answer.json()["ok"], answer.text


async def test_null_is_absent(gateway: Gateway) -> None:
    answer = await gateway.ok(
        "sendVerificationMessage",
        phone_number=ALICE,
        code="4321",
        request_id=None,
        ttl=None,
        payload=None,
        callback_url=None,
    )
    assert "payload" not in answer


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic x"}])
async def test_no_token_is_an_error_with_status_200(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    del gateway.http.headers["Authorization"]
    answer = await gateway.http.get("/checkSendAbility", headers=headers)
    assert (answer.status_code, answer.json()) == (
        200,
        {"ok": False, "error": "ACCESS_TOKEN_REQUIRED"},
    )


async def test_a_wrong_token_is_refused_with_status_200(gateway: Gateway) -> None:
    answer = await gateway.http.post(
        "/checkSendAbility", json={}, headers={"Authorization": "Bearer wrong"}
    )
    assert (answer.status_code, answer.json()["error"]) == (200, "ACCESS_TOKEN_INVALID")


async def test_the_token_may_be_a_parameter(gateway: Gateway) -> None:
    del gateway.http.headers["Authorization"]
    given = {"phone_number": ALICE, "access_token": "sandbox"}
    for answer in (
        await gateway.http.get("/checkSendAbility", params=given),
        await gateway.http.post("/checkSendAbility", data=given),
        await gateway.http.post("/checkSendAbility", json=given),
    ):
        assert answer.json()["ok"]


BAD = [
    ({"phone_number": "12"}, "PHONE_NUMBER_INVALID"),
    ({"phone_number": None}, "PHONE_NUMBER_INVALID"),
    ({"phone_number": "٧٩٩٩٠٠٠٠٠٠١"}, "PHONE_NUMBER_INVALID"),
    ({"phone_number": "+7999000000\n"}, "PHONE_NUMBER_INVALID"),
    ({"code": "123"}, "CODE_INVALID"),
    ({"code": "123456789"}, "CODE_INVALID"),
    ({"code": "12a4"}, "CODE_INVALID"),
    ({"code": "١٢٣٤"}, "CODE_INVALID"),
    ({"code": None}, "CODE_LENGTH_REQUIRED"),
    ({"code": None, "code_length": 3}, "CODE_LENGTH_INVALID"),
    ({"code": None, "code_length": "9"}, "CODE_LENGTH_INVALID"),
    ({"code": None, "code_length": True}, "CODE_LENGTH_INVALID"),
    ({"ttl": 29}, "TTL_INVALID"),
    ({"ttl": 3601}, "TTL_INVALID"),
    ({"ttl": "1_00"}, "TTL_INVALID"),
    ({"payload": "x" * 129}, "PAYLOAD_INVALID"),
    ({"payload": "я" * 65}, "PAYLOAD_INVALID"),
    ({"callback_url": "http://example.com/"}, "CALLBACK_URL_INVALID"),
    ({"callback_url": "https://example.com/" + "x" * 256}, "CALLBACK_URL_INVALID"),
    ({"callback_url": "ftp://127.0.0.1/"}, "CALLBACK_URL_INVALID"),
    ({"callback_url": "http://[::1"}, "CALLBACK_URL_INVALID"),
    ({"sender_username": "no spaces please"}, "SENDER_USERNAME_INVALID"),
    ({"request_id": "1"}, "REQUEST_ID_INVALID"),
    ({"request_id": "123456789012345"}, "REQUEST_ID_INVALID"),
]


@pytest.mark.parametrize(("given", "error"), BAD)
async def test_a_bad_parameter_has_its_own_error_and_costs_nothing(
    gateway: Gateway, given: dict[str, object], error: str
) -> None:
    params = {"phone_number": ALICE, "code": "4321", "ttl": 60} | given
    assert await gateway.error("sendVerificationMessage", **params) == error
    assert await gateway.credit() == 1_000_000


async def test_a_request_id_is_bound_to_its_phone(gateway: Gateway) -> None:
    request_id = (await gateway.ok("checkSendAbility", phone_number=ALICE))["request_id"]
    error = await gateway.error(
        "sendVerificationMessage", phone_number=BOB, request_id=request_id, code="4321"
    )
    assert error == "PHONE_NUMBER_MISMATCH"


@pytest.mark.parametrize("method", ["checkVerificationStatus", "revokeVerificationMessage"])
async def test_a_missing_or_unknown_request_id_has_its_error(gateway: Gateway, method: str) -> None:
    assert await gateway.error(method) == "REQUEST_ID_REQUIRED"
    assert await gateway.error(method, request_id="999999999999999") == "REQUEST_ID_INVALID"


async def test_an_unknown_method_is_an_error(gateway: Gateway) -> None:
    assert await gateway.error("getMe") == "UNKNOWN_METHOD"


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 60_000, b'"x"', b"\xff"])
async def test_a_body_that_is_no_object_is_an_error(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.http.post(
        "/checkSendAbility", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["ok"]) == (200, False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded; charset=no-such", b"phone_number=79990000001"),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        ("multipart/form-data", b"x"),
        ("application/json", b'{"phone_number":"79990000001","payload":"\\ud800"}'),
    ],
)
async def test_a_body_that_cannot_be_read_is_an_error_not_a_crash(
    gateway: Gateway, kind: str, body: bytes
) -> None:
    answer = await gateway.http.post(
        "/sendVerificationMessage", content=body, headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()["ok"]) == (200, False)


async def test_a_generated_code_is_judged_by_the_gateway(gateway: Gateway) -> None:
    request_id = await gateway.send(ALICE, code=None, code_length=6)
    messages = await gateway.look("messages", phone=ALICE)
    code = messages[0]["code"]
    assert re.fullmatch("[0-9]{6}", code)
    wrong = "1111" if code != "1111" else "2222"
    assert await _judged(gateway, request_id, wrong) == "code_invalid"
    assert await _judged(gateway, request_id, code) == "code_valid"


async def test_our_own_code_is_judged_too_and_echoed(gateway: Gateway) -> None:
    request_id = await gateway.send(ALICE, code="0042")
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id, code="0042")
    assert answer["verification_status"]["status"] == "code_valid"
    assert answer["verification_status"]["code_entered"] == "0042"


async def test_five_wrong_codes_close_the_window(gateway: Gateway) -> None:
    request_id = await gateway.send(ALICE, ttl=3600)
    words = [await _judged(gateway, request_id, "9999") for _ in range(5)]
    assert words == ["code_invalid"] * 4 + ["code_max_attempts_exceeded"]
    assert await _judged(gateway, request_id, "4321") == "code_max_attempts_exceeded"


async def _judged(gateway: Gateway, request_id: str, code: str) -> str:
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id, code=code)
    return str(answer["verification_status"]["status"])


async def test_an_empty_balance_is_an_error(gateway: Gateway) -> None:
    await gateway.control("balance", credit=0.01)
    await gateway.ok("checkSendAbility", phone_number=ALICE)
    assert await gateway.error("checkSendAbility", phone_number=ALICE) == "BALANCE_NOT_ENOUGH"


async def test_the_owners_number_is_free_without_funds(tmp_path: Path) -> None:
    async with running(tmp_path, own_phones=(ALICE,), credit=0) as gateway:
        answer = await gateway.ok("checkSendAbility", phone_number=ALICE)
        assert (answer["request_cost"], answer["remaining_balance"]) == (0, 0)
        assert await gateway.error("checkSendAbility", phone_number=BOB) == "BALANCE_NOT_ENOUGH"
