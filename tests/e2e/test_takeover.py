"""Binds are leased to a process: it is killed or paused, and another one binds and delivers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller, until

pytestmark = pytest.mark.e2e
SCALE = 10
LEASE_S = 2
DELIVERED = "6"
SMS = ("sender=kodgate", "template=Code {code}", "telegram_allowed=no")
HELD = (
    "select l.route, l.num, l.node from bind_lease l join bidder b on b.holder = l.holder"
    " where l.why = '' order by 1, 2"
)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that sends no SMS itself."""
    environ = {"KODGATE_ROLES": "http,deliver,web"}
    running = Gateway(tmp_path / "data", time_scale=SCALE, environ=environ)
    running.start()
    yield running
    running.kill()


class Node:
    """`kodgate serve --roles smpp` on the same data."""

    def __init__(self, front: Gateway, name: str) -> None:
        self.name = name
        self.log = front.data.parent / f"{name}.log"
        given = {
            "KODGATE_ROLES": "smpp",
            "KODGATE_NODE": name,
            "KODGATE_TIME_SCALE": str(SCALE),
            "KODGATE_METRICS__PORT": "0",
            "KODGATE_SMS__BIND_LEASE_S": str(LEASE_S),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kodgate", "serve", "--data", str(front.data)],
                env={**os.environ, **given},
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def nodes(front: Gateway) -> Iterator[tuple[Node, Node]]:
    """The first one holds the bind, the second one stands by."""
    one = Node(front, "one")
    until(lambda: holders(front) == ["one"], 30)
    two = Node(front, "two")
    until(lambda: len(Caller(front).rows("select 1 from bidder")) == 2, 30)
    yield one, two
    one.end()
    two.end()


@pytest.fixture
def alice(front: Gateway) -> Caller:
    return Caller(front).account("alice", *SMS)


def holders(front: Gateway) -> list[str]:
    """The node of every bind that is up."""
    return [row[2] for row in Caller(front).rows(HELD)]


def bound(caller: Caller) -> int:
    """Sessions that the SMSC knows."""
    return len(caller.control("/state")["sessions"])


def delivers(caller: Caller, phone: str) -> None:
    caller.until_login()
    sent = caller.send(phone, to_sms=1)
    assert caller.until_final(sent["packet_id"])[-1]["result_id"] == DELIVERED


def test_the_binds_of_a_killed_node_are_taken_over(
    front: Gateway, nodes: tuple[Node, Node], alice: Caller
) -> None:
    delivers(alice, "79120000101")
    assert bound(alice) == 1
    nodes[0].end()
    until(lambda: holders(front) == ["two"], 15)
    delivers(alice, "79120000102")
    assert bound(alice) == 1
    assert alice.problems() == []


def test_a_paused_node_s_binds_are_taken_over_and_it_lets_go_of_them(
    front: Gateway, nodes: tuple[Node, Node], alice: Caller
) -> None:
    nodes[0].signal(signal.SIGSTOP)
    until(lambda: holders(front) == ["two"], 15)
    delivers(alice, "79120000103")
    nodes[0].signal(signal.SIGCONT)
    until(lambda: bound(alice) == 1, 15)
    assert holders(front) == ["two"]
    for n in range(5):
        delivers(alice, f"7912000011{n}")
    assert len(alice.truth("sms")) == 6, "every code left once"
    assert alice.problems() == []


def test_a_node_that_stops_cleanly_hands_its_binds_over_at_once(
    front: Gateway, nodes: tuple[Node, Node], alice: Caller
) -> None:
    nodes[0].signal(signal.SIGTERM)
    assert nodes[0].process.wait(20) == 0
    until(lambda: holders(front) == ["two"], 10)
    delivers(alice, "79120000104")


def test_two_nodes_share_the_binds_of_a_route(front: Gateway, nodes: tuple[Node, Node]) -> None:
    olga = Caller(front)
    olga.command("route", "add", "sandbox", *route(front, "binds=4"))
    until(lambda: sorted(holders(front)) == ["one", "one", "two", "two"], 20)
    assert bound(olga) == 4
    nodes[1].end()
    until(lambda: holders(front) == ["one"] * 4, 15)


def test_routes_are_followed_without_a_restart(
    front: Gateway, nodes: tuple[Node, Node], alice: Caller
) -> None:
    alice.command("route", "add", "north", *route(front, "priority=2"))
    until(lambda: len(holders(front)) == 2, 15)
    assert via(alice, "79120000105") == "sandbox"
    alice.command("route", "zone", "1", "north", "sandbox")
    until(lambda: via(alice, "79120000106") == "north", 20)
    alice.command("route", "disable", "north")
    until(lambda: len(holders(front)) == 1 and bound(alice) == 1, 15)
    assert via(alice, "79120000107") == "sandbox"
    alice.command("route", "remove", "north")
    assert "north" not in alice.command("route", "zones")
    alice.command("route", "disable", "sandbox")
    until(lambda: bound(alice) == 0, 15)
    until(lambda: error(alice, "79120000108") == "13", 10)
    alice.command("route", "enable", "sandbox")
    until(lambda: bound(alice) == 1, 15)
    until(lambda: error(alice, "79120000109") == "0", 10)


def via(caller: Caller, phone: str) -> str:
    """The route that takes a code. (Both lead to one SMSC under one login, which sends receipts
    over either: so nobody waits for the message's end.)"""
    caller.until_login()
    packet_id = caller.send(phone, to_sms=1)["packet_id"]
    query = f"select provider_id from message where packet_id = {packet_id}"
    found = until(lambda: caller.rows(f"{query} and provider_id is not null"), 10)
    return str(found[0][0]).partition(":")[0]


def error(caller: Caller, phone: str) -> str:
    asked = {"mode": "TELE", "phone_list": phone, "to_sms": 1, "format": "xml"}
    body = caller.post("/http_in5.asp", **asked)
    found = re.search(r"error_num='(\d+)'", body)
    assert found is not None, body
    return found[1]


def route(front: Gateway, *more: str) -> list[str]:
    """To the sandbox's SMSC."""
    fields = ("host=127.0.0.1", f"port={front.smsc}", "system_id=sandbox", "password=sandbox")
    return [word for field in (*fields, *more) for word in ("--set", field)]
