"""Cabinet, console and inbox on a listener or under a name of their own; a real process each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from kodgate.testing import Gateway

pytestmark = pytest.mark.e2e

PAGES = ("/cabinet/sign-in", "/console/sign-in", "/inbox/", "/cabinet/static/cabinet.css")
WIRE = ("/http_in5.asp?mode=TELE&phone_list=79123456789&test=-1", "/http_credit.asp", "/status")
NAME = "cabinet.example.org"
PUBLIC = "https://codes.example.org"


def get(port: int, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{port}{path}", headers=headers, trust_env=False)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("apart"))
    gateway.start(KODGATE_PAGES__PORT="0")
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("named"))
    gateway.start(KODGATE_PAGES__NAME=NAME, KODGATE_PAGES__WIRE_URL=PUBLIC)
    yield gateway
    gateway.stop()


@pytest.mark.parametrize("path", PAGES)
def test_a_listener_of_their_own_serves_the_pages_and_the_wire_does_not(
    apart: Gateway, path: str
) -> None:
    ports = apart.ports()
    assert get(ports["pages"], path).status_code == 200
    assert get(ports["wire"], path).status_code == 404
    assert get(ports["json"], path).status_code == 404


@pytest.mark.parametrize("path", [*WIRE, "/callbacks/telegram"])
def test_the_pages_own_listener_does_not_serve_the_wire(apart: Gateway, path: str) -> None:
    ports = apart.ports()
    assert get(ports["pages"], path).status_code == 404
    assert get(ports["wire"], path).status_code != 404


def test_the_root_of_the_pages_leads_to_the_cabinet(apart: Gateway) -> None:
    answer = get(apart.ports()["pages"], "/")
    assert (answer.status_code, answer.headers["location"]) == (308, "/cabinet/")


def test_the_screen_names_the_pages_own_address(apart: Gateway) -> None:
    pages = apart.ports()["pages"]
    text = apart.log.read_text("utf-8")
    assert f"cabinet     http://127.0.0.1:{pages}/cabinet/" in text
    assert f"inbox       http://127.0.0.1:{pages}/inbox" in text


def test_the_cabinets_examples_name_the_wires_address(apart: Gateway) -> None:
    ports = apart.ports()
    text = documentation(f"http://127.0.0.1:{ports['pages']}", apart)
    assert f"http://127.0.0.1:{ports['wire']}/http_in5.asp" in text
    assert f":{ports['pages']}/http_in5.asp" not in text


def test_a_name_of_their_own_alone_shows_the_pages(named: Gateway) -> None:
    wire = named.ports()["wire"]
    for path in PAGES[:3]:
        assert get(wire, path, host=NAME).status_code == 200, path
        assert get(wire, path, host=f"{NAME.upper()}:{wire}").status_code == 200, path
        assert get(wire, path).status_code == 404, path
        assert get(wire, path, host=f"evil-{NAME}").status_code == 404, path


def test_the_pages_name_does_not_answer_programs(named: Gateway) -> None:
    wire = named.ports()["wire"]
    for path in WIRE:
        assert get(wire, path, host=NAME).status_code == 404, path
        assert get(wire, path).status_code == 200, path


def test_the_cabinets_examples_name_the_public_address(named: Gateway) -> None:
    text = documentation(f"http://127.0.0.1:{named.ports()['wire']}", named, host=NAME)
    assert f"{PUBLIC}/http_in5.asp" in text


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"KODGATE_PAGES__HOST": "127.0.0.1"}, "pages.host needs pages.port"),
        ({"KODGATE_PAGES__NAME": NAME}, "pages.name needs pages.wire_url"),
    ],
)
def test_settings_that_say_half_are_refused(
    tmp_path: Path, environ: dict[str, str], word: str
) -> None:
    gateway = Gateway(tmp_path)
    with pytest.raises(RuntimeError, match=re.escape(word)):
        gateway.start(**environ)


def documentation(base: str, gateway: Gateway, **headers: str) -> str:
    """The documentation page as demo's owner sees it."""
    password = re.search(r"cabinet +\S+ +demo / (\S+)", gateway.log.read_text("utf-8"))
    assert password is not None
    with httpx2.Client(base_url=base, headers=headers, trust_env=False) as browser:
        page = browser.get("/cabinet/sign-in").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf is not None
        form = {"csrf": csrf[1], "login": "demo", "password": password[1], "next": ""}
        assert browser.post("/cabinet/sign-in", data=form).status_code == 303
        return browser.get("/cabinet/documentation").text
