"""The JSON service of port 8787: /send, /status, and /confirm, which is an addition (D15)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kodgate.core.accounts import AccountSettings
from kodgate.core.errors import OK, Refused
from kodgate.core.requests import (
    Confirmed,
    ConfirmRequest,
    Credentials,
    MessageStatus,
    Mode,
    PacketStatus,
    Refusal,
    SendRequest,
    Sent,
    StatusQuery,
)
from kodgate.wire import Call, HttpAnswer, HttpRequest, Unreadable, fields, parameters, readers
from kodgate.wire.http_asp import Posting
from kodgate.wire.parameters import Parameters
from kodgate.wire.unrouted import Unrouted
from kodgate.wire.writers import POINT, Purse, json_answer, local_time

SEND_PATH = "/send"
STATUS_PATH = "/status"
CONFIRM_PATH = "/confirm"

JSON = "application/json; charset=utf-8"

CREDENTIAL_NAMES = {"login": "login", "pass": "password"}

SEND_NAMES = CREDENTIAL_NAMES | {
    "message": "message",
    "code": "code",
    "tel_list": "phone",
    "user_mess_id": "user_message_id",
    "mode": "mode",
    "to_sms": "to_sms",
    "validperiod": "ttl",
    "valid_period": "ttl",
}

STATUS_NAMES = CREDENTIAL_NAMES | {
    "mess_id": "message_id",
    "user_mess_id": "user_message_id",
    "package_id": "packet_id",
    "packet_id": "packet_id",
    "paket_id": "packet_id",
    "pakage": "packet_id",
}

CONFIRM_NAMES = STATUS_NAMES | {"code": "code"}

NAMES = {"send": SEND_NAMES, "status": STATUS_NAMES, "confirm": CONFIRM_NAMES}

MODES = {"6": Mode.TELE, "7": Mode.TELE_TO_SMS}
MODE_NUMBERS = {mode: number for number, mode in MODES.items()}

MANNER = fields.Manner(modes=MODES, user_id=parameters.text_user_id)

ACCEPTED = "Accepted"
REJECTED = "Rejected"
CONFIRMED = "Confirmed"
NO_SYSTEM_ID = "0"


class JsonService(Unrouted):
    """JSON in, JSON out, every value a string (W-65); always HTTP 200 (D-7)."""

    name = "json_service"
    routes: Mapping[str, str] = MappingProxyType(
        {SEND_PATH: "send", STATUS_PATH: "status", CONFIRM_PATH: "confirm"}
    )

    def read(self, request: HttpRequest) -> Call:
        operation = self.routes[request.path]
        try:
            text = parameters.json_text(request.body, request.content_type)
            members = parameters.json_object(text)
            given = parameters.json_parameters(members, NAMES[operation])
        except Refused as refused:
            given = Parameters(values={}, error=refused.error.name)
        return Call(
            operation=operation,
            format="json",
            parameters=given.values,
            credentials=Credentials(
                login=given["login"], password=given["password"], in_query=False
            ),
            simulation=False,
            error=given.error,
        )

    def parse_send(self, call: Call, settings: AccountSettings) -> SendRequest:
        return fields.send(call, settings, MANNER)

    def parse_status(self, call: Call, settings: AccountSettings) -> StatusQuery:
        return fields.status(call, parameters.text_user_id)

    def parse_confirm(self, call: Call) -> ConfirmRequest:
        return fields.confirm(call, parameters.text_user_id)

    def render_sent(self, call: Call, sent: Sent, settings: AccountSettings) -> HttpAnswer:
        message = sent.messages[0]
        return json_answer(
            {
                **_user_id(sent.user_message_id),
                "systemId": str(message.message_id),
                "state": ACCEPTED,
                **_OK,
                "message_parts": str(message.parts),
                "message_cost": Purse(settings, message.cost).text(message.cost, POINT),
                "phone": message.phone,
                "pakage": str(sent.packet_id),
                "code": message.code,
            }
        )

    def render_status(
        self, call: Call, status: PacketStatus, settings: AccountSettings
    ) -> HttpAnswer:
        asked = status.asked
        purse = Purse(settings, *(message.cost for message in status.messages))
        return json_answer(
            {
                **_user_id(status.user_message_id),
                "systemId": str(asked.message_id),
                "state": asked.result.word,
                **_OK,
                "phone": asked.phone,
                "pakage": str(status.packet_id),
                "message_parts": str(asked.parts),
                "message_cost": purse.text(asked.cost, POINT),
                "code": asked.code,
                "result_id": str(asked.result.id),
                "result_info": asked.result.ru,
                **_delivered(asked, settings),
                "channel": asked.channel,
                "messages": [_message(message, purse, settings) for message in status.messages],
            }
        )

    def render_confirmed(
        self, call: Call, confirmed: Confirmed, settings: AccountSettings
    ) -> HttpAnswer:
        return json_answer(
            {
                **_user_id(confirmed.user_message_id),
                "state": CONFIRMED,
                **_OK,
                "pakage": str(confirmed.packet_id),
            }
        )

    def render_refusal(self, call: Call, refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
        """No other fields than these (W-69), but for the first packet's id of error 19 (D14).

        The caller's own id is told whatever was wrong with the rest of the request.
        """
        packet = {} if refusal.packet_id is None else {"pakage": str(refusal.packet_id)}
        return json_answer(
            {
                **_user_id(refusal.user_message_id or _given_user_id(call)),
                "systemId": NO_SYSTEM_ID,
                "state": REJECTED,
                "error": refusal.error.en,
                "errcode": str(refusal.error.number),
                **packet,
            }
        )


NO_ERROR = str(OK.number)

_OK = {"error": OK.en, "errcode": NO_ERROR}


def _user_id(given: str | None) -> dict[str, str]:
    """Only when it was given (W-70, O-19a)."""
    return {} if given is None else {"userMessId": given}


def _given_user_id(call: Call) -> str | None:
    try:
        return parameters.text_user_id(call.parameters.get("user_message_id", ""))
    except Refused:
        return None


def _delivered(message: MessageStatus, settings: AccountSettings) -> dict[str, str]:
    if message.delivered_at is None:
        return {}
    return {"delivered_date": local_time(message.delivered_at, settings.timezone)}


def _message(message: MessageStatus, purse: Purse, settings: AccountSettings) -> dict[str, str]:
    return {
        "num": str(message.num),
        "systemId": str(message.message_id),
        "channel": message.channel,
        "state": message.result.word,
        "result_id": str(message.result.id),
        **_delivered(message, settings),
        "message_cost": purse.text(message.cost, POINT),
    }


# The client's half


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to /send, which tells neither balances nor a zone."""

    packet_id: int
    message_id: int
    phone: str
    code: str
    cost: int
    parts: int
    user_message_id: str | None


def build_send(login: str, password: str, request: SendRequest) -> Posting:
    """Raises ValueError: the service has no word for it (test, a packet id, mode SMS; W-75)."""
    if request.test or request.user_packet_id is not None or request.mode not in MODE_NUMBERS:
        raise ValueError("the JSON service knows no test, no packet id and only modes 6 and 7")
    return _posting(
        SEND_PATH,
        login,
        password,
        {
            "tel_list": request.phone,
            "code": request.code,
            "user_mess_id": request.user_message_id,
            "mode": MODE_NUMBERS[request.mode],
            "validPeriod": str(request.ttl_s),
        },
    )


def build_status(login: str, password: str, query: StatusQuery) -> Posting:
    """Raises ValueError: the query names nothing."""
    return _posting(STATUS_PATH, login, password, _query(query))


def build_confirm(login: str, password: str, request: ConfirmRequest) -> Posting:
    """Raises ValueError: the query names nothing."""
    given = {**_query(request.query), "code": request.code}
    return _posting(CONFIRM_PATH, login, password, given)


def _query(query: StatusQuery) -> dict[str, str | None]:
    if query.packet_id is not None:
        return {"package_id": str(query.packet_id)}
    if query.message_id is not None:
        return {"mess_id": str(query.message_id)}
    if query.user_message_id is not None:
        return {"user_mess_id": query.user_message_id}
    raise ValueError("packet_id, message_id or user_message_id is needed")


def _posting(path: str, login: str, password: str, given: Mapping[str, str | None]) -> Posting:
    members = {"login": login, "pass": password, **given}
    present = {name: value for name, value in members.items() if value is not None}
    return path, json.dumps(present, ensure_ascii=False).encode(), JSON


def read_sent(body: bytes) -> Accepted:
    """Raises ApiFailure, Unreadable."""
    found = _accepted(readers.json_members(body))
    return Accepted(
        packet_id=readers.integer(found, "pakage"),
        message_id=readers.integer(found, "systemid"),
        phone=found.get("phone", ""),
        code=found.get("code", ""),
        cost=readers.amount(found, "message_cost"),
        parts=readers.integer(found, "message_parts", missing=1),
        user_message_id=found.get("usermessid") or None,
    )


def read_status(body: bytes, *, timezone: str = "Europe/Moscow") -> PacketStatus:
    """`zone` is 0 and `caller_ip` empty: the service does not tell them. Raises ApiFailure,
    Unreadable."""
    members = readers.json_members(body)
    found = _accepted(members)
    asked_id = readers.integer(found, "systemid")
    listed = [readers.json_fields(item) for item in readers.json_list(members.get("messages"))]
    messages = tuple(
        _message_status(message, found, num=num, timezone=timezone)
        for num, message in enumerate(listed or [found], start=1)
    )
    asked = next((message for message in messages if message.message_id == asked_id), messages[-1])
    return PacketStatus(
        packet_id=readers.integer(found, "pakage"),
        messages=messages,
        asked=asked,
        caller_ip="",
        user_message_id=found.get("usermessid") or None,
    )


def _message_status(
    message: Mapping[str, str], packet: Mapping[str, str], *, num: int, timezone: str
) -> MessageStatus:
    """What all messages of a packet have in common is told once, at the top."""
    common = {
        "message_phone": packet.get("phone", ""),
        "code": packet.get("code", ""),
        "message_parts": packet.get("message_parts", ""),
    }
    own = {**message, "message_id": message.get("systemid", "")}
    return readers.message_status({**common, **own}, num=num, timezone=timezone)


def read_confirmed(body: bytes) -> Confirmed:
    """Raises ApiFailure, Unreadable."""
    found = _accepted(readers.json_members(body))
    return Confirmed(
        packet_id=readers.integer(found, "pakage"),
        user_message_id=found.get("usermessid") or None,
    )


def _accepted(members: Mapping[str, object]) -> dict[str, str]:
    """The fields of an answer that says yes; `errcode` decides (interfaces: "0" is success)."""
    found = readers.json_fields(members)
    said = found.get("errcode")
    if said is None:
        raise Unreadable("no errcode")
    if said != NO_ERROR:
        texts = {"error_text": found.get("error", ""), "packet_id": found.get("pakage", "")}
        raise readers.failure(said, texts)
    return found


DIALECT = JsonService()
