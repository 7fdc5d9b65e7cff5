"""kill -9 between every two hops: after the restart all is as if nothing had happened."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller, until

pytestmark = pytest.mark.e2e

NEVER_READS = "70000000002"
SCALE = 10
VALID_PERIOD = 300
"""30 real seconds, and 12 for the SMS to be handed over: a restart on a busy machine is quicker."""

POINTS = (
    "accepted",
    "telegram:claimed",
    "telegram:checked",
    "telegram:prepared",
    "telegram:sent",
    "telegram:recorded",
    "telegram:pushed",
    "telegram:polled",
    "telegram:decided",
    "sms:claimed",
    "sms:sent",
    "sms:recorded",
    "sms:pushed",
)

AMBIGUOUS = {"sms:sent"}
"""Where the SMSC may have the message and nobody can know: the code may leave twice (I-16)."""


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_two_hops_changes_neither_outcome_nor_money(
    point: str, tmp_path: Path
) -> None:
    gateway = Gateway(tmp_path / "data", time_scale=SCALE)
    alice = Caller(gateway)
    gateway.start(KODGATE_CRASH_AT=point)
    try:
        with contextlib.suppress(OSError):
            alice.send(NEVER_READS, to_sms=1, valid_period=VALID_PERIOD, message_id=1)
        assert gateway.wait_dead(60), f"{point} was never passed"
        gateway.start()
        packet_id = str(alice.rows("select id from packet")[0][0])
        messages = alice.until_final(packet_id, 60)
        _check(alice, messages, point)
    finally:
        gateway.kill()


def _check(alice: Caller, messages: list[dict[str, str]], point: str) -> None:
    assert [m["result_id"] for m in messages] == ["7", "6"]
    assert [m["message_cost"] for m in messages] == ["0.00", "4.20"]
    assert len({m["message"] for m in messages}) == 1
    assert [e.kind for e in alice.ledger()] == ["topup", "charge", "refund", "charge"]
    assert alice.post("/http_credit.asp") == "995,80"
    assert len(alice.truth("send")) == 1
    sms = alice.truth("sms")
    assert len(sms) <= 2 if point in AMBIGUOUS else len(sms) == 1
    assert {entry["text"] for entry in sms} == {f"Код: {messages[0]['message']}"}
    assert alice.problems() == []


def test_a_kill_during_the_wait_keeps_the_deadline(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", time_scale=SCALE)
    alice = Caller(gateway)
    gateway.start()
    try:
        sent = alice.send(NEVER_READS, to_sms=1, valid_period=VALID_PERIOD)
        until(lambda: alice.packet(sent["packet_id"])[0]["result_id"] == "8", 10)
        gateway.kill()
        gateway.start()
        _check(alice, alice.until_final(sent["packet_id"], 60), "wait")
        waited_ms = alice.rows("select final_at - created_at from message where num = 1")[0][0]
        assert waited_ms >= VALID_PERIOD * 1000
    finally:
        gateway.kill()
