"""Several processes take requests on the same ports: the same codes, the same money."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench.gateway import Gateway
from bench.machine import children
from tests.e2e.caller import Caller, until

pytestmark = pytest.mark.e2e
SCALE = 10
DELIVERED = "6"
WORKERS = 2


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    several = {"KODGATE_HTTP__WORKERS": str(WORKERS)}
    running = Gateway(tmp_path / "data", time_scale=SCALE, environ=several)
    running.start()
    yield running
    running.kill()


def workers(gateway: Gateway) -> list[int]:
    """Their process ids."""
    assert gateway.process is not None
    found = []
    for pid in children(gateway.process.pid):
        if b"kodgate.cli.workers" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(pid)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def answered(gateway: Gateway) -> list[int]:
    """How many wire requests each of them has answered."""
    ready = json.loads((gateway.data / "ready.json").read_text("ascii"))
    found = []
    for port in ready["workers"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            lines = answer.read().decode("ascii").splitlines()
        counts = [x for x in lines if x.startswith("kodgate_http_requests_total{")]
        found.append(int(sum(float(line.rpartition(" ")[2]) for line in counts)))
    return found


def test_all_of_them_take_requests_and_one_process_sends(gateway: Gateway) -> None:
    alice = Caller(gateway)
    with ThreadPoolExecutor(8) as crowd:
        sent = list(crowd.map(lambda n: alice.send(f"791200001{n:02d}"), range(60)))
    ids = {one["packet_id"] for one in sent}
    assert len(ids) == len(sent)
    for packet_id in ids:
        assert alice.until_final(packet_id)[-1]["result_id"] == DELIVERED
    assert len(workers(gateway)) == WORKERS
    assert all(count > 0 for count in answered(gateway))
    assert alice.problems() == []


def test_a_worker_that_is_killed_is_started_again_and_nothing_accepted_is_lost(
    gateway: Gateway,
) -> None:
    alice = Caller(gateway)
    first = workers(gateway)
    accepted = []
    for number in range(40):
        if number == 10:
            os.kill(first[0], signal.SIGKILL)
        try:
            accepted.append(alice.send(f"791200002{number:02d}")["packet_id"])
        except OSError:  # it was this worker's
            continue
    assert len(accepted) > 30
    until(lambda: len(workers(gateway)) == WORKERS and first[0] not in workers(gateway), 20)
    for packet_id in accepted:
        assert alice.until_final(packet_id)[-1]["result_id"] == DELIVERED
    assert alice.problems() == []


def test_no_worker_outlives_a_parent_that_is_killed(gateway: Gateway) -> None:
    assert gateway.process is not None
    ours = workers(gateway)
    gateway.process.kill()
    until(lambda: not any(is_alive(pid) for pid in ours), 20)
    gateway.kill_group()


def test_a_signal_to_the_parent_alone_ends_all_of_them(gateway: Gateway) -> None:
    assert gateway.process is not None
    ours = workers(gateway)
    gateway.process.terminate()
    assert gateway.process.wait(20) == 0
    assert not any(is_alive(pid) for pid in ours)


def test_pages_and_inbox_are_served_by_them_too(gateway: Gateway) -> None:
    for path in ("/cabinet/", "/inbox"):
        with urllib.request.urlopen(f"{gateway.url}{path}", timeout=20) as answer:
            assert answer.status == 200


def test_what_telegram_reports_may_reach_any_of_them(gateway: Gateway) -> None:
    """A code that is read at once is decided by the report, long before the first poll."""
    alice = Caller(gateway)
    began = time.monotonic()
    ids = [alice.send(f"7912000030{n}", valid_period=3_000)["packet_id"] for n in range(6)]
    for packet_id in ids:
        assert alice.until_final(packet_id)[-1]["result_id"] == DELIVERED
    assert time.monotonic() - began < 3_000 / SCALE
    assert alice.rows("select count(*) from event where source = 'callback'")[0][0] >= len(ids)


def test_a_second_gateway_on_the_same_ports_is_told(gateway: Gateway, tmp_path: Path) -> None:
    port = str(gateway.wire)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "kodgate",
            "serve",
            "--data",
            str(tmp_path / "other"),
            "--port",
            port,
        ],
        env={
            **os.environ,
            "KODGATE_HTTP__WORKERS": "2",
            "KODGATE_METRICS__PORT": "0",
            "KODGATE_MASTER_KEY": "ab" * 32,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 8
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
