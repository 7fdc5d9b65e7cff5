"""Who does what when several processes take requests."""

from __future__ import annotations

import socket

import pytest

from kodgate.cli.workers import divide
from kodgate.config import Config, load, told
from kodgate.web.app import SetupError

ALL = ("http", "deliver", "smpp", "web")


def config(roles: str = ",".join(ALL), **settings: object) -> Config:
    ports = {"http__port": 0, "http__json_port": 0, "node": "alpha"}
    return load(None, {}, roles=roles, **{**ports, "http__workers": 3, **settings})


@pytest.mark.parametrize(
    ("roles", "pages_port", "own", "workers"),
    [
        (ALL, None, ("deliver", "smpp"), [("http", "web")] * 3),
        (ALL, 0, ("deliver", "smpp", "web"), [("http",)] * 3),
        (("http", "deliver"), None, ("deliver",), [("http",)] * 3),
        (("http",), None, ("http",), [("http",)] * 2),
        (("http", "web"), None, ("http", "web"), [("http", "web")] * 2),
        (("deliver", "smpp"), None, ("deliver", "smpp"), []),
    ],
)
def test_requests_are_for_the_workers_and_the_rest_stays_here(
    roles: tuple[str, ...], pages_port: int | None, own: object, workers: object
) -> None:
    division = divide(config(",".join(roles), pages__port=pages_port))
    assert division.own.roles == own
    assert [each.roles for each in division.workers] == workers
    for one in division.held:
        one.close()


def test_one_process_does_everything_by_itself() -> None:
    given = config(http__workers=0)
    division = divide(given)
    assert (division.own, division.workers, division.fronted) == (given, (), frozenset())


def test_all_listen_on_the_same_ports_and_have_names_and_meters_of_their_own() -> None:
    division = divide(config(metrics__port=19_000))
    everyone = [division.own, *division.workers]
    assert len({each.http.port for each in everyone}) == 1
    assert len({each.http.json_port for each in everyone}) == 1
    assert 0 not in (division.own.http.port, division.own.http.json_port)
    assert [each.metrics.port for each in everyone] == [19_000, 19_001, 19_002, 19_003]
    assert [each.node for each in everyone] == ["alpha", *(f"alpha/http.{n}" for n in (1, 2, 3))]
    for one in division.held:
        one.close()


def test_a_port_that_somebody_else_listens_on_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SetupError, match=r"http\.json_port"),
    ):
        divide(config(http__json_port=taken.getsockname()[1]))


def test_a_worker_is_told_every_setting() -> None:
    given = config(
        master_key="ab" * 32, telegram__token="token", pages__port=1, http__trusted_proxies="::1"
    )
    assert Config.model_validate(told(given)) == given
