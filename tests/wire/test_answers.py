"""The bytes of the answers, and the readers that must be pleased with them."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

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
    SMS,
    first_child,
    form_call,
    json_asp_call,
    json_call,
    php,
    refusal,
    request,
    strict_ini,
)

from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings, Charset, DecimalSeparator, TxtStyle
from kodgate.core.requests import Balance, Confirmed
from kodgate.wire import writers

EVERY_ERROR = [row.name for row in errors.TABLE]

SEND = {form: form_call({"format": form}) for form in ("txt", "xml")}
STATUS = {form: form_call({"format": form}, "/http_out5.asp") for form in ("txt", "xml")}
BALANCE = {
    form: HTTP.read(request("/http_credit.asp", f"format={form}")) for form in ("txt", "xml")
}


def sent(form="txt", what=SENT, **settings):
    return HTTP.render_sent(SEND[form], what, AccountSettings(**settings))


def status(form="txt", what=FALLEN_BACK, **settings):
    return HTTP.render_status(STATUS[form], what, AccountSettings(**settings))


# The accepted send


def test_txt_lines_end_with_crlf_and_have_blanks_around_the_equals_sign():
    lines = sent().body.decode().split("\r\n")
    assert all("\n" not in line and "\r" not in line for line in lines)
    assert "error_num = OK" in lines
    assert sent().content_type == "text/plain; charset=utf-8"


def test_txt_in_the_seeds_style_has_no_blanks():
    assert "error_num=OK\r\n" in sent(txt_style=TxtStyle.SEED).body.decode()


def test_no_key_that_ends_in_message_id_comes_before_it():
    """The most copied snippet takes the first match (D-3)."""
    body = sent(what=replace(SENT, user_packet_id="55", user_message_id="56")).body.decode()
    assert re.search(r"message_id\s*=\s*([0-9]+)", body, re.IGNORECASE)[1] == "7710258"


def test_error_code_of_a_success_stands_in_the_summary_only():
    found = strict_ini(sent())
    assert "error_code" not in found["Common"]
    assert found["Summary"]["error_code"] == "0"


def test_message_text_is_a_setting():
    assert "message_text" not in strict_ini(sent())["1"]
    assert strict_ini(sent(emit_message_text=True))["1"]["message_text"] == "123456"


@pytest.mark.parametrize(
    ("chosen", "txt", "attribute"),
    [
        (DecimalSeparator.SEED, ("408,71", "2,10"), ("408,71", "2.10")),
        (DecimalSeparator.COMMA, ("408,71", "2,10"), ("408,71", "2,10")),
        (DecimalSeparator.POINT, ("408.71", "2.10"), ("408.71", "2.10")),
    ],
)
def test_the_decimal_sign_is_the_documents_or_the_accounts(chosen, txt, attribute):
    found = strict_ini(sent(decimal_separator=chosen))
    assert (found["Common"]["balance_before"], found["1"]["message_cost"]) == txt
    packet = first_child(sent("xml", decimal_separator=chosen))
    costs = packet.getElementsByTagName("sms")[0].getAttribute("message_cost")
    assert (packet.getAttribute("balance_before"), costs) == attribute


def test_all_money_of_one_answer_has_as_many_decimals():
    message = replace(SENT.messages[0], cost=21_005)
    what = replace(SENT, messages=(message,), balance_after=4_087_100 - 21_005)
    found = strict_ini(sent(what=what))
    assert found["Common"]["balance_before"] == "408,7100"
    assert found["1"]["message_cost"] == "2,1005"
    assert found["Summary"]["packet_cost"] == "2,1005"
    assert found["Summary"]["balance_after"] == "406,6095"


def test_a_simulation_of_two_numbers_lists_both():
    second = replace(SENT.messages[0], message_id=7710259, phone="79123456780")
    what = replace(SENT, messages=(*SENT.messages, second))
    found = strict_ini(sent(what=what))
    assert (found["2"]["packet_#"], found["2"]["message_id"]) == ("2", "7710259")
    assert (found["Summary"]["summ_phone"], found["Summary"]["packet_cost"]) == ("2", "4,20")
    assert len(first_child(sent("xml", what)).getElementsByTagName("sms")) == 2


def test_the_last_child_of_http_in_is_the_message():
    packet = first_child(sent("xml"))
    assert [child.nodeName for child in packet.childNodes if child.nodeType == 1][-1] == "sms"


def test_xml_begins_with_the_documents_declaration():
    answer = sent("xml")
    assert answer.body.startswith(b"<?xml version='1.0' encoding='UTF-8' ?>\n<XML><httpIn ")
    assert answer.content_type == "text/xml; charset=utf-8"


def test_every_start_tag_stands_on_one_line():
    lines = (sent("xml").body + b"\n" + status("xml").body).decode().split("\n")
    assert all(line.count("<") == line.count(">") for line in lines)


# The status


def test_the_summary_is_the_last_child_of_http_out():
    packet = first_child(status("xml"))
    names = [child.nodeName for child in packet.childNodes if child.nodeType == 1]
    assert names == ["sms", "sms", "Summary"]


def test_the_delivery_date_is_absent_until_it_is_known():
    first, second = first_child(status("xml")).getElementsByTagName("sms")
    assert not first.hasAttribute("delivered_date")
    assert second.getAttribute("delivered_date") == "17.09.2025 12:34:23"
    assert "delivered_date" not in strict_ini(status())["1"]


@pytest.mark.parametrize(
    ("timezone", "text"),
    [("Asia/Vladivostok", "17.09.2025 19:34:23"), ("UTC", "17.09.2025 09:34:23")],
)
def test_the_delivery_date_is_in_the_accounts_time_zone(timezone, text):
    assert strict_ini(status(timezone=timezone))["2"]["delivered_date"] == text


def test_the_txt_status_can_be_in_cp1251():
    answer = status(charset=Charset.CP1251)
    assert answer.content_type == "text/plain; charset=windows-1251"
    assert strict_ini(answer)["2"]["result_info"] == "доставлено"


def test_the_section_of_a_message_is_its_number_in_the_packet():
    what = replace(FALLEN_BACK, messages=(SMS,))
    assert set(strict_ini(status(what=what))) == {"Common", "2", "Summary"}


def test_a_code_past_its_retention_is_shown_as_stars():
    what = replace(FALLEN_BACK, messages=(replace(SMS, code="******"),))
    assert strict_ini(status(what=what))["2"]["message"] == "******"


def test_a_json_status_names_the_message_asked_for_and_lists_all():
    call = json_call({}, "/status")
    what = replace(FALLEN_BACK, user_message_id="77", asked=FALLEN_BACK.messages[0])
    found = json.loads(JSON_SERVICE.render_status(call, what, DEFAULTS).body)
    assert (found["systemId"], found["state"], found["userMessId"]) == (
        "7710258", "Undeliverable", "77",
    )  # fmt: skip
    assert "delivered_date" not in found
    assert [message["channel"] for message in found["messages"]] == ["telegram", "sms"]


def test_every_value_of_the_json_service_is_text():
    sends = json.loads(JSON_SERVICE.render_sent(json_call({}), SENT, DEFAULTS).body)
    call = json_call({}, "/status")
    statuses = json.loads(JSON_SERVICE.render_status(call, FALLEN_BACK, DEFAULTS).body)
    listed = statuses.pop("messages")
    for found in (sends, statuses, *listed):
        assert all(isinstance(value, str) for value in found.values())


def test_json_money_has_a_point_and_the_accounts_sign_if_it_chose_one():
    settings = AccountSettings(decimal_separator=DecimalSeparator.COMMA)
    for chosen, cost in ((DEFAULTS, "2.10"), (settings, "2,10")):
        found = json.loads(JSON_SERVICE.render_sent(json_call({}), SENT, chosen).body)
        assert found["message_cost"] == cost


@pytest.mark.parametrize(("user_id", "has"), [(None, False), ("77", True)])
def test_user_mess_id_is_told_only_when_it_was_given(user_id, has):
    what = Confirmed(packet_id=33, user_message_id=user_id)
    body = JSON_SERVICE.render_confirmed(json_call({}, "/confirm"), what, DEFAULTS).body
    assert ("userMessId" in json.loads(body)) is has
    body = JSON_SERVICE.render_refusal(
        json_call({}), refusal("BAD_CODE", user_message_id=user_id), DEFAULTS
    ).body
    assert ("userMessId" in json.loads(body)) is has


# Refusals


@pytest.mark.parametrize(
    ("user_id", "told"), [("77", "77"), (77, "77"), ("", None), ("a\nb", None), ("ж", None)]
)
def test_a_refused_json_send_names_the_callers_id_if_it_is_one(user_id, told):
    call = json_call({"user_mess_id": user_id, "mode": "5"})
    found = json.loads(JSON_SERVICE.render_refusal(call, refusal("BAD_MODE"), DEFAULTS).body)
    assert found.get("userMessId") == told


@pytest.mark.parametrize("name", EVERY_ERROR)
def test_a_refused_send_is_told_in_both_sections_and_without_a_message(name):
    answer = HTTP.render_refusal(SEND["txt"], refusal(name), DEFAULTS)
    found = strict_ini(answer)
    number = str(errors.BY_NAME[name].number)
    assert found["Common"]["error_num"] == errors.BY_NAME[name].en
    assert found["Common"]["error_code"] == found["Summary"]["error_code"] == number
    assert "message_id" not in answer.body.decode()
    assert answer.status == 200


@pytest.mark.parametrize("name", EVERY_ERROR)
@pytest.mark.parametrize(("calls", "tag"), [(SEND, "httpIn"), (STATUS, "httpOut")])
def test_a_refusal_in_xml_is_the_first_child_with_a_number(name, calls, tag):
    packet = first_child(HTTP.render_refusal(calls["xml"], refusal(name), DEFAULTS))
    row = errors.BY_NAME[name]
    assert packet.nodeName == tag
    assert packet.getAttribute("error_num") == str(row.number)
    assert packet.getAttribute("error_text") == row.en
    assert packet.getElementsByTagName("sms") == []


@pytest.mark.parametrize("name", EVERY_ERROR)
def test_balances_are_told_only_to_callers_who_proved_who_they_are(name):
    told = refusal(name, balance=4_087_100)
    txt = strict_ini(HTTP.render_refusal(SEND["txt"], told, DEFAULTS))
    packet = first_child(HTTP.render_refusal(SEND["xml"], told, DEFAULTS))
    shows = errors.BY_NAME[name].shows_balance
    assert ("balance_before" in txt["Common"]) is shows
    assert ("balance_after" in txt["Summary"]) is shows
    assert packet.hasAttribute("balance_before") is shows


def test_a_duplicate_points_to_the_first_packet():
    first = refusal("DUPLICATE", packet_id=33)
    assert strict_ini(HTTP.render_refusal(SEND["txt"], first, DEFAULTS))["Common"]["packet_id"] == (
        "33"
    )
    packet = first_child(HTTP.render_refusal(SEND["xml"], first, DEFAULTS))
    assert packet.getAttribute("packet_id") == "33"
    found = json.loads(JSON_ASP.render_refusal(json_asp_call({}), first, DEFAULTS).body)
    assert found == {"error": "Duplicate message", "err_num": 19, "packet_id": "33", "sms": []}
    found = json.loads(JSON_SERVICE.render_refusal(json_call({}), first, DEFAULTS).body)
    assert (found["pakage"], found["systemId"]) == ("33", "0")


def test_a_refused_balance_tells_its_number_in_a_header():
    for form in ("txt", "xml"):
        answer = HTTP.render_refusal(BALANCE[form], refusal("BAD_CREDENTIALS"), DEFAULTS)
        assert answer.headers == (("X-Error-Num", "1"),)


def test_a_balance_is_a_bare_number():
    answer = HTTP.render_balance(BALANCE["txt"], Balance(spendable=4_066_100), DEFAULTS)
    assert answer.body == b"406,61"
    answer = HTTP.render_balance(BALANCE["xml"], Balance(spendable=-5), DEFAULTS)
    assert ElementTree.fromstring(answer.body).text == "-0,0005"


# Strict readers


@pytest.mark.parametrize("row", [errors.OK, *errors.TABLE], ids=lambda row: row.name)
def test_the_text_of_every_error_survives_an_ini_reader(row):
    assert writers.ini_value(row.en) == row.en
    assert row.en.isascii()


@pytest.mark.parametrize("row", results.TABLE, ids=lambda row: row.word)
def test_the_text_of_every_result_survives_an_ini_reader(row):
    assert writers.ini_value(row.ru) == row.ru
    assert row.ru.encode("cp1251")


PARSE_INI = "$r = parse_ini_string($t, true);"


@pytest.mark.php
def test_php_reads_every_txt_answer_as_it_was_meant():
    answers = [sent(), sent(txt_style=TxtStyle.SEED), status()]
    answers += [HTTP.render_refusal(SEND["txt"], refusal(name), DEFAULTS) for name in EVERY_ERROR]
    infos = [replace(SMS, num=row.id, result=row) for row in results.TABLE]
    answers.append(status(what=replace(FALLEN_BACK, messages=tuple(infos))))
    stars = replace(SMS, code="******")
    answers.append(status(what=replace(FALLEN_BACK, messages=(stars,), caller_ip="::1")))
    script = "$r = array_map(fn($x) => parse_ini_string(base64_decode($x), true), json_decode($t));"
    import base64

    texts = json.dumps([base64.b64encode(answer.body).decode() for answer in answers])
    found = php(script, texts.encode())
    assert found == [strict_ini(answer) for answer in answers]


@pytest.mark.php
def test_php_reads_a_cp1251_answer():
    script = PARSE_INI + "$r = bin2hex($r['2']['result_info']);"
    found = php(script, status(charset=Charset.CP1251).body)
    assert bytes.fromhex(found).decode("cp1251") == "доставлено"


@pytest.mark.php
def test_simple_xml_reads_the_answers():
    script = (
        "$x = simplexml_load_string($t); $r = [(int)$x->httpIn['error_num'],"
        "(string)$x->httpIn->sms['message_id'], (string)$x->httpIn['balance_after']];"
    )
    assert php(script, sent("xml").body) == [0, "7710258", "406,61"]
    refused = HTTP.render_refusal(SEND["xml"], refusal("NO_FUNDS"), DEFAULTS)
    assert php(script, refused.body)[0] == 3
    script = (
        "$x = simplexml_load_string($t); $s = $x->httpOut->sms; $r = [(int)$s[1]['result_id'],"
        "(string)$s[1]['message'], isset($s[0]['delivered_date']), isset($s[1]['delivered_date'])];"
    )
    assert php(script, status("xml").body) == [6, "123456", False, True]


@pytest.mark.php
def test_php_takes_errcode_0_for_no_error():
    """`!empty($data['errcode'])` is a client's test for failure (C-4)."""
    script = "$d = json_decode($t, true); $r = [empty($d['errcode']), $d['systemId']];"
    body = JSON_SERVICE.render_sent(json_call({}), SENT, DEFAULTS).body
    assert php(script, body) == [True, "7710258"]
    body = JSON_SERVICE.render_refusal(json_call({}), refusal("NO_FUNDS"), DEFAULTS).body
    assert php(script, body) == [False, "0"]


# Injection


HOSTILE = st.text(max_size=40) | st.sampled_from(
    ["a\r\n[Summary]\r\nerror_code=0", "'><sms result_id='6", "]]>", "&xxe;", "<!ENTITY", "off",
     "x=y", "(1)!", "\x85a\u2028b", "=cmd()", 'a"b', "a;b", "none"]
)  # fmt: skip


@given(HOSTILE)
def test_no_text_can_add_a_line_a_key_or_a_section(text):
    answer = sent(what=replace(SENT, caller_ip=text))
    found = strict_ini(answer)
    plain = strict_ini(sent())
    assert {name: list(keys) for name, keys in found.items()} == {
        name: list(keys) for name, keys in plain.items()
    }
    assert len(answer.body.splitlines()) == len(sent().body.splitlines())


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_an_xml_attribute_gives_back_what_was_put_in(text):
    if writers._XML_FORBIDDEN.search(text):
        return
    found = ElementTree.fromstring(writers.tag("a", [("b", text)], closed=True))
    assert found.attrib == {"b": text}


def test_line_ends_and_tabs_in_an_xml_attribute_survive():
    text = "a\tb\nc\rd"
    assert ElementTree.fromstring(writers.tag("a", [("b", text)], closed=True)).get("b") == text


@pytest.mark.parametrize("text", ["\x00", "\x0b", "\ud800", "\ufffe", "\uffff", "\x1b"])
def test_the_xml_writer_refuses_what_xml_cannot_hold(text):
    with pytest.raises(ValueError, match="XML cannot hold"):
        writers.tag("a", [("b", text)])


def test_a_user_mess_id_with_markup_is_told_encoded():
    text = "\"}</script><x> '\\"
    what = replace(SENT, user_message_id=text)
    found = json.loads(JSON_SERVICE.render_sent(json_call({}), what, DEFAULTS).body)
    assert found["userMessId"] == text
