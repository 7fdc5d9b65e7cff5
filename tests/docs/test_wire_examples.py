"""The answers that the reference pages print are the answers that the wire writes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from tests.docs.tree import page

from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings
from kodgate.core.requests import (
    Confirmed,
    Credentials,
    MessageStatus,
    PacketStatus,
    Refusal,
    Sent,
    SentMessage,
)
from kodgate.wire import Call, http_asp, json_asp, json_service

IP = "192.0.2.1"
PHONE = "79123456789"
SETTINGS = AccountSettings()
READ_AT = int(datetime(2025, 9, 17, 9, 34, 23, tzinfo=UTC).timestamp()) * 1000

MESSAGE = SentMessage(message_id=7710258, phone=PHONE, code="123456", zone=1, cost=21_000)
UNREAD = MessageStatus(
    num=1,
    message_id=7710258,
    channel="telegram",
    phone=PHONE,
    code="123456",
    zone=1,
    result=results.BY_ID[7],
    delivered_at=None,
    cost=0,
)
BY_SMS = MessageStatus(
    num=2,
    message_id=7710259,
    channel="sms",
    phone=PHONE,
    code="123456",
    zone=1,
    result=results.BY_ID[6],
    delivered_at=READ_AT,
    cost=42_000,
)


def call(operation: str, form: str) -> Call:
    nobody = Credentials(login="", password="", in_query=False)
    return Call(
        operation=operation, format=form, parameters={}, credentials=nobody, simulation=False
    )


def sent(*, packet_id: int = 33, user_packet_id: str | None = None) -> Sent:
    return Sent(
        packet_id=packet_id,
        messages=(MESSAGE,),
        balance_before=4_087_100,
        balance_after=4_066_100,
        caller_ip=IP,
        user_packet_id=user_packet_id,
        user_message_id="77",
    )


def status(packet_id: int) -> PacketStatus:
    return PacketStatus(
        packet_id=packet_id,
        messages=(UNREAD, BY_SMS),
        asked=BY_SMS,
        caller_ip=IP,
        user_message_id="77",
    )


def refusal(name: str, balance: int | None = None) -> Refusal:
    return Refusal(error=errors.BY_NAME[name], caller_ip=IP, balance=balance, user_message_id="77")


def examples(name: str, language: str) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)
    return [block.strip() for block in blocks]


HTTP = http_asp.DIALECT
BODIES = {
    "sent-txt": HTTP.render_sent(call("send", "txt"), sent(user_packet_id="77"), SETTINGS),
    "sent-xml": HTTP.render_sent(call("send", "xml"), sent(), SETTINGS),
    "no-funds-txt": HTTP.render_refusal(call("send", "txt"), refusal("NO_FUNDS", 10_000), SETTINGS),
    "no-funds-xml": HTTP.render_refusal(call("send", "xml"), refusal("NO_FUNDS", 10_000), SETTINGS),
    "status-xml": HTTP.render_status(call("status", "xml"), status(33), SETTINGS),
    "not-found-xml": HTTP.render_refusal(call("status", "xml"), refusal("NOT_FOUND"), SETTINGS),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_answer_of_the_http_interface_is_printed_as_it_is_written(name: str) -> None:
    body = BODIES[name].body.decode().replace("\r\n", "\n").strip()
    known = examples("docs/reference/http.md", "text") + examples("docs/reference/http.md", "xml")
    assert body in known


def test_answers_of_json_in5_are_printed_as_they_are_written() -> None:
    known = examples("docs/reference/http.md", "json")
    dialect = json_asp.DIALECT
    assert dialect.render_sent(call("send", "json"), sent(), SETTINGS).body.decode() in known
    refused = dialect.render_refusal(call("send", "json"), refusal("NO_FUNDS"), SETTINGS)
    assert refused.body.decode() in known


def test_answers_of_the_json_service_are_printed_as_they_are_written() -> None:
    dialect = json_service.DIALECT
    known = [json.loads(block) for block in examples("docs/reference/json.md", "json")]
    confirmed = Confirmed(packet_id=1234, user_message_id="77")
    for answer in (
        dialect.render_sent(call("send", "json"), sent(packet_id=1234), SETTINGS),
        dialect.render_refusal(call("send", "json"), refusal("NO_FUNDS"), SETTINGS),
        dialect.render_status(call("status", "json"), status(1234), SETTINGS),
        dialect.render_confirmed(call("confirm", "json"), confirmed, SETTINGS),
    ):
        assert json.loads(answer.body) in known
