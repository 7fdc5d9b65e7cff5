"""Bad input, over real HTTP and in every dialect: the documented error, and nothing else happens
(S-31..S-40, S-66..S-85)."""

from __future__ import annotations

import configparser
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.e2e.caller import Caller

pytestmark = pytest.mark.e2e

PHONE = "79123456789"
GOOD = {"mode": "TELE", "phone": PHONE}

FORM_NAMES = {
    "login": "http_username",
    "password": "http_password",
    "phone": "phone_list",
    "user_id": "message_id",
}
JSON_NAMES = {
    "password": "pass",
    "phone": "tel_list",
    "user_id": "user_mess_id",
    "valid_period": "validPeriod",
}
JSON_MODES = {"TELE": "6", "FAX": "5"}

Fields = dict[str, Any]
Read = Callable[[str], int]


def _txt(body: str) -> int:
    """Strict: every line is a section or a key, no section and no key stands twice."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.read_string(body)
    assert parser.sections() == ["Common", "Summary"]
    assert parser["Common"]["error_num"] != "OK"
    assert "message_id" not in parser["Common"]
    assert parser["Common"]["error_code"] == parser["Summary"]["error_code"]
    return int(parser["Summary"]["error_code"])


def _xml(body: str) -> int:
    answer = ElementTree.fromstring(body)[0]
    assert answer.tag == "httpIn"
    assert len(answer) == 0
    return int(answer.attrib["error_num"])


def _json_asp(body: str) -> int:
    said = json.loads(body)
    assert said["sms"] == []
    assert type(said["err_num"]) is int
    found: int = said["err_num"]
    return found


def _json_service(body: str) -> int:
    said = json.loads(body)
    assert (said["systemId"], said["state"]) == ("0", "Rejected")
    assert all(type(value) is str for value in said.values())
    return int(said["errcode"])


def _form(fields: Fields) -> str:
    return urllib.parse.urlencode({FORM_NAMES.get(k, k): v for k, v in fields.items()})


def _service(fields: Fields) -> bytes:
    renamed = {JSON_NAMES.get(name, name): value for name, value in fields.items()}
    renamed["mode"] = JSON_MODES.get(str(renamed.get("mode")), renamed.get("mode"))
    return json.dumps(renamed).encode()


def _posted(path: str, body: bytes, content_type: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _got(path: str, query: str) -> bytes:
    return f"GET {path}?{query} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n".encode()


def _got_or_posted(path: str, form: str) -> bytes:
    """A URL has 8 KiB at most."""
    return _got(path, form) if len(form) < 8_000 else _posted(path, form.encode(), FORM)


FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

DIALECTS: dict[str, tuple[Callable[[Fields], bytes], Read]] = {
    "in5 txt": (lambda f: _got_or_posted("/http_in5.asp", _form(f)), _txt),
    "in5 xml": (
        lambda f: _posted("/http_in5.asp", _form({**f, "format": "xml"}).encode(), FORM),
        _xml,
    ),
    "in6 txt": (lambda f: _posted("/http_in6.asp", _form(f).encode(), FORM), _txt),
    "json_in5": (
        lambda f: _posted(
            "/json_in5.asp",
            urllib.parse.urlencode(
                {"json": json.dumps({FORM_NAMES.get(k, k): v for k, v in f.items()})}
            ).encode(),
            FORM,
        ),
        _json_asp,
    ),
    "service": (lambda f: _posted("/send", _service(f), JSON), _json_service),
}


def _ask(caller: Caller, data: bytes) -> str:
    """The body; the head says 200, the length, and that nobody keeps a copy."""
    answer = caller.raw(data)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").lower().split("\r\n")
    assert lines[0] == "http/1.1 200 ok"
    assert f"content-length: {len(body)}" in lines
    assert "cache-control: no-store" in lines
    assert not any(line.startswith(("set-cookie", "location", "server")) for line in lines)
    assert any(
        line.startswith("content-type: ") and line.endswith("charset=utf-8") for line in lines
    )
    return body.decode("utf-8")


def _refused(caller: Caller, data: bytes, read: Read) -> int:
    """The error's number; the books are as they were."""
    before = caller.books()
    number = read(_ask(caller, data))
    assert caller.books() == before
    return number


CODES = {
    "arabic": "١٢٣٤٥٦",
    "full width": "１２３４",
    "mathematical": "𝟏𝟐𝟑𝟒",
    "superscript": "²³⁴⁵",
    "plus": "+1234",
    "minus": "-1234",
    "underscore": "12_34",
    "exponent": "1e55",
    "fraction": "1234.0",
    "hex": "0x1234",
    "inner space": "12 34",
    "tab": "1234\t",
    "three digits": "123",
    "nine digits": "123456789",
    "five thousand digits": "1" * 5_000,
    "zeros": "0000",
    "letters": "abcd",
    "sql": "1' OR '1'='1",
}
"""S-32..S-35 -> error 102 (105 where a character can stand nowhere)."""

PHONES = {
    "none": ("", 12),
    "arabic": ("٧٩١٢٣٤٥٦٧٨٩", 10),
    "full width": ("７９１２３４５６７８９", 10),
    "letters": ("7912CALLNOW", 10),
    "three digits": ("112", 10),
    "sixteen digits": ("7912345678901234", 10),
    "two": ("79123456789,79123456780", 106),
    "two on two lines": ("79123456789\n79123456780", 106),
    "a thousand": (",".join(f"7912{n:07d}" for n in range(1_000)), 106),
    "plus inside": ("7912+3456789", 10),
    "satellite": ("881612345678", 109),
    "international networks": ("882161234567", 109),
    "universal personal": ("979123456789", 109),
}
"""S-38..S-40."""

OTHERS: dict[str, tuple[Fields, int]] = {
    "valid_period 29": ({"valid_period": "29"}, 104),
    "valid_period 36001": ({"valid_period": "36001"}, 104),
    "valid_period -1": ({"valid_period": "-1"}, 104),
    "valid_period 0": ({"valid_period": "0"}, 104),
    "valid_period 300.5": ({"valid_period": "300.5"}, 104),
    "valid_period 10^20": ({"valid_period": "1" + "0" * 20}, 104),
    "valid_period arabic": ({"valid_period": "٣٠٠"}, 104),
    "to_sms 2": ({"to_sms": "2"}, 105),
    "to_sms yes": ({"to_sms": "yes"}, 105),
    "no mode": ({"mode": ""}, 101),
    "mode FAX": ({"mode": "FAX"}, 101),
    "mode TELE in greek": ({"mode": "ΤELE"}, 101),
    "code and message differ": ({"code": "1234", "message": "4321"}, 103),
    "both periods": ({"valid_period": "300", "validperiod": "301"}, 105),
    "control character": ({"user_id": "1\x0b2"}, 105),
    "null character": ({"user_id": "1\x002"}, 105),
    "noncharacter": ({"user_id": "1\ufffe2"}, 105),
    "emoji id": ({"user_id": "\U0001f600"}, 105),
    "ten kilobytes of id": ({"user_id": "7" * 10_240}, 105),
}


def _code(name: str) -> tuple[Fields, set[int]]:
    return {"code": CODES[name]}, {102, 105} if name == "tab" else {102}


CASES: dict[str, tuple[Fields, set[int]]] = {
    **{f"code: {name}": _code(name) for name in CODES},
    **{f"phone: {name}": ({"phone": p}, {n}) for name, (p, n) in PHONES.items()},
    **{name: (fields, {number}) for name, (fields, number) in OTHERS.items()},
}


MATRIX = [
    (case, dialect)
    for case in CASES
    for dialect in DIALECTS
    if not (case.startswith("to_sms") and dialect == "service")  # which has modes 6 and 7 instead
]


@pytest.mark.parametrize(("case", "dialect"), MATRIX)
def test_bad_values_get_their_error_and_change_nothing(
    shared: Caller, case: str, dialect: str
) -> None:
    changed, expected = CASES[case]
    build, read = DIALECTS[dialect]
    fields = {"login": shared.login, "password": shared.password, **GOOD, **changed}
    assert _refused(shared, build(fields), read) in expected


IDS = ("0", "-1", "1e3", "0x10", "1_0", "١٢", "9007199254740993", "9223372036854775808", "1" * 31)
"""S-31."""


@pytest.mark.parametrize("value", IDS)
@pytest.mark.parametrize("name", ["packet_id", "message_id"])
def test_ids_that_are_none_are_refused(shared: Caller, name: str, value: str) -> None:
    fields = {"login": shared.login, "password": shared.password, **GOOD}
    query = _form(fields) + f"&{name}={urllib.parse.quote(value)}"
    assert _refused(shared, _got("/http_in5.asp", query), _txt) == 105
    asked = _form({"login": shared.login, "password": shared.password}) + (
        f"&{name}={urllib.parse.quote(value)}&format=xml"
    )
    answer = ElementTree.fromstring(_ask(shared, _got("/http_out5.asp", asked)))[0]
    assert answer.tag == "httpOut"
    assert answer.attrib["error_num"] == "105"


def test_a_large_id_that_nobody_has_is_not_found(shared: Caller) -> None:
    for value in (2**31, 2**53 - 1):
        body = shared.post("/http_out5.asp", packet_id=value, format="xml")
        assert ElementTree.fromstring(body)[0].attrib["error_num"] == "107"


RAW_FORMS: dict[str, tuple[str, int]] = {
    "the same name twice": ("mode=TELE&phone_list=79123456789&code=1111&code=2222", 105),
    "two spellings that differ": ("mode=TELE&phone_list=79123456789&Phone_List=79123456780", 105),
    "sixty five parameters": (
        "mode=TELE&phone_list=79123456789&" + "&".join(f"x{n}=1" for n in range(65)),
        105,
    ),
    "twenty thousand parameters": (
        "mode=TELE&phone_list=79123456789&" + "&".join(["a"] * 20_000),
        105,
    ),
    "array-like login": ("http_username[]=demo&mode=TELE&phone_list=79123456789&test=2", 105),
    "an unknown test": ("mode=TELE&phone_list=79123456789&test=2", 105),
    "a line break in an id": (
        "mode=TELE&phone_list=79123456789&packet_id=a%0d%0a[Summary]%0d%0aerror_code=0",
        105,
    ),
    "markup in an id": (
        "mode=TELE&phone_list=79123456789&message_id=%27%3E%3Csms%20result_id=%276",
        105,
    ),
    "an entity in an id": ("mode=TELE&phone_list=79123456789&packet_id=%26xxe%3B%5D%5D%3E", 105),
    "truncated utf-8": ("mode=TELE&phone_list=79123456789%d0&packet_id=7", 10),
}


@pytest.mark.parametrize("name", RAW_FORMS)
def test_bad_forms_get_their_error_and_change_nothing(shared: Caller, name: str) -> None:
    text, expected = RAW_FORMS[name]
    body = f"{_form({'login': shared.login, 'password': shared.password})}&{text}"
    assert _refused(shared, _posted("/http_in5.asp", body.encode(), FORM), _txt) == expected


def test_a_code_in_the_query_and_another_in_the_body_are_refused(shared: Caller) -> None:
    body = _form({"login": shared.login, "password": shared.password, **GOOD, "code": "1111"})
    data = _posted("/http_in5.asp?code=2222", body.encode(), FORM)
    assert _refused(shared, data, _txt) == 105


def test_equal_duplicates_and_unknown_names_do_no_harm(shared: Caller) -> None:
    body = _form({"login": shared.login, "password": shared.password, **GOOD}) + (
        "&Mode=TELE&nosplit=1&speed=9&phone_list=%2B7%20(912)%20345-67-89&phone_list=79123456789"
    )
    answer = _ask(shared, _posted("/http_in5.asp", (body + "&test=1").encode(), FORM))
    assert "error_code = 105" in answer  # two spellings of one phone are two values
    plain = body.replace("&phone_list=%2B7%20(912)%20345-67-89", "")
    answer = _ask(shared, _posted("/http_in5.asp", (plain + "&test=1").encode(), FORM))
    assert "error_num = OK" in answer


@pytest.mark.parametrize("phone", ["+79123456789", "8 (912) 345-67-89", "007 912 345 67 89"])
def test_the_ways_people_write_a_phone_are_one_number(shared: Caller, phone: str) -> None:
    assert shared.send(phone, test=1)["message_phone"] == PHONE


@pytest.mark.parametrize("format", ["xml", "XML", "txt", "TEXT"])
def test_errors_come_in_the_format_that_was_asked_for(shared: Caller, format: str) -> None:
    body = shared.post("/http_in5.asp", mode="FAX", phone_list=PHONE, format=format)
    assert (_xml if format.lower() == "xml" else _txt)(body) == 101


@pytest.mark.parametrize("format", ["json", "x<y", "xml'"])
def test_an_unknown_format_is_told_in_txt(shared: Caller, format: str) -> None:
    body = shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, format=format)
    assert _txt(body) == 105


def _service_with(shared: Caller, member: str) -> bytes:
    login = f'"login":"{shared.login}","pass":"{shared.password}"'
    return f'{{{login},"tel_list":"{PHONE}","mode":"6"{member}}}'.encode()


JSON_BODIES: dict[str, tuple[Callable[[Caller], bytes], set[int]]] = {
    "nothing": (lambda c: b"", {111}),
    "an array": (lambda c: b"[" + _service_with(c, "") + b"]", {111}),
    "a text": (lambda c: b'"demo"', {111}),
    "null": (lambda c: b"null", {111}),
    "trailing data": (lambda c: _service_with(c, "") + b"{}", {111}),
    "a comment": (lambda c: _service_with(c, "/* x */"), {111}),
    "the same name twice": (lambda c: _service_with(c, ',"code":"1111","code":"2222"'), {111}),
    "NaN": (lambda c: _service_with(c, ',"code":NaN'), {111}),
    "1e400": (lambda c: _service_with(c, ',"code":1e400'), {111}),
    "five thousand digits": (lambda c: _service_with(c, ',"code":' + "1" * 5_000), {111}),
    "a fraction": (lambda c: _service_with(c, ',"code":1234.0'), {102}),
    "true": (lambda c: _service_with(c, ',"code":true'), {102}),
    "a list": (lambda c: _service_with(c, ',"code":["1234"]'), {102}),
    "an object": (lambda c: _service_with(c, ',"code":{"a":1}'), {102}),
    "half a character": (lambda c: _service_with(c, ',"user_mess_id":"\\ud800"'), {111}),
    "a hundred thousand brackets": (
        lambda c: _service_with(c, ',"x":' + "[" * 30_000 + "]" * 30_000),
        {111},
    ),
    "a thousand members": (
        lambda c: _service_with(c, "".join(f',"x{n}":1' for n in range(1_000))),
        {111},
    ),
    "mode true": (lambda c: _service_with(c, "").replace(b'"6"', b"true"), {101}),
    "mode 6.0": (lambda c: _service_with(c, "").replace(b'"6"', b"6.0"), {101}),
    "mode list": (lambda c: _service_with(c, "").replace(b'"6"', b"[6]"), {101}),
    "mode null": (lambda c: _service_with(c, "").replace(b'"6"', b"null"), {101}),
    "mode 66": (lambda c: _service_with(c, "").replace(b'"6"', b"66"), {101}),
    "two periods": (
        lambda c: _service_with(c, ',"validPeriod":"30","valid_period":"31"'),
        {105},
    ),
    "not utf-8": (lambda c: _service_with(c, ',"user_mess_id":"\xff"').replace(
        "\xff".encode(), b"\xff"), {111}),
}  # fmt: skip
"""S-73..S-76."""


@pytest.mark.parametrize("name", JSON_BODIES)
@pytest.mark.parametrize("port", ["wire", "json"])
def test_bad_json_gets_its_error_and_changes_nothing(shared: Caller, name: str, port: str) -> None:
    build, expected = JSON_BODIES[name]
    before = shared.books()
    answer = shared.raw(_posted("/send", build(shared), JSON), port=getattr(shared.gateway, port))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert _json_service(body.decode()) in expected
    assert shared.books() == before


@pytest.mark.parametrize("mode", ["6", " 6 ", 6])
def test_the_mode_of_the_service_may_be_number_or_text(shared: Caller, mode: object) -> None:
    sent = shared.json("/send", tel_list=PHONE, mode=mode, code=1234)
    assert (sent["state"], sent["code"]) == ("Accepted", "1234")


NASTY = "'><sms result_id='6'/>&xxe;]]><!ENTITY x \"y\">;--"


def test_a_nasty_id_comes_back_as_the_same_text_and_as_nothing_else(shared: Caller) -> None:
    sent = shared.json("/send", tel_list=PHONE, mode=6, user_mess_id=NASTY)
    assert (sent["userMessId"], sent["state"]) == (NASTY, "Accepted")
    status = shared.json("/status", user_mess_id=NASTY)
    assert status["userMessId"] == NASTY
    assert [m["message_id"] for m in shared.packet(sent["pakage"])] == [sent["systemId"]]


def test_a_header_cannot_be_smuggled_in_by_any_value(shared: Caller) -> None:
    nasty = "demo%0d%0aSet-Cookie:%20a=b"
    for path in ("/http_in5.asp", "/http_credit.asp", "/http_out5.asp"):
        answer = shared.raw(_got(path, f"http_username={nasty}&http_password={nasty}"))
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"set-cookie" not in head
        assert head.startswith(b"http/1.1 200 ok")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shared: Caller) -> None:
    before = shared.books()
    head = b"POST /http_in5.asp HTTP/1.1\r\nHost: gate\r\nContent-Length: 20000000\r\n\r\n"
    assert shared.raw(head).split(b" ")[1] == b"413"
    assert shared.books() == before


def test_the_log_stays_one_json_object_a_line(shared: Caller) -> None:
    login = '\x1b[31mroot\r\n{"forged": true}'
    shared.raw(_got("/http_in5.asp", urllib.parse.urlencode({"http_username": login})))
    path = Path(shared.gateway.log)
    lines = [x for x in path.read_text("utf-8").splitlines() if x.startswith("{")]
    assert lines
    assert not any("forged" in json.loads(line) for line in lines)
    assert "\x1b" not in path.read_text("utf-8")


def test_all_of_it_left_the_ledger_sound(shared: Caller) -> None:
    assert shared.problems() == []
