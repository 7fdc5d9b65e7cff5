"""What `kodgate account set` changes is seen on the wire; tests, confirms and limits beside it."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from tests.e2e.caller import Caller, flat, until

pytestmark = pytest.mark.e2e

PHONE = "79123456789"
NEVER_READS = "70000000002"
NEVER_ARRIVES = "70000000004"
SMS = ("sender=kodgate", "template=Code {code}")


def _body(caller: Caller, path: str, **fields: object) -> tuple[bytes, str]:
    """Raw bytes and content type, where the charset is the point."""
    form = {"http_username": caller.login, "http_password": caller.password, **fields}
    url = f"http://127.0.0.1:{caller.gateway.wire}{path}"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=20) as answer:
        return answer.read(), answer.headers["Content-Type"]


def test_the_missing_mode_is_taken_for_what_the_account_says(shared: Caller) -> None:
    old = shared.account("old-code", *SMS)
    assert flat(old.post("/http_in5.asp", phone_list=PHONE))["error_code"] == "101"
    for mode, cost in (("tele", "2,10"), ("tele_to_sms", "2,10"), ("sms", "4,20")):
        old.set(f"missing_mode={mode}")
        sent = flat(old.post("/http_in5.asp", phone_list=PHONE, message="4711"))
        assert (sent["error_num"], sent["message_cost"], sent["code"]) == ("OK", cost, "4711")


def test_the_txt_answer_has_the_style_the_charset_and_the_signs_that_are_set(
    shared: Caller,
) -> None:
    caller = shared.account("styles", *SMS)
    plain = caller.post("/http_in5.asp", mode="TELE", phone_list=PHONE)
    assert "error_num = OK\r\n" in plain
    assert "packet_cost = 2,10" in plain
    caller.set("txt_style=seed", "charset=cp1251", "decimal_separator=point")
    caller.set("emit_message_text=yes")
    sent = caller.post("/http_in5.asp", mode="TELE", phone_list=PHONE)
    assert "error_num=OK\r\n" in sent
    assert "packet_cost=2.10" in sent
    assert re.search(r"balance_after=[0-9]+\.[0-9]{2}\r\n", sent)
    code = flat(sent)["code"]
    assert flat(sent)["message_text"] == code
    caller.until_final(flat(sent)["packet_id"])
    body, content_type = _body(caller, "/http_out5.asp", packet_id=flat(sent)["packet_id"])
    assert content_type == "text/plain; charset=windows-1251"
    assert "доставлено" in body.decode("cp1251")
    body, content_type = _body(
        caller, "/http_out5.asp", packet_id=flat(sent)["packet_id"], format="xml"
    )
    assert "доставлено" in body.decode("utf-8")
    assert caller.post("/http_credit.asp").count(".") == 1


def test_codes_have_the_length_and_dates_the_zone_that_are_set(shared: Caller) -> None:
    caller = shared.account("lengths", "code_length=8", "timezone=Asia/Vladivostok")
    sent = caller.send(PHONE)
    assert re.fullmatch("[1-9][0-9]{7}", sent["code"])
    (message,) = caller.until_final(sent["packet_id"])
    final_at = caller.rows(f"select final_at from packet where id = {sent['packet_id']}")[0][0]
    there = datetime.fromtimestamp(final_at / 1000, ZoneInfo("Asia/Vladivostok"))
    assert message["delivered_date"] == there.strftime("%d.%m.%Y %H:%M:%S")


def test_delivered_may_be_enough_in_telegram(shared: Caller) -> None:
    caller = shared.account("delivered", "telegram_success=delivered", *SMS)
    sent = caller.send(NEVER_READS, to_sms=1, valid_period=60)
    assert [m["result_id"] for m in caller.until_final(sent["packet_id"])] == ["6"]
    assert [e.kind for e in caller.ledger()] == ["topup", "charge"]


def test_who_may_not_use_telegram_is_sent_to_by_sms(shared: Caller) -> None:
    caller = shared.account("state", "telegram_allowed=no", *SMS)
    assert caller.send(PHONE)["error_code"] == "109"
    assert caller.json("/send", tel_list=PHONE, mode=6)["errcode"] == "109"
    sent = caller.send("79129999999", to_sms=1)
    (message,) = caller.until_final(sent["packet_id"])
    assert (message["result_id"], message["message_cost"]) == ("6", "4.20")
    assert caller.truth("fee", "79129999999") == []


def test_without_a_sender_there_is_no_fallback(shared: Caller) -> None:
    caller = shared.account("nameless")
    assert caller.send(PHONE, to_sms=1)["error_code"] == "23"
    assert caller.json("/send", tel_list=PHONE, mode=7)["errcode"] == "23"
    assert caller.send(PHONE)["error_num"] == "OK"


def test_a_phone_gets_no_more_than_the_account_allows(shared: Caller) -> None:
    caller = shared.account("careful", "packets_per_phone_10min=2", "packets_per_phone_day=3")
    assert [caller.send(PHONE).get("error_code") for _ in range(3)] == ["0", "0", "24"]
    assert caller.send("79120000009")["error_num"] == "OK"
    assert len([e for e in caller.ledger() if e.kind == "charge"]) == 3


REFUSED = (
    ("txt", lambda c, p: flat(c.post("/http_in5.asp", mode="TELE", phone_list=p))["error_code"]),
    (
        "xml",
        lambda c, p: xml_error(c.post("/http_in5.asp", mode="TELE", phone_list=p, format="xml")),
    ),
    ("json", lambda c, p: str(json_in5(c, p)["err_num"])),
    ("service", lambda c, p: c.json("/send", tel_list=p, mode=6)["errcode"]),
)
"""Dialect -> the error number of a send in it."""


def xml_error(body: str) -> str:
    found = ElementTree.fromstring(body)[0].get("error_num")
    assert found is not None, body
    return found


def json_in5(caller: Caller, phone: str) -> dict[str, object]:
    asked = {
        "http_username": caller.login,
        "http_password": caller.password,
        "mode": "TELE",
        "phone_list": phone,
    }
    found: dict[str, object] = json.loads(caller.post("/json_in5.asp", json=json.dumps(asked)))
    return found


@pytest.mark.parametrize(
    ("name", "settings", "phones", "error"),
    [
        ("zones", ("zones_allowed=2",), [], "109"),
        ("prefixes", ("prefixes_allowed=375,998",), [], "109"),
        ("addresses", ("packets_per_ip_10min=2",), [PHONE] * 2, "24"),
        ("spending", ("spend_per_day=5",), [PHONE] * 2, "3"),
        ("pumping", ("anti_pumping=strict",), [NEVER_ARRIVES] * 10, "109"),
    ],
)
def test_what_a_limit_refuses_leaves_no_trace_in_any_dialect(
    shared: Caller, name: str, settings: tuple[str, ...], phones: list[str], error: str
) -> None:
    caller = shared.account(f"limit-{name}", *settings)
    for phone in phones:
        assert caller.send(phone, valid_period=30)["error_code"] == "0"
    before = caller.books()
    for dialect, send in REFUSED:
        assert send(caller, "70000005000") == error, dialect
    assert caller.books() == before


def test_overdraft_promises_more_than_there_is_and_pays_it(shared: Caller) -> None:
    caller = shared.account("bold", "fallback_funds=overdraft", *SMS, balance="2.10")
    sent = caller.send(NEVER_READS, to_sms=1, valid_period=30)
    assert (sent["error_num"], sent["balance_after"]) == ("OK", "0,00")
    assert [m["result_id"] for m in caller.until_final(sent["packet_id"])] == ["7", "6"]
    assert caller.post("/http_credit.asp") == "-2,10"
    assert caller.send(PHONE)["error_code"] == "3"


def test_a_refusal_prints_the_balance_to_who_has_proved_himself(shared: Caller) -> None:
    caller = shared.account("curious", balance="5.00")
    refused = caller.send(PHONE, code="12")
    assert (refused["error_code"], refused["balance_before"]) == ("102", "5,00")
    assert refused["balance_before"] == refused["balance_after"]
    stranger = Caller(caller.gateway, login=caller.login, password="wrong")
    assert "balance_before" not in stranger.send(PHONE, code="12")


def test_a_test_says_all_and_does_nothing(shared: Caller) -> None:
    caller = shared.account("tester", "unique_message_ids=yes", *SMS)
    before = caller.books()
    sent = caller.send(PHONE, test=1, message_id=5, to_sms=1)
    assert (sent["error_num"], sent["balance_after"]) == ("OK", "997,90")
    after = caller.books()
    for name in ("money", "transfer", "unique_id", "truth"):
        assert after[name] == before[name]
    assert caller.rows(f"select 1 from event where packet_id = {sent['packet_id']}") == []
    (message,) = caller.packet(sent["packet_id"])
    assert (message["result_id"], message["message_cost"]) == ("6", "0.00")
    assert caller.json("/status", mess_id=sent["message_id"])["state"] == "Delivered"
    real = caller.send(PHONE, message_id=5)
    assert real["error_num"] == "OK"
    assert caller.send(PHONE, message_id=5, test=1)["error_code"] == "19"
    assert caller.post("/http_credit.asp") == "997,90"
    poor = shared.account("poor-tester", balance="1.00")
    assert poor.send(PHONE, test=1)["error_code"] == "3"


@pytest.mark.parametrize("name", ["package_id", "mess_id", "user_mess_id"])
def test_a_code_is_confirmed_by_any_of_its_ids_once(shared: Caller, name: str) -> None:
    own = f"confirm-{name}"
    sent = shared.json(
        "/send", tel_list=NEVER_READS, mode=7, validPeriod=300, user_mess_id=own, code="0471"
    )
    ids = {"package_id": sent["pakage"], "mess_id": sent["systemId"], "user_mess_id": own}
    given = {name: ids[name]}
    under_way = f"select 1 from message where id = {ids['mess_id']} and attempts > 0"
    until(lambda: shared.rows(under_way), 10)  # confirmed before, it would be cancelled
    assert shared.json("/confirm", code="0470", **given)["errcode"] == "112"
    assert shared.json("/confirm", code="471", **given)["state"] == "Rejected"
    right = shared.json("/confirm", code="0471", **given)
    assert (right["state"], right["userMessId"]) == ("Confirmed", own)
    assert shared.json("/confirm", code="0471", **given)["errcode"] == "113"
    assert [m["result_id"] for m in shared.until_final(sent["pakage"])] == ["6"]


def test_parallel_guesses_get_five_tries_and_no_more(shared: Caller) -> None:
    sent = shared.send(NEVER_READS, valid_period=300, code="4711")

    def guess(number: int) -> str:
        said = shared.json("/confirm", package_id=sent["packet_id"], code=f"{9_000 + number}")
        return str(said["errcode"])

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(guess, range(40)))
    assert (said.count("112"), said.count("114")) == (5, 35)
    assert shared.json("/confirm", package_id=sent["packet_id"], code="4711")["errcode"] == "114"


def test_a_confirm_after_the_sms_moves_no_money_and_before_it_leaves_stops_it(
    shared: Caller,
) -> None:
    caller = shared.account("late", *SMS)
    sent = caller.send(NEVER_READS, to_sms=1, valid_period=30)
    assert [m["result_id"] for m in caller.until_final(sent["packet_id"])] == ["7", "6"]
    entries = caller.ledger()
    right = caller.json("/confirm", package_id=sent["packet_id"], code=sent["code"])
    assert right["state"] == "Confirmed"
    assert caller.ledger() == entries
    assert [m["result_id"] for m in caller.packet(sent["packet_id"])] == ["7", "6"]


def test_a_bad_setting_is_refused_by_name(shared: Caller) -> None:
    for setting in ("code_length=3", "timezone=Mars/Base", "colour=red", "template=no place"):
        with pytest.raises(AssertionError, match=setting.partition("=")[0]):
            shared.command("account", "set", "demo", "--set", setting)


def test_a_stop_with_the_inbox_open_takes_six_seconds_at_most(shared: Caller) -> None:
    """Last of this file: it stops the gateway."""
    url = f"http://127.0.0.1:{shared.gateway.wire}/inbox/stream"
    stream = urllib.request.urlopen(url, timeout=20)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    sent = shared.send(PHONE)
    until(lambda: shared.rows(f"select 1 from packet where id = {sent['packet_id']}"), 5)
    assert shared.problems() == []
    assert shared.gateway.terminate() < 6
    stream.close()
