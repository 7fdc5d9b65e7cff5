"""Route profiles: what may be saved, what is read back, what statuses mean."""

from __future__ import annotations

import json

import pytest

from kodgate.channels.smpp import pdu as p
from kodgate.channels.smpp.carrier import source_type, validity_period
from kodgate.channels.smpp.route import Ambiguity, BindType, Outcome, RouteProfile, load, save

LEAST = {"name": "main", "host": "smsc.example", "system_id": "alice"}


def profile(**values) -> RouteProfile:
    return load(json.dumps({**LEAST, **values}))


def test_what_is_saved_is_loaded_to_the_same() -> None:
    made = profile(
        password="hunter2",
        tls=True,
        bind_type="tx_rx",
        binds=3,
        tps=25.5,
        source_ton=3,
        prefixes=["7", "380"],
        ambiguity="at_most_once",
        errors={"0x400": "closed", "1025": "throttle", "ESME_RINVDSTADR": "no_route"},
    )
    assert load(save(made)) == made
    assert made.bind_type is BindType.TX_RX
    assert made.ambiguity is Ambiguity.AT_MOST_ONCE
    assert made.prefixes == ("7", "380")


def test_only_what_differs_from_the_defaults_is_saved() -> None:
    assert json.loads(save(profile())) == LEAST


def test_the_password_is_shown_nowhere() -> None:
    made = profile(password="hunter2")
    assert "hunter2" not in repr(made)
    assert "hunter2" not in save(made, masked=True)


def test_a_value_that_does_not_fit_is_not_quoted() -> None:
    with pytest.raises(ValueError) as caught:
        p.encode(p.BindTransceiver(sequence=1, system_id="alice", password="пароль"))
    assert "п" not in str(caught.value)


def test_a_password_may_come_from_a_file(tmp_path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    assert profile(password_file=str(tmp_path / "password")).secret() == "hunter2"
    assert profile(password="hunter3").secret() == "hunter3"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": ""}, "name"),
        ({"name": "Main"}, "name"),
        ({"name": "a:b"}, "name"),
        ({"name": None}, "name"),
        ({"host": ""}, "host"),
        ({"host": "a\nb"}, "host"),
        ({"system_id": "x" * 16}, "system_id"),
        ({"password": "x" * 9}, "password"),
        ({"password": "x", "password_file": "y"}, "password"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"port": "2775"}, "port"),
        ({"port": True}, "port"),
        ({"port": 2775.0}, "port"),
        ({"tls": 1}, "tls"),
        ({"ca_file": "ca.pem"}, "ca_file"),
        ({"bind_type": "rx"}, "bind_type"),
        ({"bind_type": ["trx"]}, "bind_type"),
        ({"window": 0}, "window"),
        ({"tps": -1}, "tps"),
        ({"tps": float("nan")}, "tps"),
        ({"tps": float("inf")}, "tps"),
        ({"source_ton": 256}, "source_ton"),
        ({"source_ton": "5"}, "source_ton"),
        ({"prefixes": "7"}, "prefixes"),
        ({"prefixes": ["+7"]}, "prefixes"),
        ({"prefixes": ["٧"]}, "prefixes"),
        ({"prefixes": [7]}, "prefixes"),
        ({"errors": []}, "errors"),
        ({"errors": {"0x0": "closed"}}, "errors"),
        ({"errors": {"0x1ffffffff": "closed"}}, "errors"),
        ({"errors": {"٤": "closed"}}, "errors"),
        ({"errors": {"ESME_NONE": "closed"}}, "errors"),
        ({"errors": {"0x400": "maybe"}}, "errors"),
        ({"errors": {"0x400": "accepted"}}, "errors"),
        ({"verify": False}, "unknown: verify"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_by_name(values: dict, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        profile(**values)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"name": "a"}'])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        load(text)


@pytest.mark.parametrize(
    ("prefixes", "phone", "fit"),
    [
        ([], "79123456789", 0),
        (["7"], "79123456789", 1),
        (["7", "7912"], "79123456789", 4),
        (["380"], "79123456789", None),
    ],
)
def test_the_longest_prefix_counts(prefixes: list[str], phone: str, fit: int | None) -> None:
    assert profile(prefixes=prefixes).carries(phone) == fit


@pytest.mark.parametrize("status", list(p.Status))
def test_every_status_of_the_specification_has_a_meaning(status: p.Status) -> None:
    outcome = profile().outcome(status)
    later = {"ESME_RINVBNDSTS", "ESME_RSYSERR", "ESME_RMSGQFUL", "ESME_RTHROTTLED"}
    later.add("ESME_RX_T_APPN")
    assert (outcome is Outcome.ACCEPTED) == (status == 0)
    assert (outcome in (Outcome.TEMPORARY, Outcome.THROTTLE)) == (status.name in later)


def test_a_route_can_say_otherwise() -> None:
    made = profile(errors={"ESME_RTHROTTLED": "permanent", "0x999": "temporary"})
    assert made.outcome(p.Status.ESME_RTHROTTLED) is Outcome.PERMANENT
    assert made.outcome(0x999) is Outcome.TEMPORARY
    assert made.outcome(0x998) is Outcome.PERMANENT


@pytest.mark.parametrize(
    ("sender", "kind"),
    [("kodgate", (5, 0)), ("0611", (3, 0)), ("79123456789", (1, 1)), ("", (0, 0))],
)
def test_a_sender_has_its_type(sender: str, kind: tuple[int, int]) -> None:
    assert source_type(sender) == kind


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(300, "000000000500000R"), (30, "000000000030000R"), (86_400, "000001000000000R")],
)
def test_a_relative_validity_is_written(seconds: int, written: str) -> None:
    assert validity_period(profile(validity_s=seconds), 0) == written
