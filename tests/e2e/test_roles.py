"""One process takes requests, another one sends: the same codes, the same money."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller

pytestmark = pytest.mark.e2e
SCALE = 10
QUEUED, DELIVERED = "3", "6"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that only takes requests, with its sandbox."""
    running = Gateway(tmp_path / "data", time_scale=SCALE, environ={"KODGATE_ROLES": "http,web"})
    running.start()
    yield running
    running.kill()


def sender(front: Gateway, roles: str = "deliver,smpp") -> subprocess.Popen[bytes]:
    """A second process on the same data that sends and decides deadlines."""
    given = {
        "KODGATE_ROLES": roles,
        "KODGATE_TIME_SCALE": str(SCALE),
        "KODGATE_HTTP__PORT": "0",
        "KODGATE_METRICS__PORT": "0",
        "KODGATE_TELEGRAM__TOKEN": "sandbox",
        "KODGATE_TELEGRAM__BASE_URL": f"http://127.0.0.1:{front.telegram}",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "kodgate", "serve", "--data", str(front.data)],
        env={**os.environ, **given},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_what_one_process_accepts_another_one_sends(front: Gateway) -> None:
    alice = Caller(front)
    sent = alice.send("79120000001", to_sms=1, valid_period=600)
    time.sleep(1)
    (message,) = alice.packet(sent["packet_id"])
    assert message["result_id"] == QUEUED
    assert not alice.truth("send")
    second = sender(front)
    try:
        (message,) = alice.until_final(sent["packet_id"])
        assert message["result_id"] == DELIVERED
        assert len(alice.truth("send")) == 1
    finally:
        second.terminate()
        assert second.wait(20) == 0
    assert alice.problems() == []


def test_the_request_log_is_of_all_processes(front: Gateway) -> None:
    """Read here, in yet another one, after its writer was killed."""
    alice = Caller(front)
    alice.send("79120000001")
    alice.post("/http_in5.asp", http_password="wrong")
    time.sleep(2)
    front.kill()
    found = alice.rows("select error, count(*) from request_log group by error")
    counted = alice.rows(
        "select error, sum(count) from request_count where span_ms = 60000 group by error"
    )
    assert dict(found) == dict(counted) and dict(found)[1] == 1


def test_a_sender_that_starts_frees_no_claim_of_another(front: Gateway) -> None:
    """Processes of one machine have names by their roles."""
    alice = Caller(front)
    one, two = sender(front, "deliver"), None
    try:
        ids = [alice.send(f"7912000001{n}")["packet_id"] for n in range(5)]
        alice.until_final(ids[0])
        two = sender(front, "smpp")
        for packet_id in ids:
            assert alice.until_final(packet_id)[-1]["result_id"] == DELIVERED
        assert len(alice.truth("send")) == len(ids)
    finally:
        for process in (one, two):
            if process is not None:
                process.kill()
                process.wait(20)
    assert alice.problems() == []
