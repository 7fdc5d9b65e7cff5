"""Both ends of a dialect agree: what the client builds is parsed, what we render is read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.kit import (
    DEFAULTS,
    FALLEN_BACK,
    HTTP,
    JSON_ASP,
    JSON_SERVICE,
    SENT,
    form_call,
    json_asp_call,
    json_call,
    refusal,
    request,
)

from kodgate.core import codes, errors, results
from kodgate.core.accounts import (
    AccountSettings,
    Charset,
    DecimalSeparator,
    MissingMode,
    TxtStyle,
)
from kodgate.core.errors import Refused
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    MessageStatus,
    Mode,
    PacketStatus,
    SendRequest,
    Sent,
    SentMessage,
    Simulation,
    StatusQuery,
)
from kodgate.wire import ApiFailure, HttpRequest, Unreadable, http_asp, json_asp, json_service
from kodgate.wire.readers import NUMBER_UNKNOWN


def is_code(text: str) -> bool:
    try:
        return bool(codes.check(text))
    except Refused:
        return False


IDS = st.integers(1, 2**53 - 1)
NUMBERS = IDS.map(str)
CODES = st.text("0123456789", min_size=4, max_size=8).filter(is_code)
PHONES = st.from_regex(r"[1-79][0-9]{6,14}", fullmatch=True)
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\uffff\ufffe"), min_size=1
)
LOGINS = TEXTS.map(lambda text: text.strip(" ")).filter(bool)
MONEY = st.integers(-(10**12), 10**12)
PRICES = st.integers(0, 10**8)
SECONDS = st.integers(0, 4 * 10**9 // 1000)

SETTINGS = st.builds(
    AccountSettings,
    txt_style=st.sampled_from(TxtStyle),
    charset=st.sampled_from(Charset),
    decimal_separator=st.sampled_from(DecimalSeparator),
    emit_message_text=st.booleans(),
    timezone=st.sampled_from(["UTC", "Asia/Vladivostok"]),
)

FORM_SENDS = st.builds(
    SendRequest,
    phone=PHONES,
    mode=st.sampled_from(Mode),
    ttl_s=st.integers(30, 36_000),
    code=st.none() | CODES,
    user_packet_id=st.none() | NUMBERS,
    user_message_id=st.none() | NUMBERS,
    test=st.booleans(),
).filter(lambda asked: asked.mode is not Mode.SMS or asked.code is not None)
SIMULATIONS = st.builds(
    Simulation,
    phones=st.lists(PHONES, min_size=1, max_size=10).map(tuple),
    code=st.none() | CODES,
    user_packet_id=st.none() | NUMBERS,
    user_message_id=st.none() | NUMBERS,
)
JSON_SENDS = st.builds(
    SendRequest,
    phone=PHONES,
    mode=st.sampled_from([Mode.TELE, Mode.TELE_TO_SMS]),
    ttl_s=st.integers(30, 36_000),
    code=st.none() | CODES,
    user_message_id=st.none() | PRINTABLE,
)
QUERIES = st.builds(StatusQuery, packet_id=IDS) | st.builds(StatusQuery, message_id=IDS)
JSON_QUERIES = QUERIES | st.builds(StatusQuery, user_message_id=PRINTABLE)

SENT_MESSAGES = st.builds(
    SentMessage,
    message_id=IDS,
    phone=PHONES,
    code=CODES,
    zone=st.integers(0, 99),
    cost=PRICES,
    parts=st.just(1),
)
SENTS = st.builds(
    Sent,
    packet_id=IDS,
    messages=st.lists(SENT_MESSAGES, min_size=1, max_size=10).map(tuple),
    balance_before=MONEY,
    balance_after=MONEY,
    caller_ip=st.ip_addresses().map(str),
    user_packet_id=st.none() | NUMBERS,
)
STATUS_MESSAGES = st.builds(
    MessageStatus,
    num=st.integers(1, 9),
    message_id=IDS,
    channel=st.just(""),
    phone=PHONES,
    code=CODES | st.just("******"),
    zone=st.integers(0, 99),
    result=st.sampled_from(results.TABLE),
    delivered_at=st.none() | SECONDS.map(lambda second: second * 1000),
    cost=PRICES,
    parts=st.just(1),
)


@st.composite
def packet_statuses(draw):
    messages = draw(
        st.lists(STATUS_MESSAGES, min_size=1, max_size=3, unique_by=lambda message: message.num)
    )
    return PacketStatus(
        packet_id=draw(IDS),
        messages=tuple(messages),
        asked=messages[-1],
        caller_ip=draw(st.ip_addresses().map(str)),
    )


def arrived(posting) -> HttpRequest:
    path, body, content_type = posting
    return HttpRequest(method="POST", path=path, query=b"", body=body, content_type=content_type)


def of(asked: SendRequest) -> AccountSettings:
    """Mode SMS has no word on the wire: it is what such an account understands without one."""
    legacy = MissingMode.SMS if asked.mode is Mode.SMS else MissingMode.REJECT
    return AccountSettings(missing_mode=legacy)


@pytest.mark.parametrize(
    ("build", "dialect"), [(http_asp.build_send, HTTP), (json_asp.build_send, JSON_ASP)]
)
@given(login=LOGINS, password=TEXTS, asked=FORM_SENDS)
def test_a_send_that_the_client_builds_is_parsed_as_it_was_meant(
    build, dialect, login, password, asked
):
    call = dialect.read(arrived(build(login, password, asked)))
    assert dialect.parse_send(call, of(asked)) == asked
    assert (call.credentials.login, call.credentials.password) == (login, password)
    assert not call.credentials.in_query


@pytest.mark.parametrize(
    ("build", "dialect"), [(http_asp.build_send, HTTP), (json_asp.build_send, JSON_ASP)]
)
@given(asked=SIMULATIONS)
def test_a_simulation_is_parsed_as_it_was_meant(build, dialect, asked):
    call = dialect.read(arrived(build("", "", asked)))
    assert call.simulation
    assert dialect.parse_simulation(call) == asked


@given(login=LOGINS, password=TEXTS, asked=JSON_SENDS)
def test_a_json_send_is_parsed_as_it_was_meant(login, password, asked):
    call = JSON_SERVICE.read(arrived(json_service.build_send(login, password, asked)))
    assert JSON_SERVICE.parse_send(call, DEFAULTS) == asked
    assert (call.credentials.login, call.credentials.password) == (login, password)


@given(query=QUERIES)
def test_a_status_query_is_parsed_as_it_was_meant(query):
    call = HTTP.read(arrived(http_asp.build_status("alice", "x", query)))
    assert HTTP.parse_status(call, DEFAULTS) == query


@given(query=JSON_QUERIES, code=CODES)
def test_json_queries_and_confirms_are_parsed_as_they_were_meant(query, code):
    call = JSON_SERVICE.read(arrived(json_service.build_status("alice", "x", query)))
    assert JSON_SERVICE.parse_status(call, DEFAULTS) == query
    asked = ConfirmRequest(query=query, code=code)
    call = JSON_SERVICE.read(arrived(json_service.build_confirm("alice", "x", asked)))
    assert JSON_SERVICE.parse_confirm(call) == asked


def test_a_balance_request_is_in_xml():
    call = HTTP.read(arrived(http_asp.build_balance("alice", "x")))
    assert (call.operation, call.format, call.credentials.login) == ("balance", "xml", "alice")


@pytest.mark.parametrize("form", ["txt", "xml"])
@given(what=SENTS, settings=SETTINGS)
def test_an_accepted_send_is_read_as_it_was_rendered(form, what, settings):
    answer = HTTP.render_sent(form_call({"format": form}), what, settings)
    assert http_asp.read_sent(answer.body) == what


@given(what=SENTS, settings=SETTINGS)
def test_an_accepted_json_in5_send_is_read_as_it_was_rendered(what, settings):
    answer = JSON_ASP.render_sent(json_asp_call({}), what, settings)
    assert json_asp.read_sent(answer.body) == what


@given(what=SENTS, settings=SETTINGS, user_id=st.none() | PRINTABLE)
def test_an_accepted_json_send_is_read_as_it_was_rendered(what, settings, user_id):
    what = replace(what, user_message_id=user_id, messages=what.messages[:1])
    answer = JSON_SERVICE.render_sent(json_call({}), what, settings)
    message = what.messages[0]
    assert json_service.read_sent(answer.body) == json_service.Accepted(
        packet_id=what.packet_id,
        message_id=message.message_id,
        phone=message.phone,
        code=message.code,
        cost=message.cost,
        parts=1,
        user_message_id=user_id,
    )


@pytest.mark.parametrize("form", ["txt", "xml"])
@given(what=packet_statuses(), settings=SETTINGS)
def test_a_status_is_read_as_it_was_rendered(form, what, settings):
    answer = HTTP.render_status(form_call({"format": form}, "/http_out5.asp"), what, settings)
    assert http_asp.read_status(answer.body, timezone=settings.timezone) == what


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("user_id", [None, "order 77"])
def test_a_json_status_is_read_as_it_was_rendered(asked, user_id):
    what = replace(
        FALLEN_BACK,
        asked=FALLEN_BACK.messages[asked],
        user_message_id=user_id,
        caller_ip="",
        messages=tuple(replace(message, zone=0) for message in FALLEN_BACK.messages),
    )
    what = replace(what, asked=what.messages[asked])
    answer = JSON_SERVICE.render_status(json_call({}, "/status"), what, DEFAULTS)
    assert json_service.read_status(answer.body) == what


@pytest.mark.parametrize("form", ["txt", "xml"])
@given(spendable=MONEY, settings=SETTINGS)
def test_a_balance_is_read_as_it_was_rendered(form, spendable, settings):
    call = HTTP.read(request("/http_credit.asp", f"format={form}"))
    answer = HTTP.render_balance(call, Balance(spendable=spendable), settings)
    assert http_asp.read_balance(answer.body) == Balance(spendable=spendable)


@pytest.mark.parametrize("user_id", [None, "77"])
def test_a_confirm_is_read_as_it_was_rendered(user_id):
    what = Confirmed(packet_id=33, user_message_id=user_id)
    answer = JSON_SERVICE.render_confirmed(json_call({}, "/confirm"), what, DEFAULTS)
    assert json_service.read_confirmed(answer.body) == what


FAILURES = [
    (HTTP, form_call({"format": "txt"}), http_asp.read_sent),
    (HTTP, form_call({"format": "xml"}), http_asp.read_sent),
    (HTTP, form_call({"format": "txt"}, "/http_out5.asp"), http_asp.read_status),
    (HTTP, form_call({"format": "xml"}, "/http_out5.asp"), http_asp.read_status),
    (HTTP, form_call({"format": "xml"}, "/http_credit.asp"), http_asp.read_balance),
    (JSON_ASP, json_asp_call({}), json_asp.read_sent),
    (JSON_SERVICE, json_call({}), json_service.read_sent),
    (JSON_SERVICE, json_call({}, "/status"), json_service.read_status),
    (JSON_SERVICE, json_call({}, "/confirm"), json_service.read_confirmed),
]


@pytest.mark.parametrize(("dialect", "call", "read"), FAILURES)
@pytest.mark.parametrize("name", [row.name for row in errors.TABLE])
def test_every_refusal_is_read_as_its_number_and_text(dialect, call, read, name):
    answer = dialect.render_refusal(call, refusal(name), DEFAULTS)
    with pytest.raises(ApiFailure) as failure:
        read(answer.body)
    row = errors.BY_NAME[name]
    assert (failure.value.number, failure.value.text) == (row.number, row.en)
    assert failure.value.packet_id is None


@pytest.mark.parametrize(
    ("dialect", "call", "read"),
    [case for case in FAILURES if case[2].__name__ == "read_sent"],
)
def test_a_duplicate_carries_the_first_packets_id_to_the_client(dialect, call, read):
    answer = dialect.render_refusal(call, refusal("DUPLICATE", packet_id=33), DEFAULTS)
    with pytest.raises(ApiFailure) as failure:
        read(answer.body)
    assert failure.value.packet_id == 33


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("[Common]\nerror_num=Неверный логин или пароль\n", 1),
        ("[Common]\nerror_num = Insufficient funds\n", 3),
        ("[Common]\nerror_num=3\n", 3),
        ("error_num = Something new\nerror_code = 77\n", 77),
        ("error_num = Something new", NUMBER_UNKNOWN),
        ("<XML><httpIn error_num='13'/></XML>", 13),
        ("<xml><HTTPIN error_num='Something new'/></xml>", NUMBER_UNKNOWN),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "cp1251"])
def test_failures_of_the_original_service_are_understood(body, number, charset):
    with pytest.raises(ApiFailure) as failure:
        http_asp.read_sent(body.encode(charset))
    assert failure.value.number == number
    assert failure.value.text


@pytest.mark.parametrize(
    ("body", "spendable"),
    [("408,71", 4_087_100), ("408.71\r\n", 4_087_100), ("0", 0), ("<balance>5</balance>", 50_000),
     ("<XML>2,1531</XML>", 21_531)],
)  # fmt: skip
def test_balances_of_the_original_service_are_understood(body, spendable):
    assert http_asp.read_balance(body.encode()).spendable == spendable


def test_a_balance_that_is_an_error_text_is_a_failure():
    with pytest.raises(ApiFailure) as failure:
        http_asp.read_balance("Неверный логин или пароль".encode("cp1251"))
    assert failure.value.number == 1


XML = "<XML><httpOut error_num='0' packet_id='1'><sms message_id='2' {}/></httpOut></XML>"


@pytest.mark.parametrize(
    ("attributes", "result"),
    [
        ("result_id='6'", results.BY_ID[6]),
        ("result_id='99' result_info='new'",
         results.Result(id=99, word="Unknown", en="new", ru="new", final=False)),
        ("state='Delivered'", results.BY_ID[6]),
        ("", results.Result(id=1, word="Unknown", en="", ru="", final=False)),
    ],
)  # fmt: skip
def test_a_result_that_we_do_not_know_is_kept_and_not_final(attributes, result):
    assert http_asp.read_status(XML.format(attributes).encode()).asked.result == result


@pytest.mark.parametrize(
    ("text", "at"),
    [("17.09.2025 5:31:08", 1_758_076_268_000), ("1.1.2025 00:00:00", 1_735_678_800_000),
     ("", None)],
)  # fmt: skip
def test_a_delivery_date_may_have_single_digits_or_be_empty(text, at):
    found = http_asp.read_status(XML.format(f"delivered_date='{text}'").encode())
    assert found.asked.delivered_at == at


@pytest.mark.parametrize(
    "attributes",
    ["delivered_date='soon'", "delivered_date='31.02.2025 00:00:00'", "message_cost='much'",
     "message_parts='few'", "delivered_date='01.01.0000 00:00:00'"],
)  # fmt: skip
def test_a_status_with_nonsense_in_it_is_unreadable(attributes):
    with pytest.raises(Unreadable):
        http_asp.read_status(XML.format(attributes).encode())


@pytest.mark.parametrize("named", ["code", "message", "message_text"])
def test_the_code_has_three_names(named):
    body = f"error_num = OK\npacket_id = 1\n[1]\nmessage_id = 2\n{named} = 1234\n"
    assert http_asp.read_sent(body.encode()).messages[0].code == "1234"


UNREADABLE = {
    "nothing": b"",
    "a page": b"<html><body>502</body></html>",
    "broken XML": b"<XML><httpIn error_num='0'",
    "an entity": b"<!DOCTYPE a [<!ENTITY x 'y'>]><XML><httpIn error_num='0'/></XML>",
    "another root": b"<XML><other/></XML>",
    "no error_num": b"<XML><httpIn packet_id='1'/></XML>",
    "no message": b"<XML><httpIn error_num='0' packet_id='1'/></XML>",
    "no packet": b"error_num = OK\n[1]\nmessage_id = 1\n",
    "a message without an id": b"error_num = OK\npacket_id = 1\n[1]\nmessage_cost = 1\n",
    "words": b"please try again",
    "bytes": b"\x98\xff",
    "a flood": b"a" * 1_048_577,
    "a number": b"[]",
    "JSON without a verdict": b"{}",
    "JSON without ids": b'{"errcode":"0","err_num":0,"error":"OK","sms":[{}]}',
    "JSON without messages": b'{"err_num":0,"sms":7,"errcode":"0","systemId":"1"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize(
    "read",
    [http_asp.read_sent, http_asp.read_status, json_asp.read_sent, json_service.read_sent,
     json_service.read_status, json_service.read_confirmed, http_asp.read_balance],
    ids=lambda read: f"{read.__module__.rpartition('.')[2]}.{read.__name__}",
)  # fmt: skip
def test_what_is_no_answer_is_unreadable(read, body):
    with pytest.raises(Unreadable):
        read(body)


@given(st.binary(max_size=300))
def test_no_answer_makes_a_reader_fail_in_another_way(body):
    for read in (http_asp.read_sent, http_asp.read_status, http_asp.read_balance,
                 json_asp.read_sent, json_service.read_sent, json_service.read_status):  # fmt: skip
        try:
            read(body)
        except (Unreadable, ApiFailure):
            continue


def test_a_json_status_without_a_list_has_the_one_message():
    body = b'{"errcode":"0","systemId":"5","pakage":"3","state":"Sent","phone":"79"}'
    found = json_service.read_status(body)
    assert (found.packet_id, found.asked.message_id, found.asked.result.id) == (3, 5, 4)


def test_json_numbers_and_integers_are_read_like_texts():
    body = (
        b'{"err_num":"0","packet_id":3,"balance_before":1.5,"balance_after":1,'
        b'"sms":[{"message_id":5,"message_cost":2.1}]}'
    )
    found = json_asp.read_sent(body)
    assert (found.packet_id, found.balance_before, found.messages[0].cost) == (3, 15_000, 21_000)


@pytest.mark.parametrize(
    "build",
    [
        lambda: http_asp.build_status("a", "b", StatusQuery(user_message_id="7")),
        lambda: json_service.build_status("a", "b", StatusQuery()),
        lambda: json_service.build_send(
            "a", "b", SendRequest(phone="79123456789", mode=Mode.TELE, test=True)
        ),
        lambda: json_service.build_send("a", "b", SendRequest(phone="79123456789", mode=Mode.SMS)),
        lambda: json_service.build_send(
            "a", "b", SendRequest(phone="79123456789", mode=Mode.TELE, user_packet_id="7")
        ),
    ],
)
def test_what_a_dialect_has_no_word_for_cannot_be_built(build):
    with pytest.raises(ValueError, match=r"needed|knows"):
        build()


def test_the_simulated_answer_is_read_as_a_sent_one():
    answer = HTTP.render_sent(form_call({"test": "-1", "format": "xml"}), SENT, DEFAULTS)
    assert http_asp.read_sent(answer.body) == SENT
