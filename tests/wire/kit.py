"""What the wire tests share: requests, outcomes, and the strict readers of answers."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
from dataclasses import replace
from urllib.parse import urlencode
from xml.dom import minidom

import pytest

from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings
from kodgate.core.errors import Refused
from kodgate.core.requests import (
    MessageStatus,
    PacketStatus,
    Refusal,
    Sent,
    SentMessage,
)
from kodgate.wire import Call, HttpAnswer, HttpRequest, http_asp, json_asp, json_service

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
DEFAULTS = AccountSettings()
HTTP, JSON_ASP, JSON_SERVICE = http_asp.DIALECT, json_asp.DIALECT, json_service.DIALECT
DIALECTS = {dialect.name: dialect for dialect in (HTTP, JSON_ASP, JSON_SERVICE)}

GOOD_FORM = {
    "http_username": "alice",
    "http_password": "alicesecret",
    "mode": "TELE",
    "phone_list": "79123456789",
}
GOOD_JSON = {"login": "alice", "pass": "alicesecret", "mode": "6", "tel_list": "79123456789"}

TELEGRAM = MessageStatus(
    num=1,
    message_id=7710258,
    channel="telegram",
    phone="79123456789",
    code="123456",
    zone=1,
    result=results.BY_ID[7],
    delivered_at=None,
    cost=0,
)
SMS = replace(
    TELEGRAM,
    num=2,
    message_id=7710259,
    channel="sms",
    result=results.BY_ID[6],
    delivered_at=1_758_101_663_000,
    cost=42_000,
)
FALLEN_BACK = PacketStatus(
    packet_id=1234, messages=(TELEGRAM, SMS), asked=SMS, caller_ip="192.0.2.1"
)
SENT = Sent(
    packet_id=33,
    messages=(
        SentMessage(message_id=7710258, phone="79123456789", code="123456", zone=1, cost=21_000),
    ),
    balance_before=4_087_100,
    balance_after=4_066_100,
    caller_ip="192.0.2.1",
)


def request(
    path: str, query: str | bytes = b"", body: str | bytes = b"", content_type: str = ""
) -> HttpRequest:
    def raw(text: str | bytes) -> bytes:
        return text.encode() if isinstance(text, str) else text

    method = "POST" if body else "GET"
    return HttpRequest(
        method=method, path=path, query=raw(query), body=raw(body), content_type=content_type
    )


def form_call(given: dict[str, object], path: str = "/http_in5.asp") -> Call:
    return HTTP.read(request(path, body=urlencode(given), content_type=FORM))


def json_asp_call(given: dict[str, object]) -> Call:
    body = urlencode({"json": json.dumps(given)})
    return JSON_ASP.read(request("/json_in5.asp", body=body, content_type=FORM))


def json_call(given: dict[str, object] | str, path: str = "/send") -> Call:
    text = given if isinstance(given, str) else json.dumps(given)
    return JSON_SERVICE.read(request(path, body=text, content_type=JSON))


def refusal_of(parse, *arguments: object) -> str:
    """The name of the error that a parser refuses with; `accepted` if it does not."""
    try:
        parse(*arguments)
    except Refused as refused:
        return refused.error.name
    return "accepted"


def refusal(name: str, **more: object) -> Refusal:
    return Refusal(error=errors.BY_NAME[name], caller_ip="192.0.2.1", **more)  # type: ignore[arg-type]


def strict_ini(answer: HttpAnswer) -> dict[str, dict[str, str]]:
    """Python's own reader, which refuses repeated keys and sections."""
    reader = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=())
    charset = answer.content_type.partition("charset=")[2]
    reader.read_string(answer.body.decode(charset))
    return {name: dict(reader[name]) for name in reader.sections()}


def first_child(answer: HttpAnswer) -> minidom.Element:
    """As the original service's own Java class reads: child 0 of <XML>, whatever it is (D-1)."""
    root = minidom.parseString(answer.body).documentElement
    child = root.childNodes[0]
    assert isinstance(child, minidom.Element), "white space before the first child"
    return child


def php(script: str, text: bytes) -> object:
    """Runs `script` (which reads $t and sets $r) in PHP and gives $r back through JSON."""
    if shutil.which("php") is None:
        if os.environ.get("KODGATE_REQUIRE_ALL") == "1":
            pytest.fail("php-cli is needed and not installed")
        pytest.skip("php-cli is not installed: the PHP readers are not run")
    code = f"$t = stream_get_contents(STDIN); {script} echo json_encode($r);"
    done = subprocess.run(
        ["php", "-d", "display_errors=stderr", "-r", code],
        input=text,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == b"", done.stderr
    return json.loads(done.stdout)
