"""What the README promises, done as its readers do it, against the real processes."""

from __future__ import annotations

import urllib.request

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller, flat, until

pytestmark = pytest.mark.e2e

NEVER_READS = "70000000002"


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
    return body.decode()


def test_the_first_curl_of_the_readme_needs_no_account(gateway: Gateway) -> None:
    answer = _get(
        f"http://127.0.0.1:{gateway.wire}/http_in5.asp?mode=TELE&phone_list=79123456789&test=-1"
    )
    assert flat(answer)["error_num"] == "OK"
    assert len(flat(answer)["code"]) == 6


def test_a_code_is_read_in_telegram_and_charged_once(alice: Caller) -> None:
    sent = alice.send("79123456789", message_id=77)
    assert sent["error_num"] == "OK"
    assert sent["balance_before"] == "1000,00"
    assert sent["balance_after"] == "997,90"
    messages = alice.until_final(sent["packet_id"])
    assert [m["result_id"] for m in messages] == ["6"]
    assert messages[0]["message"] == sent["code"]
    assert [e.kind for e in alice.ledger()] == ["topup", "charge"]
    assert alice.problems() == []


def test_the_inbox_shows_the_code_that_was_answered(alice: Caller) -> None:
    sent = alice.send("79123456789")
    until(lambda: sent["code"] in _get(f"http://127.0.0.1:{alice.gateway.wire}/inbox"), 10)


def test_an_unread_code_is_refunded_and_leaves_by_sms_in_the_same_packet(alice: Caller) -> None:
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=30)
    telegram, sms = alice.until_final(sent["packet_id"])
    assert (telegram["result_id"], telegram["message_cost"]) == ("7", "0.00")
    assert (sms["result_id"], sms["message_cost"]) == ("6", "4.20")
    assert sms["message_id"] != telegram["message_id"]
    assert sms["message"] == telegram["message"] == sent["code"]
    assert "delivered_date" in sms
    _check_charge_refund_charge(alice)
    texts = [entry["text"] for entry in alice.truth("sms")]
    assert texts == [f"Код: {sent['code']}"]


def test_mode_7_of_the_json_service_does_the_same(alice: Caller) -> None:
    sent = alice.json(
        "/send", tel_list=NEVER_READS, mode="7", validPeriod="30", user_mess_id="order-1"
    )
    assert (sent["state"], sent["errcode"]) == ("Accepted", "0")

    def final() -> dict[str, object] | None:
        status = alice.json("/status", user_mess_id="order-1")
        return status if status["state"] == "Delivered" else None

    status = until(final, 40)
    assert [m["state"] for m in status["messages"]] == ["Undeliverable", "Delivered"]
    assert status["code"] == sent["code"]
    _check_charge_refund_charge(alice)


def _check_charge_refund_charge(alice: Caller) -> None:
    entries = alice.ledger()
    assert [(e.kind, e.amount) for e in entries[1:]] == [
        ("charge", 21_000),
        ("refund", 21_000),
        ("charge", 42_000),
    ]
    assert [e.balance_after for e in entries] == [10_000_000, 9_979_000, 10_000_000, 9_958_000]
    assert alice.post("/http_credit.asp") == "995,80"
    assert alice.problems() == []


def test_without_to_sms_an_unread_code_is_refunded_and_that_is_all(alice: Caller) -> None:
    sent = alice.send(NEVER_READS, to_sms=0, valid_period=30)
    messages = alice.until_final(sent["packet_id"])
    assert [m["result_id"] for m in messages] == ["7"]
    assert alice.post("/http_credit.asp") == "1000,00"
    assert alice.truth("sms") == []


PHONES = {
    "70000000001": ["6"],
    "70000000002": ["7", "6"],
    "70000000003": ["7", "6"],
    "70000000004": ["7", "6"],
    "70000000005": ["6"],
    "70000000006": ["7", "5"],
    "70000000007": ["7", "7"],
    "70000000008": ["7", "5"],
    "70000000009": ["7", "6"],
    "70000000010": ["6"],
}
"""Exact test phones of the sandbox -> results of the packet's messages with to_sms=1."""

REFUNDED_SMS = {"70000000006", "70000000008"}


def test_every_scripted_phone_ends_as_its_script_says(alice: Caller) -> None:
    # 300 s of validity: past the 20 s that phone ...9 takes for each answer.
    packets = {
        phone: alice.send(phone, to_sms=1, valid_period=300)["packet_id"] for phone in PHONES
    }
    ended = {phone: alice.until_final(packet, 60) for phone, packet in packets.items()}
    assert {p: [m["result_id"] for m in messages] for p, messages in ended.items()} == PHONES
    for phone, messages in ended.items():
        paid = messages[-1]["message_cost"]
        assert paid == (
            "0.00" if phone in REFUNDED_SMS else "2.10" if len(messages) == 1 else "4.20"
        )
    assert alice.problems() == []
    orphans = alice.rows("select count(*) from transfer where kind = 'provider_orphan_fee'")
    assert orphans[0][0] <= 1
    arrived = [x for x in alice.truth("send") if x["phone"] == "70000000010"]
    assert len(arrived) == 1


def test_a_code_read_from_the_banner_and_typed_stops_the_timer(alice: Caller) -> None:
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=60)
    wrong = "1" * len(sent["code"]) if sent["code"] != "1" * len(sent["code"]) else "2222"
    assert alice.json("/confirm", package_id=sent["packet_id"], code=wrong)["state"] == "Rejected"
    right = alice.json("/confirm", package_id=sent["packet_id"], code=sent["code"])
    assert right["state"] == "Confirmed"
    messages = alice.until_final(sent["packet_id"])
    assert [m["result_id"] for m in messages] == ["6"]
    assert alice.truth("sms") == []
    assert alice.post("/http_credit.asp") == "997,90"


def test_the_same_message_id_twice_is_error_19_with_the_first_packet(alice: Caller) -> None:
    off = [alice.send("79123456789", message_id=5) for _ in range(2)]
    assert [x["error_num"] for x in off] == ["OK", "OK"]
    alice.set("unique_message_ids=yes")
    first = until(lambda: _accepted(alice.send("79123456789", message_id=6)), 5)
    again = alice.send("79123456789", message_id=6)
    assert (again["error_code"], again["packet_id"]) == ("19", first["packet_id"])
    assert "message_id" not in again


def _accepted(sent: dict[str, str]) -> dict[str, str] | None:
    return sent if sent["error_num"] == "OK" else None
