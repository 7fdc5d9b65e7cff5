"""Which packet a status or confirm request means; balances; where the dialects find their input."""

import json
from urllib.parse import quote, urlencode

import pytest
from tests.wire.kit import (
    DEFAULTS,
    DIALECTS,
    FORM,
    GOOD_FORM,
    HTTP,
    JSON,
    JSON_ASP,
    JSON_SERVICE,
    form_call,
    json_call,
    refusal,
    refusal_of,
    request,
)

from kodgate import wire
from kodgate.core.requests import StatusQuery

BAD_IDS = ["0", "-1", "1e3", "0x10", "1_0", "١", str(2**53), str(2**63), "1" * 30, "x", "1 2"]


def out5(**given):
    return HTTP.parse_status(form_call(given, "/http_out5.asp"), DEFAULTS)


def status(given):
    return JSON_SERVICE.parse_status(json_call(given, "/status"), DEFAULTS)


def confirm(given):
    return JSON_SERVICE.parse_confirm(json_call(given, "/confirm"))


@pytest.mark.parametrize("name", ["packet_id", "paket_id", "PACKET_ID", "packet_id ", "package_id"])
def test_a_packet_is_found_under_every_spelling(name):
    assert out5(**{name: "1234"}) == StatusQuery(packet_id=1234)


def test_a_message_is_asked_for_by_its_id():
    assert out5(message_id="7710258") == StatusQuery(message_id=7710258)


@pytest.mark.parametrize("other", ["7", "x"])
def test_a_packet_id_makes_the_message_id_ignored(other):
    assert out5(packet_id="1234", message_id=other) == StatusQuery(packet_id=1234)


@pytest.mark.parametrize("given", [{}, {"packet_id": ""}, {"user_message_id": "7"}])
def test_without_an_id_there_is_an_error(given):
    assert refusal_of(lambda: out5(**given)) == "NO_ID"


@pytest.mark.parametrize("name", ["packet_id", "message_id"])
@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_that_is_no_number_is_refused(name, bad):
    assert refusal_of(lambda: out5(**{name: bad})) == "BAD_PARAMETER"


def test_two_spellings_of_the_packet_id_may_not_differ():
    assert refusal_of(lambda: out5(packet_id="1", paket_id="2")) == "BAD_PARAMETER"


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({"package_id": "5", "mess_id": "6", "user_mess_id": "7"}, StatusQuery(packet_id=5)),
        ({"mess_id": 6, "user_mess_id": "7"}, StatusQuery(message_id=6)),
        ({"mess_id": "", "user_mess_id": "order 7"}, StatusQuery(user_message_id="order 7")),
        ({"pakage": "5"}, StatusQuery(packet_id=5)),
    ],
)
def test_the_json_service_takes_the_first_of_three_ids(given, query):
    assert status(given) == query
    assert confirm(given | {"code": "1234"}).query == query


@pytest.mark.parametrize("name", ["package_id", "mess_id"])
@pytest.mark.parametrize("bad", [*BAD_IDS, 1.5, True, [1]])
def test_a_json_id_that_is_no_number_is_refused(name, bad):
    assert refusal_of(lambda: status({name: bad})) == "BAD_PARAMETER"


def test_a_json_status_without_an_id_is_an_error():
    assert refusal_of(lambda: status({"login": "alice"})) == "NO_ID"
    assert refusal_of(lambda: confirm({"code": "1234"})) == "NO_ID"


@pytest.mark.parametrize("given", [{}, {"code": ""}, {"code": "12"}, {"code": "12a4"}])
def test_a_confirm_needs_a_code(given):
    assert refusal_of(lambda: confirm({"package_id": "5"} | given)) == "BAD_CODE"


def test_a_confirm_carries_what_the_person_typed():
    assert confirm({"package_id": "5", "code": 123456}).code == "123456"


@pytest.mark.parametrize("path", ["/http_in5.asp", "/http_in6.asp", "/http_out5.asp"])
@pytest.mark.parametrize(
    ("given", "format", "error"),
    [
        ("", "txt", None),
        ("txt", "txt", None),
        ("TEXT", "txt", None),
        (" XML ", "xml", None),
        ("json", "txt", "BAD_PARAMETER"),
        ("x<y", "txt", "BAD_PARAMETER"),
    ],
)
def test_the_format_is_txt_or_xml(path, given, format, error):
    call = HTTP.read(request(path, urlencode({"format": given})))
    assert (call.format, call.error) == (format, error)


def test_a_contradiction_about_the_format_is_answered_in_the_first_one():
    call = HTTP.read(request("/http_in5.asp", "format=xml&format=txt"))
    assert (call.format, call.error) == ("xml", "BAD_PARAMETER")


def test_cp1251_is_read_by_http_in5_and_refused_by_http_in6():
    query = "http_username=" + quote("алиса".encode("cp1251"))
    assert HTTP.read(request("/http_in5.asp", query)).credentials.login == "алиса"
    assert HTTP.read(request("/http_in6.asp", query)).error == "BAD_PARAMETER"


@pytest.mark.parametrize(("test", "simulation"), [("-1", True), ("1", False), ("", False)])
def test_a_balance_can_be_simulated(test, simulation):
    call = HTTP.read(request("/http_credit.asp", f"format=text&test={test}"))
    assert (call.operation, call.simulation, call.error) == ("balance", simulation, None)


def test_a_status_cannot_be_simulated():
    assert not HTTP.read(request("/http_out5.asp", "test=-1&packet_id=1")).simulation


OBJECT = json.dumps(GOOD_FORM)


@pytest.mark.parametrize(
    ("query", "body", "content_type", "in_query"),
    [
        ("", urlencode({"json": OBJECT}), FORM, False),
        ("", "JSON=" + quote(OBJECT), "", False),
        ("json=" + quote(OBJECT), "", "", True),
        ("json=" + OBJECT.replace(" ", ""), "", "", True),
        ("", OBJECT, JSON, False),
        ("", " " + OBJECT, FORM, False),
    ],
    ids=["form", "form without a type", "query", "raw query", "body", "body called a form"],
)
def test_json_in5_finds_its_object(query, body, content_type, in_query):
    call = JSON_ASP.read(request("/json_in5.asp", query, body, content_type))
    assert call.error is None
    assert call.credentials.login == "alice"
    assert call.credentials.in_query is in_query


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "BAD_JSON"),
        ("json=", "BAD_JSON"),
        ("json=[]", "BAD_JSON"),
        ("json={}&json=[]", "BAD_PARAMETER"),
        ("json=%7B%22http_username%22%3A%22%E0%22%7D", "BAD_PARAMETER"),
    ],
)
def test_json_in5_without_an_object_is_an_error(query, error):
    call = JSON_ASP.read(request("/json_in5.asp", query))
    assert (call.error, call.format) == (error, "json")


def test_every_dialect_is_found():
    assert {dialect.name for dialect in wire.load()} == set(DIALECTS)


def test_no_two_dialects_share_a_route():
    routes = [path for dialect in wire.load() for path in dialect.routes]
    assert len(routes) == len(set(routes))
    assert all(path == path.lower() and path.startswith("/") for path in routes)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_an_operation_without_a_route_is_a_mistake_of_the_callers(dialect):
    call = form_call(GOOD_FORM)
    missing = {"status": "parse_status", "confirm": "parse_confirm", "simulation": ""}
    for operation, method in missing.items():
        if method and operation not in dialect.routes.values():
            arguments = (call,) if operation == "confirm" else (call, DEFAULTS)
            with pytest.raises(LookupError):
                getattr(dialect, method)(*arguments)
    for method in ("render_status", "render_balance", "render_confirmed"):
        if method.removeprefix("render_").removesuffix("ed") not in dialect.routes.values():
            with pytest.raises(LookupError):
                getattr(dialect, method)(call, refusal("BAD_MODE"), DEFAULTS)


def test_the_json_service_has_no_simulation():
    with pytest.raises(LookupError):
        JSON_SERVICE.parse_simulation(json_call({"test": "-1"}))
