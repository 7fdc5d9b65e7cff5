"""Money under pressure, seen from outside: parallel callers, new tariffs, an SMSC that is away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller, until

pytestmark = pytest.mark.e2e

NEVER_READS = "70000000002"


def test_a_hundred_parallel_requests_on_a_balance_for_ten_are_ten(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", balance="21.00")
    gateway.start()
    try:
        alice = Caller(gateway)
        with ThreadPoolExecutor(50) as pool:
            phones = (f"7920000{number:04d}" for number in range(100))
            answers = list(pool.map(alice.send, phones))
        accepted = [a for a in answers if a["error_num"] == "OK"]
        refused = [a for a in answers if a["error_num"] != "OK"]
        assert len(accepted) == 10
        assert {a["error_code"] for a in refused} == {"3"}
        assert alice.post("/http_credit.asp") == "0,00"
        assert len({a["packet_id"] for a in accepted}) == 10
        assert alice.problems() == []
    finally:
        gateway.kill()


def test_a_held_fallback_is_paid_even_when_the_rest_was_spent(tmp_path: Path) -> None:
    # 4.20 is the dearest path; Telegram takes 2.10 and the other 2.10 stay reserved.
    gateway = Gateway(tmp_path / "data", balance="4.20", time_scale=10)
    gateway.start()
    try:
        alice = Caller(gateway)
        sent = alice.send(NEVER_READS, to_sms=1, valid_period=30)
        assert alice.post("/http_credit.asp") == "0,00"
        greedy = alice.send("79123456789")
        assert (greedy["error_code"], greedy["balance_before"]) == ("3", "0,00")
        messages = alice.until_final(sent["packet_id"])
        assert [m["result_id"] for m in messages] == ["7", "6"]
        assert [e.balance_after for e in alice.ledger()] == [42_000, 21_000, 42_000, 0]
        assert alice.problems() == []
    finally:
        gateway.kill()


def test_a_new_tariff_changes_no_price_of_a_packet_under_way(alice: Caller, tmp_path: Path) -> None:
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=60)
    dearer = tmp_path / "dearer.csv"
    dearer.write_text("prefix;zone;channel;price\n7;1;telegram;5,00\n7;1;sms;50,00\n")
    command = [sys.executable, "-m", "kodgate", "tariff", "import", str(dearer)]
    subprocess.run(
        [*command, "--data", str(alice.gateway.data)], check=True, capture_output=True, timeout=60
    )
    later = until(lambda: _at_price(alice, "5,00"), 5)
    assert later["message_cost"] == "5,00"
    messages = alice.until_final(sent["packet_id"])
    assert [m["message_cost"] for m in messages] == ["0.00", "4.20"]
    assert alice.problems() == []


def _at_price(alice: Caller, price: str) -> dict[str, str] | None:
    sent = alice.send("79123456789")
    return sent if sent.get("message_cost") == price else None


@pytest.fixture
def without_smsc(alice: Caller) -> Iterator[Caller]:
    """The SMSC refuses every bind from now on."""
    alice.control("/faults", place="smsc", kind="reject", method="bind", times=-1)
    alice.control("/smsc/disconnect", now=True)
    yield alice
    alice.control("/faults/clear", now=True)


def test_a_read_while_the_sms_waits_for_its_smsc_cancels_the_sms(without_smsc: Caller) -> None:
    alice = without_smsc
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=30)
    until(lambda: len(alice.packet(sent["packet_id"])) == 2, 20)
    alice.control("/read", phone=NEVER_READS)
    messages = alice.until_final(sent["packet_id"])
    assert [m["result_id"] for m in messages] == ["7", "9"]
    assert alice.post("/http_credit.asp") == "1000,00"
    assert alice.truth("sms") == []
    assert alice.problems() == []


def test_an_sms_that_nobody_takes_in_time_fails_and_is_refunded(without_smsc: Caller) -> None:
    alice = without_smsc
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=30)
    messages = alice.until_final(sent["packet_id"], 60)
    assert [m["result_id"] for m in messages] == ["7", "5"]
    assert alice.post("/http_credit.asp") == "1000,00"
    assert alice.problems() == []
