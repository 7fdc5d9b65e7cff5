"""How a client is set up."""

from __future__ import annotations

import pytest
from tests.client.kit import SECRET, options_of

import kodgate
from kodgate.client import options


def read(login: str | None = None, password: str | None = None, **environ: str) -> options.Options:
    return options.read(
        login,
        password,
        base_url=None,
        json_url=None,
        protocol="http",
        timeout=1.0,
        retries_max=0,
        timezone="UTC",
        environ=environ,
    )


def test_the_environment_stands_in():
    found = read(
        KODGATE_LOGIN="bob",
        KODGATE_PASSWORD=SECRET,
        KODGATE_URL="https://codes.example.com/",
        KODGATE_URL_JSON="http://json.example.com:8787",
    )
    assert (found.login, found.password) == ("bob", SECRET)
    assert (found.base_url, found.json_url) == (
        "https://codes.example.com",
        "http://json.example.com:8787",
    )


def test_arguments_come_before_the_environment():
    found = read("alice", SECRET, KODGATE_LOGIN="bob", KODGATE_PASSWORD="other")
    assert (found.login, found.password) == ("alice", SECRET)


def test_the_json_service_is_at_the_same_address_unless_told():
    found = options_of(base_url="https://codes.example.com")
    assert found.json_url == "https://codes.example.com"


def test_without_an_address_it_is_that_of_kodgate_up():
    assert read().base_url == "http://127.0.0.1:8080"


def test_a_password_may_stand_in_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    assert read(KODGATE_PASSWORD_FILE=str(path)).password == SECRET


def test_a_password_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(kodgate.ConfigurationError, match="KODGATE_PASSWORD_FILE"):
        read(KODGATE_PASSWORD_FILE=str(tmp_path / "none"))


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "codes.example.com"},
        {"base_url": "ftp://codes.example.com"},
        {"base_url": "http://"},
        {"base_url": "http://alice:secret@codes.example.com"},
        {"base_url": "http://codes.example.com/?login=alice"},
        {"base_url": "http://[codes"},
        {"json_url": "8787"},
        {"protocol": "smpp"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"retries_max": -1},
        {"timezone": "Europe/Atlantis"},
        {"timezone": "../etc/passwd"},
    ],
)
def test_a_wrong_setting_is_refused_at_once(given):
    with pytest.raises(kodgate.ConfigurationError):
        options_of(**given)


def test_the_repr_hides_the_password():
    assert SECRET not in repr(options_of())
