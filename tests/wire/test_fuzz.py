"""Whatever comes in: no exception but a refusal, and a well-formed answer in a known format."""

import json
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.kit import DIALECTS, strict_ini

from kodgate.core import errors
from kodgate.core.accounts import AccountSettings, MissingMode
from kodgate.core.errors import Refused
from kodgate.core.requests import Refusal
from kodgate.wire import HttpRequest

ROUTES = [(dialect, path) for dialect in DIALECTS.values() for path in dialect.routes]
NAMES = st.sampled_from(
    ["http_username", "http_password", "mode", "to_sms", "message", "code", "phone_list",
     "packet_id", "paket_id", "message_id", "test", "format", "valid_period", "validPeriod", "json",
     "login", "pass", "tel_list", "user_mess_id", "mess_id", "package_id"]
)  # fmt: skip
LIKELY = st.sampled_from(
    ["", "TELE", "0", "1", "-1", "6", "7", "1234", "79123456789", "xml", "txt", "30", "١٢٣٤",
     "\x00", "\ud800", "{}", "[]"]
)  # fmt: skip
VALUES = LIKELY | st.text()
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def encoded(pairs):
    return "&".join(
        f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in pairs
    ).encode()


FORMS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(encoded)
OBJECTS = st.dictionaries(NAMES | st.text(), JSON_VALUES, max_size=8).map(
    lambda members: json.dumps(members).encode()
)
QUERIES = st.binary(max_size=200) | FORMS
BODIES = QUERIES | OBJECTS | OBJECTS.map(lambda text: b"json=" + quote(text).encode())
TYPES = st.sampled_from(
    ["", "application/json", "application/x-www-form-urlencoded; charset=windows-1251", "x;charset"]
)
SETTINGS = st.builds(AccountSettings, missing_mode=st.sampled_from(MissingMode))


@pytest.mark.parametrize(("dialect", "path"), ROUTES, ids=[path for _, path in ROUTES])
@given(query=QUERIES, body=BODIES, content_type=TYPES, settings=SETTINGS)
def test_any_request_is_understood_or_refused(dialect, path, query, body, content_type, settings):
    call = dialect.read(
        HttpRequest(method="POST", path=path, query=query, body=body, content_type=content_type)
    )
    assert call.error is None or call.error in errors.BY_NAME
    call.credentials.login.encode()
    call.credentials.password.encode()
    try:
        parse(dialect, call, settings)
        error = errors.BY_NAME["UNAVAILABLE"]
    except Refused as refused:
        error = refused.error
    answer = dialect.render_refusal(call, Refusal(error=error, caller_ip="192.0.2.1"), settings)
    READERS[call.operation == "balance" and call.format == "txt", call.format](answer)


def parse(dialect, call, settings):
    if call.error is not None and call.operation == "balance":
        raise Refused(call.error)
    if call.simulation and call.operation == "send":
        dialect.parse_simulation(call)
    elif call.operation == "send":
        asked = dialect.parse_send(call, settings)
        assert asked.phone.isascii()
        assert asked.code is None or (asked.code.isascii() and asked.code.isdigit())
    elif call.operation == "status":
        dialect.parse_status(call, settings)
    elif call.operation == "confirm":
        dialect.parse_confirm(call)


READERS = {
    (False, "txt"): strict_ini,
    (True, "txt"): lambda answer: float(answer.body),
    (False, "xml"): lambda answer: ElementTree.fromstring(answer.body),
    (False, "json"): lambda answer: json.loads(answer.body),
}
