"""The HTTP interface: http_in5.asp, http_in6.asp, http_out5.asp, http_credit.asp; txt and xml."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlencode

from kodgate.core.accounts import AccountSettings
from kodgate.core.errors import OK
from kodgate.core.requests import (
    Balance,
    Credentials,
    MessageStatus,
    Mode,
    PacketStatus,
    Refusal,
    SendRequest,
    Sent,
    SentMessage,
    Simulation,
    StatusQuery,
)
from kodgate.core.values import changed
from kodgate.wire import Call, HttpAnswer, HttpRequest, Unreadable, fields, parameters, readers
from kodgate.wire.unrouted import Unrouted
from kodgate.wire.writers import (
    COMMA,
    POINT,
    XML_DECLARATION,
    Fields,
    Purse,
    ini,
    local_time,
    plain,
    tag,
    xml,
    xml_text,
)

SEND_PATH = "/http_in5.asp"
SEND_UTF8_PATH = "/http_in6.asp"
STATUS_PATH = "/http_out5.asp"
BALANCE_PATH = "/http_credit.asp"

FORM = "application/x-www-form-urlencoded; charset=utf-8"

FORMATS = {"": "txt", "txt": "txt", "text": "txt", "xml": "xml"}

CREDENTIAL_NAMES = {"http_username": "login", "http_password": "password"}

SEND_NAMES = CREDENTIAL_NAMES | {
    "mode": "mode",
    "to_sms": "to_sms",
    "message": "message",
    "code": "code",
    "phone_list": "phone",
    "packet_id": "user_packet_id",
    "paket_id": "user_packet_id",
    "message_id": "user_message_id",
    "test": "test",
    "format": "format",
    "valid_period": "ttl",
    "validperiod": "ttl",
}
"""Lower-case spelling -> our name. On a send the ids are the caller's own (O-13)."""

STATUS_NAMES = CREDENTIAL_NAMES | {
    "packet_id": "packet_id",
    "paket_id": "packet_id",
    "package_id": "packet_id",
    "pakage": "packet_id",
    "message_id": "message_id",
    "format": "format",
}
"""`paket_id` stands in the document's own example (O-1)."""

BALANCE_NAMES = CREDENTIAL_NAMES | {"format": "format", "test": "test"}

NAMES = {"send": SEND_NAMES, "status": STATUS_NAMES, "balance": BALANCE_NAMES}

TESTS = ("", "0", "1", "-1")
SECRETS = ("login", "password")

MANNER = fields.Manner(modes={}, user_id=parameters.integer_user_id)


class HttpAsp(Unrouted):
    """Requests in a query or a form, answers in txt or xml, always HTTP 200 (D-7)."""

    name = "http_asp"
    routes: Mapping[str, str] = MappingProxyType(
        {
            SEND_PATH: "send",
            SEND_UTF8_PATH: "send",
            STATUS_PATH: "status",
            BALANCE_PATH: "balance",
        }
    )

    def read(self, request: HttpRequest) -> Call:
        operation = self.routes[request.path]
        given = parameters.form(
            request.query,
            request.body,
            content_type=request.content_type,
            names=NAMES[operation],
            charsets=parameters.UTF_8 if request.path == SEND_UTF8_PATH else parameters.LEGACY,
        )
        value = given.values.get
        written = parameters.word(value("format", ""))
        test = value("test", "")
        known = written in FORMATS and test in TESTS
        return Call(
            operation=operation,
            format=FORMATS.get(written, "txt"),
            parameters=given.values,
            credentials=Credentials(
                login=value("login", ""),
                password=value("password", ""),
                in_query=not given.in_query.isdisjoint(SECRETS),
            ),
            simulation=test == "-1",
            error=given.error or (None if known else "BAD_PARAMETER"),
        )

    def parse_send(self, call: Call, settings: AccountSettings) -> SendRequest:
        return fields.send(call, settings, MANNER)

    def parse_simulation(self, call: Call) -> Simulation:
        return fields.simulation(call, MANNER)

    def parse_status(self, call: Call, settings: AccountSettings) -> StatusQuery:
        return fields.status(call)

    def render_sent(self, call: Call, sent: Sent, settings: AccountSettings) -> HttpAnswer:
        write = _sent_xml if call.format == "xml" else _sent_txt
        return write(sent, settings)

    def render_status(
        self, call: Call, status: PacketStatus, settings: AccountSettings
    ) -> HttpAnswer:
        write = _status_xml if call.format == "xml" else _status_txt
        return write(status, settings)

    def render_balance(self, call: Call, balance: Balance, settings: AccountSettings) -> HttpAnswer:
        text = Purse(settings, balance.spendable).text(balance.spendable, COMMA)
        if call.format == "xml":
            return xml(f"{XML_DECLARATION}{_root(text)}")
        return plain(text.encode())

    def render_refusal(self, call: Call, refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
        return _REFUSALS[call.operation, call.format](refusal, settings)


# The answer to a send


def _sent_txt(sent: Sent, settings: AccountSettings) -> HttpAnswer:
    purse = _purse_of(sent, settings)
    common = [
        ("error_num", OK.en),
        ("packet_id", str(sent.packet_id)),
        *_optional("user_packet_id", sent.user_packet_id),
        ("balance_before", purse.text(sent.balance_before, COMMA)),
        ("sender_ip", sent.caller_ip),
    ]
    summary = [
        ("summ_phone", str(len(sent.messages))),
        ("summ_parts", str(sum([message.parts for message in sent.messages]))),
        ("packet_cost", purse.text(sent.packet_cost, COMMA)),
        ("balance_after", purse.text(sent.balance_after, COMMA)),
        ("error_code", str(OK.number)),
    ]
    messages = [
        (str(num), _sent_message_txt(num, message, purse, settings))
        for num, message in enumerate(sent.messages, start=1)
    ]
    return ini([("Common", common), *messages, ("Summary", summary)], settings)


def _sent_message_txt(
    num: int, message: SentMessage, purse: Purse, settings: AccountSettings
) -> Fields:
    return [
        ("packet_#", str(num)),
        ("message_id", str(message.message_id)),
        ("message_phone", message.phone),
        ("message", message.code),
        *_message_text(message.code, settings),
        ("message_parts", str(message.parts)),
        ("message_zone", str(message.zone)),
        ("message_cost", purse.text(message.cost, COMMA)),
        ("code", message.code),
    ]


def _sent_xml(sent: Sent, settings: AccountSettings) -> HttpAnswer:
    purse = _purse_of(sent, settings)
    own = sent.user_packet_id
    given = "" if own is None else f" user_packet_id='{xml_text(own)}'"
    outer = (
        f"<httpIn error_num='{OK.number}' packet_id='{sent.packet_id}'{given}"
        f" balance_before='{purse.text(sent.balance_before, COMMA)}'"
        f" sender_ip='{xml_text(sent.caller_ip)}'"
        f" summ_phone='{len(sent.messages)}'"
        f" summ_parts='{sum([message.parts for message in sent.messages])}'"
        f" packet_cost='{purse.text(sent.packet_cost, POINT)}'"
        f" balance_after='{purse.text(sent.balance_after, COMMA)}' >"
    )
    return _xml_packet("httpIn", outer, [_sent_message_xml(m, purse) for m in sent.messages])


def _sent_message_xml(message: SentMessage, purse: Purse) -> str:
    return (
        f"<sms message_id='{message.message_id}' message_phone='{xml_text(message.phone)}'"
        f" message_parts='{message.parts}' message_zone='{message.zone}'"
        f" message_cost='{purse.text(message.cost, POINT)}' code='{xml_text(message.code)}' />"
    )


def _purse_of(sent: Sent, settings: AccountSettings) -> Purse:
    costs = [message.cost for message in sent.messages]
    return Purse(settings, sent.balance_before, sent.balance_after, *costs)


# The answer to a status query


def _status_txt(status: PacketStatus, settings: AccountSettings) -> HttpAnswer:
    purse = Purse(settings, *(message.cost for message in status.messages))
    common = [
        ("error_num", OK.en),
        ("packet_id", str(status.packet_id)),
        ("sender_ip", status.caller_ip),
    ]
    summary = [*_status_summary(status, purse, COMMA), ("error_code", str(OK.number))]
    messages = [
        (str(message.num), _message_status(message, purse, settings, COMMA))
        for message in status.messages
    ]
    return ini([("Common", common), *messages, ("Summary", summary)], settings)


def _status_xml(status: PacketStatus, settings: AccountSettings) -> HttpAnswer:
    purse = Purse(settings, *(message.cost for message in status.messages))
    outer = [
        ("error_num", str(OK.number)),
        ("sender_ip", status.caller_ip),
        ("packet_id", str(status.packet_id)),
    ]
    inner = [
        tag("sms", _message_status(message, purse, settings, POINT), closed=True)
        for message in status.messages
    ]
    summary = tag("Summary", _status_summary(status, purse, POINT), closed=True)
    return _xml_packet("httpOut", tag("httpOut", outer), [*inner, summary])


def _status_summary(status: PacketStatus, purse: Purse, separator: str) -> Fields:
    return [
        ("summ_phone", str(len(status.messages))),
        ("summ_parts", str(sum(message.parts for message in status.messages))),
        ("packet_cost", purse.text(status.packet_cost, separator)),
    ]


def _message_status(
    message: MessageStatus, purse: Purse, settings: AccountSettings, separator: str
) -> Fields:
    """The same keys in the same order in txt and xml; no date until it is known (D-8)."""
    at = message.delivered_at
    return [
        ("num", str(message.num)),
        ("message_id", str(message.message_id)),
        ("message_phone", message.phone),
        ("message", message.code),
        ("message_parts", str(message.parts)),
        ("message_zone", str(message.zone)),
        *_optional("delivered_date", None if at is None else local_time(at, settings.timezone)),
        ("result_id", str(message.result.id)),
        ("result_info", message.result.ru),
        ("message_cost", purse.text(message.cost, separator)),
    ]


# Refusals


def _refusal_txt(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    """`error_code` in both sections: readers look in either (D-4); no message_id at all (D-3)."""
    number = str(refusal.error.number)
    balance = _shown_balance(refusal, settings)
    common = [
        ("error_num", refusal.error.en),
        ("error_code", number),
        ("packet_id", str(refusal.packet_id or 0)),
        *_optional("balance_before", balance),
        ("sender_ip", refusal.caller_ip),
    ]
    summary = [
        *_NOTHING,
        *_optional("balance_after", balance),
        ("error_code", number),
    ]
    return ini([("Common", common), ("Summary", summary)], settings)


def _refusal_in_xml(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    number = str(refusal.error.number)
    balance = _shown_balance(refusal, settings)
    attributes = [
        ("error_num", number),
        ("packet_id", str(refusal.packet_id or 0)),
        *_optional("balance_before", balance),
        ("sender_ip", refusal.caller_ip),
        *_NOTHING,
        *_optional("balance_after", balance),
        ("error_code", number),
        ("error_text", refusal.error.en),
    ]
    return xml(f"{XML_DECLARATION}\n{_root(tag('httpIn', attributes) + '</httpIn>')}")


def _refusal_out_txt(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    return _refusal_txt(changed(refusal, balance=None), settings)


def _refusal_out_xml(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    attributes = [
        ("error_num", str(refusal.error.number)),
        ("sender_ip", refusal.caller_ip),
        ("packet_id", "0"),
        ("error_text", refusal.error.en),
    ]
    return xml(f"{XML_DECLARATION}\n{_root(tag('httpOut', attributes) + '</httpOut>')}")


def _refusal_balance_txt(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    """Nothing but a number can be told here; the reason stands in a header."""
    return _with_number(plain(b"0"), refusal)


def _refusal_balance_xml(refusal: Refusal, settings: AccountSettings) -> HttpAnswer:
    attributes = [("error_num", str(refusal.error.number)), ("error_text", refusal.error.en)]
    return _with_number(xml(f"{XML_DECLARATION}{tag('XML', attributes)}0</XML>"), refusal)


def _with_number(answer: HttpAnswer, refusal: Refusal) -> HttpAnswer:
    return changed(answer, headers=(("X-Error-Num", str(refusal.error.number)),))


def _shown_balance(refusal: Refusal, settings: AccountSettings) -> str | None:
    """Only to a caller who has proved who he is (O-28)."""
    if refusal.balance is None or not refusal.error.shows_balance:
        return None
    return Purse(settings, refusal.balance).text(refusal.balance, COMMA)


_NOTHING: Fields = [("summ_phone", "0"), ("summ_parts", "0"), ("packet_cost", "0")]

_REFUSALS = {
    ("send", "txt"): _refusal_txt,
    ("send", "xml"): _refusal_in_xml,
    ("status", "txt"): _refusal_out_txt,
    ("status", "xml"): _refusal_out_xml,
    ("balance", "txt"): _refusal_balance_txt,
    ("balance", "xml"): _refusal_balance_xml,
}


def _optional(key: str, value: str | None) -> Fields:
    return [] if value is None else [(key, value)]


def _message_text(code: str, settings: AccountSettings) -> Fields:
    """The table's name of the code, which the document's example does not have (O-6)."""
    return [("message_text", code)] if settings.emit_message_text else []


def _root(content: str) -> str:
    """Nothing may stand between `<XML>` and its first child (D-1)."""
    return f"<XML>{content}</XML>"


def _xml_packet(name: str, start: str, inner: list[str]) -> HttpAnswer:
    packet = "\n".join([start, *inner, f"</{name}>\n"])
    return xml(f"{XML_DECLARATION}\n{_root(packet)}")


# The client's half: canonical POST, format=xml, lower-case names, UTF-8


Posting = tuple[str, bytes, str]
"""Path, body, content type."""


def build_send(login: str, password: str, request: SendRequest | Simulation) -> Posting:
    return _posting(SEND_PATH, login, password, send_parameters(request))


def send_parameters(request: SendRequest | Simulation) -> dict[str, str]:
    """Mode SMS has no word here: it is sent without `mode`, for accounts that take that so."""
    own = _simulated(request) if isinstance(request, Simulation) else _asked(request)
    given = {
        **own,
        "code": request.code,
        "packet_id": request.user_packet_id,
        "message_id": request.user_message_id,
    }
    return {name: value for name, value in given.items() if value is not None}


def _simulated(request: Simulation) -> dict[str, str | None]:
    return {"phone_list": COMMA.join(request.phones), "test": "-1"}


def _asked(request: SendRequest) -> dict[str, str | None]:
    tele = request.mode is not Mode.SMS
    return {
        "mode": "TELE" if tele else None,
        "to_sms": str(int(request.mode is Mode.TELE_TO_SMS)) if tele else None,
        "phone_list": request.phone,
        "valid_period": str(request.ttl_s),
        "test": "1" if request.test else None,
    }


def build_status(login: str, password: str, query: StatusQuery) -> Posting:
    """Raises ValueError: the HTTP interface has no query by the caller's own message id."""
    if query.packet_id is not None:
        return _posting(STATUS_PATH, login, password, {"packet_id": str(query.packet_id)})
    if query.message_id is not None:
        return _posting(STATUS_PATH, login, password, {"message_id": str(query.message_id)})
    raise ValueError("packet_id or message_id is needed")


def build_balance(login: str, password: str) -> Posting:
    return _posting(BALANCE_PATH, login, password, {})


def _posting(path: str, login: str, password: str, given: Mapping[str, str]) -> Posting:
    members = {"http_username": login, "http_password": password, **given, "format": "xml"}
    return path, urlencode(members).encode("ascii"), FORM


def read_sent(body: bytes) -> Sent:
    """txt or xml. Raises ApiFailure, Unreadable."""
    return readers.sent(readers.answer(body))


def read_status(body: bytes, *, timezone: str = "Europe/Moscow") -> PacketStatus:
    """txt or xml; `timezone` is that of `delivered_date`. Raises ApiFailure, Unreadable."""
    return readers.packet_status(readers.answer(body), timezone=timezone)


def read_balance(body: bytes) -> Balance:
    """A bare number, or one root element around it. Raises ApiFailure, Unreadable."""
    text = readers.text_of(body).strip()
    if not text.startswith("<"):
        return _balance(text)
    root = readers.xml_root(text)
    common = readers.fields(root)
    if common.get("error_num", "0") != "0":
        raise readers.failure(common["error_num"], common)
    return _balance((root.text or "").strip())


def _balance(text: str) -> Balance:
    if not text:
        raise Unreadable("no balance")
    try:
        return Balance(spendable=readers.amount({"balance": text}, "balance"))
    except Unreadable:
        failure = readers.failure(text, {})
        if failure.number == readers.NUMBER_UNKNOWN:
            raise
        raise failure from None


DIALECT = HttpAsp()
