"""The commands of callers: what they print, and their exit status."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.client.kit import PHONE, SECRET, Fault, Service, nobody
from typer.testing import CliRunner, Result

from kodgate.cli import exits
from kodgate.cli.door import printable
from kodgate.cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def kodgate(service: Service, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as alice."""
    for name in ("KODGATE_PASSWORD_FILE", "KODGATE_PROTOCOL", "KODGATE_URL_JSON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KODGATE_URL", service.url)
    monkeypatch.setenv("KODGATE_LOGIN", "alice")
    monkeypatch.setenv("KODGATE_PASSWORD", SECRET)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("protocol", ["http", "json"])
def test_send_prints_ids_cost_and_code(kodgate: Run, protocol: str) -> None:
    done = kodgate("send", PHONE, "--code", "4321", "--message-id", 7, "--protocol", protocol)
    assert done.exit_code == exits.OK
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert lines | {"balance_after": ""} == {
        "packet_id": "33",
        "message_id": "71",
        "phone": PHONE,
        "code": "4321",
        "cost": "2.10",
        "balance_after": "",
        "user_message_id": "7",
    }


def test_send_writes_json(kodgate: Run) -> None:
    found = json.loads(kodgate("send", PHONE, "-o", "json").stdout)
    assert (found["packet_id"], found["cost"], found["balance_after"]) == (33, "2.10", "997.90")


def test_send_waits_for_the_end_line_by_line(kodgate: Run) -> None:
    done = kodgate("send", PHONE, "--wait")
    assert done.exit_code == exits.OK
    told = [line.partition("  Message 1: ")[2] for line in done.stdout.splitlines()[6:]]
    assert [line.split(",")[0].split(" at ")[0] for line in told] == [
        "queued",
        "being delivered",
        "delivered",
    ]


def test_send_ends_with_5_when_the_code_does_not_arrive(kodgate: Run, service: Service) -> None:
    service.life = [8, 7]
    done = kodgate("send", PHONE, "--wait", "-o", "json")
    assert done.exit_code == exits.NOT_DELIVERED
    assert json.loads(done.stdout.splitlines()[-1])["delivered"] is False


def test_a_simulation_needs_no_password(
    kodgate: Run, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    monkeypatch.delenv("KODGATE_PASSWORD")
    done = kodgate("send", PHONE, "--test", "-1", "--wait")
    assert done.exit_code == exits.OK
    assert service.sends == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("NO_FUNDS", exits.REFUSED),
        ("BAD_CREDENTIALS", exits.ACCESS),
        ("BLOCKED_IP", exits.ACCESS),
        ("FLOOD", exits.UNAVAILABLE),
    ],
)
def test_a_refusal_has_its_exit_status_and_its_number(
    kodgate: Run, service: Service, name: str, status: int
) -> None:
    service.refuse = [name]
    done = kodgate("send", PHONE, "-o", "json")
    assert done.exit_code == status
    assert json.loads(done.stdout)["error_num"] > 0
    assert done.stderr.startswith("kodgate: ")


def test_a_phone_that_is_none_is_refused(kodgate: Run) -> None:
    assert kodgate("send", "alice").exit_code == exits.REFUSED


def test_an_open_outcome_is_no_invitation_to_repeat(kodgate: Run, service: Service) -> None:
    service.faults = [Fault("close", done=True)]
    done = kodgate("send", PHONE)
    assert done.exit_code == exits.NOT_DELIVERED
    assert "may have been sent" in done.stderr


def test_where_nobody_listens_the_status_is_6(kodgate: Run) -> None:
    with nobody() as url:
        assert kodgate("balance", "--url", url).exit_code == exits.UNAVAILABLE


@pytest.mark.parametrize(
    "words", [("status",), ("status", "--packet", 1, "--own", "x"), ("balance", "--url", "nowhere")]
)
def test_a_wrong_call_is_a_usage_error(kodgate: Run, words: tuple[object, ...]) -> None:
    assert kodgate(*words).exit_code == exits.USAGE


def test_without_a_password_it_is_told_what_to_set(
    kodgate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KODGATE_PASSWORD")
    done = kodgate("balance")
    assert done.exit_code == exits.USAGE
    assert "KODGATE_PASSWORD_FILE" in done.stderr


def test_status_shows_the_messages_of_a_packet(kodgate: Run) -> None:
    kodgate("send", PHONE, "--message-id", 7)
    done = kodgate("status", "--packet", 33)
    assert done.exit_code == exits.OK
    assert "queued" in done.stdout
    assert "packet 33: Message 1: queued, 2.10 charged." in done.stdout
    assert "123456" not in done.stdout
    found = json.loads(kodgate("status", "--own", 7, "-o", "json").stdout)
    assert (found["packet_id"], found["messages"][0]["channel"]) == (33, "telegram")


def test_status_of_what_failed_is_5_and_of_what_is_unknown_3(
    kodgate: Run, service: Service
) -> None:
    kodgate("send", PHONE)
    service.life = [7]
    assert kodgate("status", "--message", 71).exit_code == exits.NOT_DELIVERED
    assert kodgate("status", "--packet", 99).exit_code == exits.REFUSED


def test_watch_writes_one_json_object_a_change(kodgate: Run) -> None:
    kodgate("send", PHONE)
    done = kodgate("status", "--packet", 33, "--watch", "-o", "json")
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert states == ["Enroute", "Delivered"]
    assert done.stderr == ""


def test_a_watch_that_is_over_is_5(kodgate: Run, service: Service) -> None:
    service.life = [8]
    kodgate("send", PHONE)
    done = kodgate("status", "--packet", 33, "--watch", "--timeout", 0)
    assert done.exit_code == exits.NOT_DELIVERED
    assert "not decided in time" in done.stderr


def test_balance_is_money(kodgate: Run) -> None:
    assert kodgate("balance").stdout == "balance  997.90\n"
    assert json.loads(kodgate("balance", "-o", "json").stdout) == {"balance": "997.90"}


def test_there_is_no_option_for_a_password(kodgate: Run) -> None:
    assert kodgate("send", PHONE, "--password", SECRET).exit_code == exits.USAGE


def test_nothing_is_coloured_where_that_is_not_wanted(service: Service) -> None:
    environ = {
        "KODGATE_URL": service.url,
        "KODGATE_LOGIN": "alice",
        "KODGATE_PASSWORD": SECRET,
        "NO_COLOR": "1",
        "FORCE_COLOR": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "kodgate", "send", PHONE, "--wait"],
        env=environ,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"\x1b[" not in done.stdout
    assert done.stderr == b""


def test_on_a_terminal_each_change_has_a_line_of_its_own(service: Service) -> None:
    service.life = [3, 3, 8, 8, 6]
    shown = on_a_terminal(["send", PHONE, "--wait"], service)
    lines = re.split(r"[\r\n]+|\x1b\[2K", shown)
    changes = [line for line in lines if "Message 1" in line]
    assert len(changes) == 3
    assert not [line for line in changes if "waiting" in line]
    assert "waiting for the next change" in shown


def on_a_terminal(words: list[str], service: Service) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environ = {
        "KODGATE_URL": service.url,
        "KODGATE_LOGIN": "alice",
        "KODGATE_PASSWORD": SECRET,
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "kodgate", *words], env=environ, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        pieces = []
        while select.select([ours], [], [], 30)[0]:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            pieces.append(piece)
            if not piece:
                break
        process.wait(10)
    os.close(ours)
    return b"".join(pieces).decode()


def test_texts_of_the_service_cannot_speak_to_the_terminal() -> None:
    assert printable("not \x1b]0;x\x07delivered\x9b\u202e\n") == "not ]0;xdelivered"
    assert printable("доставлено") == "доставлено"
