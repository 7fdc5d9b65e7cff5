"""What is read from bytes: every answer, every error string, every signature."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.telegram import api
from kodgate.channels.telegram.api import Action, Lost, Refused, Status

TOKEN = "AAEFAAAAQKI_mDsJppSEQRr3kLOz9SatBxq48BgQLSHLRv"
TIMESTAMP = "1795344285"
REPORT = (
    '{"request_id":"222370177540343","phone_number":"79990000001","request_cost":0.01,'
    '"is_refunded":true,"delivery_status":{"status":"expired","updated_at":1795344285},'
    '"payload":"код"}'
).encode()
SIGNATURE = "c6f673138c0b7ed2d2a365dd1077dd894ddabadffeb50c497f32979083d266b0"

RESULT = {"request_id": "222370177540343", "phone_number": "79850000000", "request_cost": 0.01}


def read(body: Any, status: int = 200, retry_after: str = "") -> api.Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.read_answer(status, raw, retry_after)


def ok(**more: Any) -> dict[str, Any]:
    return {"ok": True, "result": RESULT | more}


def test_the_published_signature_vector_is_reproduced() -> None:
    assert api.sign(TOKEN, TIMESTAMP, REPORT) == SIGNATURE


@pytest.mark.parametrize(
    ("timestamp", "signature", "body"),
    [
        (TIMESTAMP, "", REPORT),
        (TIMESTAMP, SIGNATURE[:-1] + "1", REPORT),
        (TIMESTAMP, SIGNATURE.replace("c6", "ñ6"), REPORT),
        (TIMESTAMP, SIGNATURE, REPORT + b" "),
        ("1795344286", SIGNATURE, REPORT),
        ("", SIGNATURE, REPORT),
        ("1795344285\n", SIGNATURE, REPORT),
        ("+1795344285", SIGNATURE, REPORT),
        ("1795344285.0", SIGNATURE, REPORT),
    ],
)
def test_anything_but_the_signed_bytes_is_refused(
    timestamp: str, signature: str, body: bytes
) -> None:
    assert not api.is_signed(TOKEN, timestamp=timestamp, signature=signature, body=body)


def test_unicode_digits_are_no_timestamp_even_when_signed() -> None:
    timestamp = "١٧٩٥٣٤٤٢٨٥"
    signature = api.sign(TOKEN, timestamp, REPORT)
    assert not api.is_signed(TOKEN, timestamp=timestamp, signature=signature, body=REPORT)


@pytest.mark.parametrize(("off_s", "is_fresh"), [(0, True), (300, True), (-300, True)])
def test_a_report_within_five_minutes_is_fresh(off_s: int, is_fresh: bool) -> None:
    assert api.is_fresh(TIMESTAMP, 1_795_344_285 + off_s) is is_fresh


@pytest.mark.parametrize("off_s", [301, -301, 10**9])
def test_a_report_further_off_is_stale(off_s: int) -> None:
    assert not api.is_fresh(TIMESTAMP, 1_795_344_285 + off_s)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"remaining_balance": 99.99}, {"cost": 100, "balance": 999_900, "word": None}),
        (
            {
                "remaining_balance": 0,
                "delivery_status": {"status": "sent", "updated_at": 1_789_894_598},
                "payload": "k:abcd1234:5:1",
            },
            {"balance": 0, "word": "sent", "payload": "k:abcd1234:5:1"},
        ),
        ({"delivery_status": {"status": "delivered", "updated_at": 1}}, {"word": "delivered"}),
        ({"delivery_status": {"status": "read", "updated_at": 1}}, {"word": "read"}),
        (
            {"delivery_status": {"status": "expired", "updated_at": 1}, "is_refunded": True},
            {"word": "expired", "refunded": True},
        ),
        (
            {
                "delivery_status": {"status": "delivered", "updated_at": 1},
                "verification_status": {"status": "expired", "updated_at": 1},
            },
            {"word": "delivered", "refunded": False},
        ),
        (
            {"verification_status": {"status": "code_valid", "updated_at": 1, "code_entered": "1"}},
            {"word": None},
        ),
        ({"request_cost": 0, "remaining_balance": 0}, {"cost": 0, "balance": 0}),
        ({"phone_number": "+79850000000"}, {"phone": "79850000000"}),
        ({"delivery_status": None, "payload": None, "is_refunded": None}, {"word": None}),
        ({"request_cost": None}, {"cost": None}),
        ({"request_cost": -0.01}, {"cost": None}),
        ({"request_cost": 10**30}, {"cost": None}),
        ({"request_cost": 0.00001}, {"cost": 1}),
        ({"request_cost": 0.012345}, {"cost": 124}),
        ({"something": {"new": []}}, {"word": None}),
    ],
)
def test_every_result_seen_on_the_wire_is_read(
    more: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = read(ok(**more))
    assert isinstance(answer, Status)
    assert {name: getattr(answer, name) for name in expected} == expected


@pytest.mark.parametrize(
    "more",
    [
        {"request_id": None},
        {"request_id": 222370177540343},
        {"request_id": ""},
        {"request_id": "a b"},
        {"request_id": "1" * 65},
        {"phone_number": None},
        {"phone_number": 79850000000},
        {"phone_number": "7985…"},
        {"phone_number": "٧٩٨٥٠٠٠٠٠٠٠"},
        {"phone_number": "79850000000\n"},
        {"request_cost": "0.01"},
        {"request_cost": True},
        {"remaining_balance": []},
        {"is_refunded": "true"},
        {"is_refunded": 1},
        {"delivery_status": "sent"},
        {"delivery_status": {}},
        {"delivery_status": {"status": 1}},
        {"delivery_status": {"status": "<b>"}},
        {"delivery_status": {"status": "sent", "updated_at": 10**30}},
        {"delivery_status": {"status": "sent", "updated_at": 1.5}},
        {"delivery_status": {"status": "sent", "updated_at": True}},
        {"verification_status": []},
        {"payload": 5},
        {"payload": "x" * 257},
    ],
)
def test_a_result_of_another_shape_is_no_answer(more: dict[str, Any]) -> None:
    assert isinstance(read(ok(**more)), Lost)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>Bad gateway</html>"),
        (200, b'{"ok":true,"result":{"request_id":"2'),
        (200, b'{"ok":true}'),
        (200, b'{"ok":true,"result":true}'),
        (200, b'{"ok":false}'),
        (200, b'{"ok":false,"error":5}'),
        (200, b'{"ok":1,"result":{}}'),
        (200, b"[]"),
        (200, b"null"),
        (200, b'{"ok":false,"ok":true,"result":{}}'),
        (200, b'{"ok":NaN}'),
        (200, b'{"ok":true,"result":{"request_cost":1e9999999999999999999}}'),
        (200, b"1" * 5000),
        (200, b"[" * 60_000),
        (200, b"\xff\xfe"),
        (200, b" " * 65_537),
        (500, b'{"ok":false,"error":"INTERNAL"}'),
        (502, b"<html>"),
        (503, b""),
        (408, b'{"ok":false,"error":"TIMEOUT"}'),
        (404, b"Not Found"),
        (301, b'{"ok":true,"result":{}}'),
        (307, b""),
    ],
)
def test_garbage_is_uncertain(status: int, body: bytes) -> None:
    answer = read(body, status)
    assert isinstance(answer, Lost) and not answer.never_left


def test_a_huge_but_finite_number_is_no_price() -> None:
    body = json.dumps(ok()).replace("0.01", "1e999999").encode()
    answer = read(body)
    assert isinstance(answer, Status) and answer.cost is None


ACTIONS = {
    "ACCESS_TOKEN_INVALID": Action.STOP,
    "ACCESS_TOKEN_REQUIRED": Action.STOP,
    "UNKNOWN_METHOD": Action.STOP,
    "BALANCE_NOT_ENOUGH": Action.STOP,
    "FLOOD_WAIT_30": Action.WAIT,
    "PHONE_NUMBER_NOT_AVAILABLE": Action.DECLINE,
    "PHONE_NUMBER_NOT_FOUND": Action.DECLINE,
    "PHONE_NUMBER_INVALID": Action.DECLINE,
    "PHONE_NUMBER_MISMATCH": Action.FAIL,
    "REQUEST_ID_INVALID": Action.RECHECK,
    "REQUEST_ID_REQUIRED": Action.RECHECK,
    "MESSAGE_ALREADY_SENT": Action.SENT,
    "CODE_INVALID": Action.FAIL,
    "CODE_LENGTH_INVALID": Action.FAIL,
    "CODE_LENGTH_REQUIRED": Action.FAIL,
    "CODE_EXPIRED": Action.FAIL,
    "CODE_MAX_ATTEMPTS_EXCEEDED": Action.FAIL,
    "PAYLOAD_INVALID": Action.FAIL,
    "TTL_INVALID": Action.FAIL,
    "CALLBACK_URL_INVALID": Action.FAIL,
    "SENDER_USERNAME_INVALID": Action.DROP_SENDER,
    "SENDER_NOT_VERIFIED": Action.DROP_SENDER,
    "SENDER_NOT_OWNED": Action.DROP_SENDER,
    "SOMETHING_NEW": Action.FAIL,
    "": Action.FAIL,
}


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("error", ACTIONS)
def test_every_error_string_has_its_action_whatever_the_status_code(
    error: str, status: int
) -> None:
    answer = read({"ok": False, "error": error}, status)
    assert isinstance(answer, Refused)
    assert (answer.error, answer.row.action) == (error, ACTIONS[error])


def test_the_error_table_is_covered_by_these_tests() -> None:
    assert set(api.ERRORS) <= set(ACTIONS)


def test_a_known_error_counts_even_with_a_server_error_status() -> None:
    answer = read({"ok": False, "error": "BALANCE_NOT_ENOUGH"}, 500)
    assert isinstance(answer, Refused) and answer.row.action is Action.STOP


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        ("FLOOD_WAIT_3", 3),
        ("FLOOD_WAIT", 5),
        ("FLOOD_WAIT_", 5),
        ("FLOOD_WAIT_X", 5),
        ("FLOOD_WAIT_0", 1),
        ("FLOOD_WAIT_-1", 5),
        ("FLOOD_WAIT_1000000000", 3600),
        ("FLOOD_WAIT_٣", 5),
        ("ERR: FLOOD_WAIT_7 (caused by check)", 7),
        ("FLOOD_WAIT7", 7),
    ],
)
def test_a_flood_wait_is_bounded(error: str, wait_s: int) -> None:
    answer = read({"ok": False, "error": error})
    assert isinstance(answer, Refused)
    assert (answer.row.action, answer.wait_s) == (Action.WAIT, wait_s)


@pytest.mark.parametrize(
    ("body", "retry_after", "wait_s"),
    [
        (b"Too many", "7", 7),
        (b"Too many", "", 5),
        (b"Too many", "0", 1),
        (b"Too many", "-1", 5),
        (b"Too many", "1000000000", 5),
        (b"Too many", "999999999", 3600),
        (b"Too many", "soon", 5),
        (b'{"ok":false,"error":"TOO_MANY","retry_after":9}', "", 9),
        (b'{"ok":false,"error":"TOO_MANY","retry_after":{}}', "4", 5),
    ],
)
def test_http_429_is_a_flood(body: bytes, retry_after: str, wait_s: int) -> None:
    answer = read(body, 429, retry_after)
    assert isinstance(answer, Refused)
    assert (answer.row.action, answer.wait_s) == (Action.WAIT, wait_s)


def test_upstream_text_is_kept_to_one_printable_line() -> None:
    answer = read({"ok": False, "error": "A\r\nB\x00\u202e" + "x" * 1000})
    assert isinstance(answer, Refused)
    assert answer.error.isprintable() and len(answer.error) == api.ERROR_CHARS_MAX


@given(st.binary(max_size=200), st.integers(100, 599), st.text(max_size=20))
def test_no_bytes_make_the_reader_fail(body: bytes, status: int, retry_after: str) -> None:
    assert isinstance(api.read_answer(status, body, retry_after), Status | Refused | Lost)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = ["request_id", "phone_number", "request_cost", "delivery_status", "payload"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_result_makes_the_reader_fail(more: dict[str, Any]) -> None:
    assert isinstance(read(ok(**more)), Status | Lost)


@given(st.integers(1, 10**18 - 1), st.integers(0, 10**9 - 1))
def test_a_payload_comes_back_as_its_message(message_id: int, epoch: int) -> None:
    text = api.payload("abcd1234", message_id, epoch)
    assert len(text.encode()) <= 128
    assert api.message_id(text, "abcd1234") == message_id


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "k:00000000:5:1",
        "k:abcd1234:05:1",
        "k:abcd1234:5",
        "k:abcd1234:5:1\n",
        "k:abcd1234:٥:1",
        "k:abcd1234:-5:1",
        "k:abcd1234:9999999999999999999:1",
        " k:abcd1234:5:1",
    ],
)
def test_a_payload_that_is_not_ours_names_no_message(text: str | None) -> None:
    assert api.message_id(text, "abcd1234") is None


def test_empty_parameters_are_left_out_of_a_request() -> None:
    assert json.loads(api.build({"request_id": "1", "code": "", "ttl": 30})) == {
        "request_id": "1",
        "ttl": 30,
    }
