"""The answers through the parsers that customers really use, and the requests that they send."""

from __future__ import annotations

import configparser
import json
import subprocess
import urllib.parse
from typing import Any
from xml.dom import minidom

import pytest
from tests.e2e.caller import Caller

pytestmark = pytest.mark.e2e

PHONE = "79123456789"

READ_INI = """
$answer = parse_ini_string(stream_get_contents(STDIN), true);
if ($answer === false) { fwrite(STDERR, "not INI"); exit(1); }
echo json_encode($answer);
"""
READ_XML = """
$xml = simplexml_load_string(stream_get_contents(STDIN));
if ($xml === false) { fwrite(STDERR, "not XML"); exit(1); }
$first = $xml->children()[0];
$found = ['name' => $first->getName()];
foreach ($first->attributes() as $k => $v) { $found[$k] = (string)$v; }
foreach ($first->sms as $sms) {
  $one = [];
  foreach ($sms->attributes() as $k => $v) { $one[$k] = (string)$v; }
  $found['sms'][] = $one;
}
echo json_encode($found, JSON_UNESCAPED_UNICODE);
"""
# What many shops still run: a match of this means "sent".
FIND_ID = """
$body = stream_get_contents(STDIN);
preg_match('/message_id\\s*=\\s*[0-9]+/i', $body, $id);
preg_match('/message_cost\\s*=\\s*[0-9,]+/i', $body, $cost);
echo json_encode([$id[0] ?? '', $cost[0] ?? '']);
"""


def _php(code: str, body: str) -> Any:
    done = subprocess.run(
        ["php", "-d", "display_errors=stderr", "-r", code],
        input=body.encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return json.loads(done.stdout)


@pytest.mark.php
def test_php_reads_an_accepted_send_as_ini(shared: Caller) -> None:
    body = shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, packet_id=77, code="0471")
    answer = _php(READ_INI, body)
    assert answer["Common"]["error_num"] == "OK"
    assert answer["Common"]["user_packet_id"] == "77"
    assert answer["1"]["code"] == answer["1"]["message"] == "0471"
    assert answer["1"]["message_cost"] == answer["Summary"]["packet_cost"] == "2,10"
    assert "error_code" not in answer["Common"]
    assert answer["Summary"]["error_code"] == "0"


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "password": ({"http_password": "wrong-wrong-wrong-wrong"}, "1"),
    "mode": ({"mode": "FAX"}, "101"),
    "no phone": ({"phone_list": ""}, "12"),
    "phone": ({"phone_list": "abc"}, "10"),
    "two phones": ({"phone_list": f"{PHONE},79120000000"}, "106"),
    "code": ({"code": "12"}, "102"),
    "codes": ({"code": "1234", "message": "4321"}, "103"),
    "period": ({"valid_period": "29"}, "104"),
    "parameter": ({"to_sms": "5"}, "105"),
    "zone": ({"phone_list": "881612345678"}, "109"),
    "login": ({"http_username": ""}, "22"),
    "no password": ({"http_password": ""}, "21"),
}


@pytest.mark.php
@pytest.mark.parametrize("name", REFUSALS)
def test_php_reads_every_refusal_as_ini_and_as_xml(shared: Caller, name: str) -> None:
    changed, number = REFUSALS[name]
    fields = {"mode": "TELE", "phone_list": PHONE, **changed}
    body = shared.post("/http_in5.asp", **fields)
    answer = _php(READ_INI, body)
    assert answer["Common"]["error_num"] != "OK"
    assert answer["Common"]["error_code"] == answer["Summary"]["error_code"] == number
    assert _php(FIND_ID, body)[0] == ""
    found = _php(READ_XML, shared.post("/http_in5.asp", format="xml", **fields))
    assert (found["name"], found["error_num"], found["packet_id"]) == ("httpIn", number, "0")
    assert "sms" not in found


@pytest.mark.php
def test_php_reads_sends_and_statuses_as_xml(shared: Caller) -> None:
    body = shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, format="xml")
    sent = _php(READ_XML, body)
    assert (sent["name"], sent["error_num"]) == ("httpIn", "0")
    shared.until_final(sent["packet_id"])
    status = _php(
        READ_XML, shared.post("/http_out5.asp", packet_id=sent["packet_id"], format="xml")
    )
    (sms,) = status["sms"]
    assert (sms["result_id"], sms["result_info"]) == ("6", "доставлено")
    assert (sms["message"], sms["message_id"]) == (
        sent["sms"][0]["code"],
        sent["sms"][0]["message_id"],
    )
    assert sms["delivered_date"][2:6:3] == ".."


@pytest.mark.php
def test_the_snippet_that_everybody_copied_finds_the_right_id(shared: Caller) -> None:
    body = shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, message_id=55, packet_id=66)
    sent = _php(READ_INI, body)
    found = _php(FIND_ID, body)
    assert found == [f"message_id = {sent['1']['message_id']}", "message_cost = 2,10"]


@pytest.mark.php
def test_php_reads_a_status_as_ini(shared: Caller) -> None:
    sent = shared.send(PHONE)
    shared.until_final(sent["packet_id"])
    answer = _php(READ_INI, shared.post("/http_out5.asp", packet_id=sent["packet_id"]))
    assert (answer["Common"]["error_num"], answer["1"]["result_id"]) == ("OK", "6")


def test_a_dom_reader_that_takes_the_first_child_finds_the_answer(shared: Caller) -> None:
    for path, name, more in (
        ("/http_in5.asp", "httpIn", {"mode": "TELE", "phone_list": PHONE}),
        ("/http_in5.asp", "httpIn", {"mode": "FAX", "phone_list": PHONE}),
        ("/http_out5.asp", "httpOut", {"packet_id": 999_999}),
    ):
        body = shared.post(path, format="xml", **more)
        assert body.startswith("<?xml version='1.0' encoding='UTF-8' ?>")
        first = minidom.parseString(body).documentElement.childNodes[0]
        assert first.nodeName == name
        if more.get("mode") == "TELE":
            elements = [node for node in first.childNodes if node.nodeType == node.ELEMENT_NODE]
            assert [node.nodeName for node in elements] == ["sms"]


def test_a_strict_ini_reader_takes_every_txt_answer(shared: Caller) -> None:
    sent = shared.send(PHONE)
    bodies = [
        shared.post("/http_out5.asp", packet_id=sent["packet_id"]),
        shared.post("/http_out5.asp", message_id=sent["message_id"]),
        shared.post("/http_out5.asp", packet_id=999_999),
        shared.post("/http_out5.asp"),
        shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, test=1),
    ]
    for body in bodies:
        assert "\r\n" in body
        assert "\n" not in body.replace("\r\n", "")
        configparser.ConfigParser(interpolation=None, strict=True).read_string(body)


def test_a_client_that_splits_on_equals_with_spaces_sees_errors(shared: Caller) -> None:
    body = shared.post("/http_in5.asp", mode="TELE", phone_list=PHONE, code="12")
    pairs = dict(line.split(" = ") for line in body.split("\r\n") if " = " in line)
    assert pairs["error_num"] == "Bad code"


def test_errors_are_two_hundreds_for_clients_that_throw_on_four(shared: Caller) -> None:
    said = shared.json("/send", tel_list=PHONE, mode="5")  # urllib throws on 4xx
    assert (said["state"], said["errcode"], type(said["errcode"])) == ("Rejected", "101", str)
    said = shared.json("/status")
    assert said["errcode"] == "108"
    said = shared.json("/confirm", package_id="1", code="0")
    assert said["state"] == "Rejected"
    assert json.loads(shared.post("/json_in5.asp", json="{"))["err_num"] == 111


def _path_of(shared: Caller, path: str = "/http_in5.asp", **more: object) -> str:
    fields = {
        "http_username": shared.login,
        "http_password": shared.password,
        "mode": "TELE",
        "phone_list": PHONE,
        "test": 1,
        **more,
    }
    return f"{path}?{urllib.parse.urlencode(fields)}"


def _form(shared: Caller) -> bytes:
    return _path_of(shared).partition("?")[2].encode()


def _ok(answer: bytes) -> bytes:
    """The body of the one answer that came. Clients compare the whole status line (D-7)."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    assert length == len(body)
    assert b"transfer-encoding" not in head.lower()
    assert b"error_num = OK" in body, body
    return body


def test_http_1_0_without_a_host_is_answered_and_closed(shared: Caller) -> None:
    _ok(shared.raw(f"GET {_path_of(shared)} HTTP/1.0\r\n\r\n".encode()))


@pytest.mark.parametrize("after", [b"", b"\r\n", b"\r\n\r\n"])
def test_line_breaks_after_the_body_of_an_old_post_do_no_harm(shared: Caller, after: bytes) -> None:
    body = _form(shared)
    head = (
        f"POST /http_in5.asp HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    _ok(shared.raw(head.encode() + body + after))


def test_line_breaks_at_the_end_inside_the_body_do_no_harm(shared: Caller) -> None:
    body = _form(shared) + b"\r\n\r\n"
    head = f"POST /http_in5.asp HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    _ok(shared.raw(head.encode() + body))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_absolute_form_is_answered(shared: Caller, version: str) -> None:
    host = "" if version == "1.0" else "Host: cab.example\r\n"
    target = f"http://cab.example{_path_of(shared)}"
    data = f"GET {target} HTTP/{version}\r\n{host}Connection: close\r\n\r\n"
    _ok(shared.raw(data.encode()))


@pytest.mark.parametrize(
    "path", ["//http_in5.asp", "/HTTP_IN5.ASP", "///Http_In5.Asp", "/http_in6.asp"]
)
def test_the_path_is_taken_as_old_servers_took_it(shared: Caller, path: str) -> None:
    data = f"GET {_path_of(shared, path)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    _ok(shared.raw(data.encode()))


def test_raw_braces_and_quotes_stand_in_a_query(shared: Caller) -> None:
    fields = {
        "http_username": shared.login,
        "http_password": shared.password,
        "mode": "TELE",
        "phone_list": PHONE,
        "test": "1",
    }
    asked = json.dumps(fields, separators=(",", ":"))
    data = f"GET /json_in5.asp?json={asked} HTTP/1.0\r\n\r\n".encode()
    head, _, body = shared.raw(data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    said = json.loads(body)
    assert (said["error"], said["err_num"], said["balance_before"].count(",")) == ("OK", 0, 1)


def test_a_login_in_windows_1251_is_nobodys_and_breaks_nothing(shared: Caller) -> None:
    query = "http_username=%EF%F0%E8%E2%E5%F2&http_password=x&mode=TELE&phone_list=" + PHONE
    answer = shared.raw(f"GET /http_in5.asp?{query} HTTP/1.0\r\n\r\n".encode())
    assert b"error_code = 1\r\n" in answer


def test_names_are_taken_in_any_case_and_with_the_documents_misspellings(shared: Caller) -> None:
    sent = shared.send(PHONE)
    for name in ("packet_id", "PACKET_ID", "paket_id", "packet_id "):
        body = shared.get("/http_out5.asp", **{name: sent["packet_id"]})
        assert f"packet_id = {sent['packet_id']}" in body


def test_the_balance_is_a_number_alone(shared: Caller) -> None:
    text = shared.post("/http_credit.asp")
    assert text.replace(",", "").isdigit()
    xml = shared.post("/http_credit.asp", format="XML")
    assert xml == f"<?xml version='1.0' encoding='UTF-8' ?><XML>{text}</XML>"


def test_two_requests_on_one_connection_are_answered_in_order(shared: Caller) -> None:
    one = f"GET {_path_of(shared, code='1111')} HTTP/1.1\r\nHost: x\r\n\r\n"
    two = f"GET {_path_of(shared, code='2222')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = shared.raw((one + two).encode())
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b"code = 1111") < answer.index(b"code = 2222")


def test_a_simulation_answers_each_number_without_an_account(shared: Caller) -> None:
    before = shared.books()
    ten = ",".join(f"7912345678{n}" for n in range(10))
    data = f"GET /http_in5.asp?mode=TELE&phone_list={ten}&test=-1 HTTP/1.0\r\n\r\n"
    body = _ok(shared.raw(data.encode()))
    assert body.count(b"message_phone") == 10
    credit = shared.raw(b"GET /http_credit.asp?test=-1 HTTP/1.0\r\n\r\n")
    assert credit.endswith(b"408,71")
    assert shared.books() == before
