"""Тест: a code of one's own with every parameter, as a program would send it, and what happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from kodgate.core.accounts import Account
from kodgate.core.errors import InDoubt, Refused
from kodgate.core.requests import Refusal
from kodgate.store import Unavailable
from kodgate.web.cabinet import snippets
from kodgate.web.cabinet.pages.messages import Story, story
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.snippets import Posting
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_
from kodgate.wire import Call, Dialect, HttpAnswer, HttpRequest, http_asp, json_asp, json_service

VALUE_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One dialect: where it listens and what it calls the parameters."""

    path: str
    dialect: Dialect
    login: str = "http_username"
    password: str = "http_password"  # noqa: S105  (a parameter's name)
    as_json: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)


DOORS = {
    "http": Door(path="/http_in5.asp", dialect=http_asp.DIALECT),
    "json_in5": Door(path="/json_in5.asp", dialect=json_asp.DIALECT, as_json=True),
    "json": Door(
        path="/send",
        dialect=json_service.DIALECT,
        login="login",
        password="pass",  # noqa: S106  (a parameter's name)
        as_json=True,
        renamed={
            "phone_list": "tel_list",
            "valid_period": "validPeriod",
            "message_id": "user_mess_id",
            "packet_id": "",
            "test": "",
            "format": "",
        },
    ),
}
"""What the JSON service has no word for is renamed to nothing (W-75)."""

CHOICES: dict[str, tuple[tuple[str, str], ...]] = {
    "interface": (
        ("http", "http_in5.asp"),
        ("json_in5", "json_in5.asp"),
        ("json", N_("/send: служба JSON")),
    ),
    "mode": (("TELE", N_("TELE: Telegram")),),
    "to_sms": (("1", N_("1: не прочитан — в SMS")), ("0", N_("0: только Telegram"))),
    "test": (
        ("0", N_("0: по-настоящему")),
        ("1", N_("1: проверка, не отправлять")),
        ("-1", N_("-1: без входа и записи")),
    ),
    "format": (("txt", "txt"), ("xml", "xml"), ("json", "json")),
}
NAMES = (
    "interface",
    "phone_list",
    "mode",
    "to_sms",
    "code",
    "valid_period",
    "message_id",
    "packet_id",
    "test",
    "format",
)
"""The parameters of a send, in the order of the documentation."""

DEFAULTS = {
    "interface": "http",
    "mode": "TELE",
    "to_sms": "1",
    "valid_period": "300",
    "test": "0",
    "format": "txt",
}

SCENARIOS = (
    ("70000000001", N_("читает сразу")),
    ("70000000002", N_("не читает, SMS доставлено")),
    ("70000000003", N_("нет в Telegram, SMS доставлено")),
    ("70000000007", N_("не читает, SMS не доставлено")),
    ("70000000008", N_("не дойдёт никак")),
)
"""Phones of the sandbox; every other number reads its code in three seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was answered, and what is known of the code so far."""

    body: str
    error: int
    story: Story | None


async def show(visit: Visit) -> Response:
    phone = "70000000002" if visit.site.settings.sandbox else ""
    return _page(visit, {**DEFAULTS, "phone_list": phone}, sent=None)


def _page(visit: Visit, values: Mapping[str, str], *, sent: Sent | None) -> Response:
    given = {name: values.get(name, "") for name in NAMES}
    login = "" if given["test"] == "-1" else visit.own.login
    posting = _posting(
        given, login=login, password="..." if login else "", base=visit.site.base(visit)
    )
    return visit.page(
        "testing.html",
        values=given,
        choices=CHOICES,
        scenarios=SCENARIOS if visit.site.settings.sandbox else (),
        snippets=snippets.all_of(posting),
        sent=sent,
        streaming=sent is not None and sent.story is not None and not sent.story.is_over,
    )


async def send(visit: Visit) -> Response:
    """The person's session stands for the password; everything else is as on the wire."""
    values = {name: visit.form.get(name, "").strip()[:VALUE_MAX] for name in NAMES}
    door = _door(values)
    call = _call(visit.own, values)
    if call.simulation:
        answer, packet_id, error = _simulate(visit, door.dialect, call)
    else:
        answer, packet_id, error = await _send(visit, door.dialect, call)
    await visit.audit("test_send", f"error {error}" if error else str(packet_id or "test=-1"))
    told = None if packet_id is None else await story(visit, packet_id)
    body = answer.body.decode("utf-8", "replace")
    return _page(visit, values, sent=Sent(body=body, error=error, story=told))


def _door(values: Mapping[str, str]) -> Door:
    return DOORS.get(values["interface"], DOORS["http"])


def _posting(values: Mapping[str, str], *, login: str, password: str, base: str) -> Posting:
    """As a program would post it to the chosen door."""
    door = _door(values)
    given = {door.login: login, door.password: password}
    for name, value in values.items():
        given[door.renamed.get(name, name)] = value
    given.pop("interface")
    told = {name: value for name, value in given.items() if name and value}
    return Posting(base=base, path=door.path, parameters=told, as_json=door.as_json)


def _call(account: Account, values: Mapping[str, str]) -> Call:
    posting = _posting(values, login=account.login, password="session", base="")  # noqa: S106
    request = HttpRequest(
        method="POST",
        path=posting.path,
        query=b"",
        body=posting.body.encode(),
        content_type=posting.type,
    )
    return _door(values).dialect.read(request)


Outcome = tuple[HttpAnswer, int | None, int]
"""The answer, the packet that was made, the error's number."""


def _simulate(visit: Visit, dialect: Dialect, call: Call) -> Outcome:
    try:
        if call.error is not None:
            raise Refused(call.error)
        simulation = dialect.parse_simulation(call)
    except Refused as refused:
        return _refusal(visit, dialect, call, refused)
    sent = visit.site.engine.simulate(simulation, caller_ip=visit.ip)
    return dialect.render_sent(call, sent, visit.own.settings), None, 0


async def _send(visit: Visit, dialect: Dialect, call: Call) -> Outcome:
    account = visit.own
    try:
        if call.error is not None:
            raise Refused(call.error)
        request = dialect.parse_send(call, account.settings)
        sent = await visit.site.engine.send(
            account, request, caller_ip=visit.ip, dialect=dialect.name
        )
    except Refused as refused:
        return _refusal(visit, dialect, call, refused)
    except (Unavailable, InDoubt):
        return _refusal(visit, dialect, call, Refused("UNAVAILABLE"))
    return dialect.render_sent(call, sent, account.settings), sent.packet_id, 0


def _refusal(visit: Visit, dialect: Dialect, call: Call, refused: Refused) -> Outcome:
    refusal = Refusal(
        error=refused.error,
        caller_ip=visit.ip,
        packet_id=refused.packet_id,
        balance=refused.balance if refused.error.shows_balance else None,
    )
    answer = dialect.render_refusal(call, refusal, visit.own.settings)
    return answer, None, refused.error.number


PAGES = (
    Page(path="test", view=show, right=Right.SEND),
    Page(path="test", view=send, right=Right.SEND, method="POST"),
)
