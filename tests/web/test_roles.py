"""Roles: who takes requests, who sends, who decides deadlines."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kodgate.config import ConfigError, load
from kodgate.web.roles import TABLE, chosen

CHANNELS = {
    "telegram": SimpleNamespace(family="messenger"),
    "sms": SimpleNamespace(family="sms"),
}


@pytest.mark.parametrize(
    ("names", "sends", "watches"),
    [
        (("http",), set(), False),
        (("deliver",), {"telegram"}, True),
        (("smpp",), {"sms"}, False),
        (("web",), set(), False),
        (("deliver", "smpp"), {"telegram", "sms"}, True),
        (tuple(TABLE), {"telegram", "sms"}, True),
    ],
)
def test_a_role_sends_through_the_channels_of_its_family(
    names: tuple[str, ...], sends: set[str], watches: bool
) -> None:
    duties = chosen(names).duties(CHANNELS)  # type: ignore[arg-type]
    assert (duties.sends, duties.watches) == (sends, watches)


def test_only_the_sms_role_alone_opens_no_listener() -> None:
    assert [name for name in TABLE if not chosen([name]).listens] == ["smpp"]


def test_two_processes_of_one_machine_have_two_names() -> None:
    assert chosen(["http"]).node("alpha") != chosen(["deliver"]).node("alpha")
    assert chosen(list(TABLE)).node("alpha") == "alpha"


def test_the_order_in_which_roles_are_given_does_not_matter() -> None:
    assert chosen(["web", "http"]) == chosen(["http", "web"])


@pytest.mark.parametrize("names", [[], ["http", "sms"]])
def test_unknown_roles_and_none_at_all_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError):
        chosen(names)


def test_the_environment_gives_roles_with_commas() -> None:
    assert load(None, {"KODGATE_ROLES": "http, web"}).roles == ("http", "web")


@pytest.mark.parametrize("text", ["", "http,sms"])
def test_a_wrong_role_in_the_settings_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="roles"):
        load(None, {"KODGATE_ROLES": text})
