"""The remembered requests: bounded, newest first, without passwords."""

from __future__ import annotations

from dataclasses import replace

from kodgate.web.journal import (
    BODY_MAX,
    LOGINS_MAX,
    PER_LOGIN_MAX,
    Asked,
    Journal,
    excerpt,
    without_secrets,
)

ONE = Asked(
    id="a1",
    at=1,
    path="/http_in5.asp",
    dialect="http_asp",
    ip="203.0.113.7",
    error=0,
    why="",
    seconds=0.001,
    in_query=False,
    packet_id=1_000_000,
    parameters={"phone": "79120000001"},
    body="code = 4711",
)


def test_the_newest_request_comes_first() -> None:
    journal = Journal()
    journal.add("alice", ONE)
    journal.add("alice", replace(ONE, id="a2"))
    assert [one.id for one in journal.of("alice")] == ["a2", "a1"]


def test_each_login_has_its_own() -> None:
    journal = Journal()
    journal.add("alice", ONE)
    assert journal.of("bob") == []


def test_a_ring_forgets_its_oldest() -> None:
    journal = Journal()
    for number in range(PER_LOGIN_MAX + 5):
        journal.add("alice", replace(ONE, id=str(number)))
    assert len(journal.of("alice")) == PER_LOGIN_MAX and journal.of("alice")[-1].id == "5"


def test_strangers_push_out_the_login_that_was_longest_silent() -> None:
    journal = Journal()
    journal.add("alice", ONE)
    for number in range(LOGINS_MAX):
        journal.add(f"stranger{number}", ONE)
    assert journal.of("alice") == [] and journal.of(f"stranger{LOGINS_MAX - 1}")


def test_the_request_of_a_packet_is_found() -> None:
    journal = Journal()
    journal.add("alice", ONE)
    assert journal.of_packet("alice", 1_000_000) == ONE
    assert journal.of_packet("alice", 1_000_001) is None


def test_passwords_are_left_out() -> None:
    given = {"http_password": "x", "password": "x", "pass": "x", "mode": "TELE"}
    assert without_secrets(given) == {"mode": "TELE"}


def test_a_long_answer_is_cut() -> None:
    assert len(excerpt(b"x" * 10_000)) == BODY_MAX


def test_what_was_asked_is_not_in_a_log_line() -> None:
    assert "79120000001" not in repr(ONE) and "4711" not in repr(ONE)
