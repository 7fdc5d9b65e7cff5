"""`kodgate serve` in its production form: configured, watched, stopped, short of disk, canaried."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.e2e.caller import Caller, flat, until
from tests.e2e.production import SMSC_PASSWORD, TOKEN, Production

pytestmark = pytest.mark.e2e

NEVER_READS = "70000000002"
CODE = "48151623"
PHONE = "79031415926"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Production, str]:
    """Set up once by the command line, never started; and alice's secret."""
    made = Production(tmp_path_factory.mktemp("template"))
    return made, made.set_up().password


@pytest.fixture
def production(template: tuple[Production, str], tmp_path: Path) -> Iterator[Production]:
    """Set up, its providers running, itself not started."""
    made = template[0].copy_to(tmp_path)
    made.start_sandbox()
    yield made
    made.kill()


def _customer(production: Production, template: tuple[Production, str]) -> Caller:
    return Caller(production, login="alice", password=template[1])  # type: ignore[arg-type]


@pytest.fixture
def alice(production: Production, template: tuple[Production, str]) -> Caller:
    """A customer of a started gateway."""
    production.start()
    return _customer(production, template)


def test_what_the_command_line_set_up_sends_a_code_both_ways(alice: Caller) -> None:
    read, unread = alice.send(PHONE), alice.send(NEVER_READS, to_sms=1, valid_period=30)
    assert (read["error_num"], read["balance_before"]) == ("OK", "1000,00")
    assert [m["result_id"] for m in alice.until_final(read["packet_id"])] == ["6"]
    assert [m["result_id"] for m in alice.until_final(unread["packet_id"])] == ["7", "6"]
    assert alice.truth("sms")[0]["text"] == f"Code {unread['code']}"
    assert alice.post("/http_credit.asp") == "993,70"
    assert alice.problems() == []


def test_no_secret_is_found_where_it_does_not_belong(alice: Caller, production: Production) -> None:
    sent = _journey(alice)
    titles = Path(f"/proc/{production.process.pid}/cmdline").read_bytes()  # type: ignore[union-attr]
    metrics = _page(f"http://127.0.0.1:{production.metrics}/metrics")
    ready = _page(f"http://127.0.0.1:{production.metrics}/readyz")
    listed = "".join(
        production.run(*words, check=False).stdout
        for words in (("route", "list"), ("account", "list"), ("doctor",), ("tariff", "show"))
    )
    pages = _error_pages(alice)
    production.terminate()
    secrets = (alice.password, CODE, PHONE, TOKEN, SMSC_PASSWORD, "wrongCanaryPassword")
    files = [path for path in production.data.rglob("*") if path.is_file()]
    assert len(files) >= 3
    searched = {
        "log": production.log.read_bytes(),
        "sandbox log": production.sandbox_log.read_bytes(),
        "process title": titles,
        "metrics": metrics + ready,
        "commands": listed.encode(),
        "error pages": pages,
        **{path.name: path.read_bytes() for path in files},
    }
    found = [
        (where, secret)
        for where, data in searched.items()
        for secret in secrets
        if secret.encode() in data
    ]
    assert found == []
    assert b'"account": 1' in searched["log"]
    assert sent["code"] == CODE


def _journey(alice: Caller) -> dict[str, str]:
    """Everything that touches a secret: sends, statuses, confirms, refusals, both providers."""
    alice.control("/phones", phone=PHONE, telegram="unread")
    sent = alice.send(PHONE, to_sms=1, valid_period=60, code=CODE)
    wrong = "11112222"
    alice.json("/confirm", package_id=sent["packet_id"], code=wrong)
    alice.get("/http_out5.asp", packet_id=sent["packet_id"])
    alice.control("/faults", kind="garbage", method="*", phone=PHONE, times=2)
    assert [m["result_id"] for m in alice.until_final(sent["packet_id"])] == ["7", "6"]
    right = alice.json("/confirm", package_id=sent["packet_id"], code=CODE)
    assert right["state"] == "Confirmed"
    declined = alice.json("/send", tel_list=PHONE, mode=7, code=CODE, user_mess_id="c-1")
    assert declined["state"] == "Accepted"
    alice.control("/smsc/disconnect", now=True)
    return sent


def _error_pages(alice: Caller) -> bytes:
    """The answers and pages of requests that hold secrets in all the wrong places."""
    query = urllib.parse.urlencode(
        {
            "http_username": alice.login,
            "http_pasword": alice.password,
            "http_password": "wrongCanaryPassword",
            "code": CODE,
            "phone_list": PHONE,
        }
    )
    asked = [
        f"GET /http_in5.asp?{query} HTTP/1.0\r\n\r\n",
        f"GET /http_out5.asp?{query} HTTP/1.0\r\n\r\n",
        f"GET /no_such_page?{query} HTTP/1.0\r\n\r\n",
        f"GET /http_in5.asp?{query} HTTP/9.9\r\n\r\n",
        f"TRACE /http_in5.asp?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        f"POST /send HTTP/1.0\r\nContent-Length: {len(query)}\r\n\r\n{query}",
        f"POST /callbacks/telegram HTTP/1.0\r\nContent-Length: {len(query)}\r\n\r\n{query}",
    ]
    answers = [alice.raw(data.encode()) for data in asked]
    assert all(answers)
    return b"".join(answers)


def _page(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_a_stop_with_sends_under_way_takes_six_seconds_at_most_and_loses_nothing(
    alice: Caller, production: Production
) -> None:
    alice.control("/faults", kind="slow", method="*", arg=2, times=-1)
    accepted: list[dict[str, str]] = []

    def send(number: int) -> None:
        try:
            accepted.append(alice.send(f"7903000{number:04d}", to_sms=1, valid_period=600))
        except OSError:
            pass  # refused, or cut off: no promise was made

    with (
        ThreadPoolExecutor(8) as pool,
        socket.create_connection(("127.0.0.1", production.wire)) as idle,
    ):
        idle.sendall(b"GET /http_in5.asp HTTP/1.1\r\nHost: x\r\n")
        futures = [pool.submit(send, number) for number in range(40)]
        until(lambda: len(accepted) > 10, 10)
        took_s = production.terminate()
        [future.result() for future in futures]
    assert took_s < 6
    alice.control("/faults/clear", now=True)
    production.start()
    stored = alice.rows("select id from packet")
    ids = {packet["packet_id"] for packet in accepted if packet["error_num"] == "OK"}
    assert ids <= {str(row[0]) for row in stored}
    for packet_id in sorted(ids):
        assert [m["result_id"] for m in alice.until_final(packet_id)][-1] == "6"
    assert alice.problems() == []


def test_an_unknown_setting_is_refused_by_its_name(production: Production) -> None:
    production.config.write_text(production.config.read_text() + '\n[telegramm]\ntokken = "x"\n')
    done = production.run("serve", check=False)
    assert done.returncode != 0
    assert "telegramm" in done.stderr
    os.environ["KODGATE_HTTP__PROT"] = "1"
    try:
        done = production.run("serve", check=False)
    finally:
        del os.environ["KODGATE_HTTP__PROT"]
    assert done.returncode != 0
    assert "http.prot" in done.stderr


def test_without_a_master_key_it_does_not_start_and_says_what_to_do(
    production: Production,
) -> None:
    (production.folder / "master.key").write_text("")
    done = production.run("serve", check=False)
    assert done.returncode != 0
    assert "KODGATE_MASTER_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_master_key_cannot_read_and_does_not_open(
    alice: Caller, production: Production
) -> None:
    sent = alice.send(PHONE)
    alice.until_final(sent["packet_id"])
    production.terminate()
    (production.folder / "master.key").write_text("ab" * 32)
    production.start()
    assert alice.post("/http_credit.asp") == "0"


def test_doctor_says_what_is_well_and_how_to_mend_the_rest(
    alice: Caller, production: Production
) -> None:
    said = production.run("doctor", check=False).stdout
    assert re.search(r"OK.*database", said)
    assert re.search(r"OK.*(Telegram|telegram)", said)
    assert re.search(r"OK.*(SMPP|route|main)", said)
    assert TOKEN not in said
    production.terminate()
    (production.folder / "token").write_text("notTheRightToken0123456789")
    fields = ("host=127.0.0.1", f"port={production.smsc}", "system_id=sandbox", "password=wrong")
    production.command("route", "add", "main", *(x for one in fields for x in ("--set", one)))
    done = production.run("doctor", check=False)
    assert done.returncode != 0
    assert len(re.findall("FAIL", done.stdout)) >= 2
    assert SMSC_PASSWORD not in done.stdout


def _own_address() -> str | None:
    """An address of this machine that is not loopback, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def test_plain_http_from_elsewhere_is_refused_and_the_credentials_not_looked_at(
    production: Production, template: tuple[Production, str]
) -> None:
    address = _own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    alice = _customer(production, template)
    text = production.config.read_text().replace("[http]", '[http]\nhost = "0.0.0.0"')
    production.config.write_text(text)
    production.start()
    query = urllib.parse.urlencode(
        {"http_username": "alice", "http_password": alice.password, "mode": "TELE"}
    )
    body = _page(f"http://{address}:{production.wire}/http_in5.asp?{query}&phone_list={PHONE}")
    assert flat(body.decode())["error_code"] == "5"
    assert alice.rows("select count(*) from packet") == [(0,)]
    assert alice.password not in production.log.read_text()
    assert alice.send(PHONE)["error_num"] == "OK"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and leave to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_try_later_and_loses_nothing_that_was_accepted(
    template: tuple[Production, str], tmp_path: Path, small_disk: Path
) -> None:
    (tmp_path / "etc").mkdir()
    production = template[0].copy_to(tmp_path / "etc", data=small_disk / "data")
    production.start_sandbox()
    try:
        alice = _customer(production, template)
        production.start()
        accepted = [alice.send(PHONE)["packet_id"] for _ in range(3)]
        ballast = small_disk / "ballast"
        _fill(ballast)
        answers = [alice.send(PHONE) for _ in range(200)]
        refused = [a for a in answers if a["error_num"] != "OK"]
        assert refused, "the disk did not become full"
        assert {a["error_code"] for a in refused} == {"13"}
        assert all("message_id" not in a for a in refused)
        accepted += [a["packet_id"] for a in answers if a["error_num"] == "OK"]
        assert production.process is not None
        assert production.process.poll() is None
        ballast.unlink()
        again = until(lambda: _accepted(alice), 15)
        accepted.append(again["packet_id"])
        for packet_id in accepted:
            assert [m["result_id"] for m in alice.until_final(packet_id)] == ["6"]
        assert alice.rows("select count(*) from packet") == [(len(accepted),)]
        assert len(alice.truth("send")) == len(accepted)
        assert alice.problems() == []
        assert production.terminate() < 6
    finally:
        production.kill()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def _accepted(alice: Caller) -> dict[str, str] | None:
    sent = alice.send(PHONE)
    return sent if sent["error_num"] == "OK" else None


def test_what_was_served_is_there_after_kill_nine_and_a_copied_folder(
    alice: Caller, production: Production
) -> None:
    sent = alice.send(NEVER_READS, to_sms=1, valid_period=60)
    time.sleep(0.5)
    assert production.process is not None
    production.process.kill()
    production.process.wait()
    moved = production.folder / "moved"
    shutil.copytree(production.data, moved)
    shutil.rmtree(production.data)
    moved.rename(production.data)
    production.start()
    assert [m["result_id"] for m in alice.until_final(sent["packet_id"])] == ["7", "6"]
    assert len(alice.truth("send")) == 1
    assert alice.problems() == []
