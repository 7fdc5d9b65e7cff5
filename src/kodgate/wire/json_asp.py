"""json_in5.asp: the send of the HTTP interface, as a JSON object in the field `json` (D-10)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlencode

from kodgate.core.accounts import AccountSettings
from kodgate.core.errors import OK, Refused
from kodgate.core.requests import (
    Credentials,
    Refusal,
    SendRequest,
    Sent,
    SentMessage,
    Simulation,
)
from kodgate.wire import (
    Call,
    HttpAnswer,
    HttpRequest,
    Unreadable,
    fields,
    http_asp,
    parameters,
    readers,
)
from kodgate.wire.http_asp import MANNER, SEND_NAMES, TESTS, Posting
from kodgate.wire.parameters import Parameters
from kodgate.wire.unrouted import Unrouted
from kodgate.wire.writers import COMMA, Purse, json_answer

PATH = "/json_in5.asp"


class JsonAsp(Unrouted):
    """Keys as in `http_in5.asp`; `err_num` is a number, which clients compare as one (D-4)."""

    name = "json_asp"
    routes: Mapping[str, str] = MappingProxyType({PATH: "send"})

    def read(self, request: HttpRequest) -> Call:
        try:
            given = _read(request)
        except Refused as refused:
            given = Parameters(values={}, error=refused.error.name)
        return Call(
            operation="send",
            format="json",
            parameters=given.values,
            credentials=Credentials(
                login=given["login"],
                password=given["password"],
                in_query=not given.in_query.isdisjoint({"login", "password"}),
            ),
            simulation=given["test"] == "-1",
            error=given.error or (None if given["test"] in TESTS else "BAD_PARAMETER"),
        )

    def parse_send(self, call: Call, settings: AccountSettings) -> SendRequest:
        return fields.send(call, settings, MANNER)

    def parse_simulation(self, call: Call) -> Simulation:
        return fields.simulation(call, MANNER)

    def render_sent(self, call: Call, sent: Sent, settings: AccountSettings) -> HttpAnswer:
        costs = (message.cost for message in sent.messages)
        purse = Purse(settings, sent.balance_before, sent.balance_after, *costs)
        user_packet_id = sent.user_packet_id
        return json_answer(
            {
                "error": OK.en,
                "err_num": OK.number,
                "packet_id": str(sent.packet_id),
                **({} if user_packet_id is None else {"user_packet_id": user_packet_id}),
                "balance_before": purse.text(sent.balance_before, COMMA),
                "sender_ip": sent.caller_ip,
                "sms": [_message(message, purse) for message in sent.messages],
                "summ_phone": str(len(sent.messages)),
                "summ_parts": str(sum(message.parts for message in sent.messages)),
                "packet_cost": purse.text(sent.packet_cost, COMMA),
                "balance_after": purse.text(sent.balance_after, COMMA),
            }
        )

    def render_refusal(self, call: Call, refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
        packet = {} if refusal.packet_id is None else {"packet_id": str(refusal.packet_id)}
        return json_answer(
            {"error": refusal.error.en, "err_num": refusal.error.number, **packet, "sms": []}
        )


def _read(request: HttpRequest) -> Parameters:
    """The object is the field `json` of the form or query, or the body itself. Raises Refused."""
    if "json" in request.content_type.lower() or request.body.lstrip().startswith(b"{"):
        text = parameters.json_text(request.body, request.content_type)
        return parameters.json_parameters(parameters.json_object(text), SEND_NAMES)
    outer = parameters.form(
        request.query,
        request.body,
        content_type=request.content_type,
        names={"json": "json"},
        charsets=parameters.UTF_8,
    )
    if outer.error is not None:
        raise Refused(outer.error)
    return parameters.json_parameters(
        parameters.json_object(outer["json"]), SEND_NAMES, in_query="json" in outer.in_query
    )


def _message(message: SentMessage, purse: Purse) -> dict[str, str]:
    return {
        "message_id": str(message.message_id),
        "message_phone": message.phone,
        "message_parts": str(message.parts),
        "message_zone": str(message.zone),
        "message_cost": purse.text(message.cost, COMMA),
        "code": message.code,
    }


# The client's half


def build_send(login: str, password: str, request: SendRequest | Simulation) -> Posting:
    """The HTTP interface's own parameters, as one JSON object in a form field."""
    members = {"http_username": login, "http_password": password}
    members |= http_asp.send_parameters(request)
    body = urlencode({"json": json.dumps(members, ensure_ascii=False)})
    return PATH, body.encode("ascii"), http_asp.FORM


def read_sent(body: bytes) -> Sent:
    """Raises ApiFailure, Unreadable."""
    members = readers.json_members(body)
    common = readers.json_fields(members)
    said = common.get("err_num")
    if said is None:
        raise Unreadable("no err_num")
    messages = [readers.json_fields(item) for item in readers.json_list(members.get("sms"))]
    found = {**common, "error_num": said, "error_text": common.get("error", "")}
    return readers.sent(readers.Answer(common=found, messages=messages))


DIALECT = JsonAsp()
