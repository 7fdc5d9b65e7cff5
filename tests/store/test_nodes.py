"""Three processes on one PostgreSQL, killed at random: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kodgate.core.types import Event, Observation
from kodgate.store import Store, open_store

from .cluster import Cluster
from .kit import FUNDS, NOW, SECOND, account

ROOT = Path(__file__).parents[2]
NODES = 3
KILLS = 8
FIRST_LINE_S = 30

CHILD = """
import asyncio, itertools, os, sys
from kodgate.core.orders import Placed
from kodgate.core.types import Event, Observation
from kodgate.store import open_store
from tests.store.kit import NOW, SECOND, order

url, node = sys.argv[1:]

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def main():
    store = open_store(url)
    await store.open()
    await store.release(node)
    say("ready")

    async def accept(part):
        for n in itertools.count(part, 4):  # every node tries every id
            one = order(1, phone=f"7912{n:07d}", user_message_id=f"m{n}", unique_days=7)
            (answer,) = await store.accept([one])
            if isinstance(answer, Placed):
                say("placed", n, answer.packet_id)

    async def send():
        while True:
            claims = await store.claim(channel="telegram", node=node, now=NOW,
                lease_until=NOW + 30 * SECOND, attempts_max=99, limit=20)
            for claimed in claims:
                say("claimed", claimed.message.id, claimed.message.epoch)
            await asyncio.sleep(0.005)
            for claimed in claims:
                id = claimed.message.id
                await store.record([Observation(at=NOW, source="send", message_id=id,
                    epoch=claimed.message.epoch, events=(Event.ACCEPTED,), provider_id=f"p{id}")])
                await store.record([Observation(at=NOW, source="receipt", channel="telegram",
                    keys=(f"p{id}",), events=(Event.READ,))])

    await asyncio.gather(*(accept(part) for part in range(4)), send())

asyncio.run(main())
"""


class Node:
    """One process, started again under its name when it was killed."""

    def __init__(self, url: str, name: str, folder: Path) -> None:
        self._command = [sys.executable, "-c", CHILD, url, name]
        self._said = folder / name
        self._said.touch()
        self.start()

    def start(self) -> None:
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                self._command,
                stdout=said,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def lines(self) -> list[list[str]]:
        """What it said; a line that was cut off by a kill was not said."""
        return [line.split() for line in self._said.read_text().split("\n")[:-1]]


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.fresh()


@pytest.fixture
async def store(url: str) -> Store:
    """With an account that can pay for everything."""
    store = open_store(url)
    await store.open()
    await account(store, funds=FUNDS * 1_000)
    return store


@pytest.fixture
def nodes(url: str, store: Store, tmp_path: Path) -> Iterator[list[Node]]:
    started = [Node(url, f"node{n}", tmp_path) for n in range(NODES)]
    yield started
    for node in started:
        node.kill()


async def test_nodes_that_are_killed_lose_nothing_and_do_nothing_twice(
    store: Store, nodes: list[Node]
) -> None:
    dice = random.Random(4711)
    await all_ready(nodes)
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.1, 0.5))
        victim = dice.choice(nodes)
        victim.kill()
        victim.start()
    await asyncio.sleep(0.5)
    for node in nodes:
        node.kill()
    said = [line for node in nodes for line in node.lines()]
    await check_answers(store, said)
    await settle(store)
    assert await store.verify() == []
    alice = await store.account_by_id(1)
    assert alice is not None and alice.held == 0
    await store.close()


async def all_ready(nodes: list[Node]) -> None:
    for _ in range(FIRST_LINE_S * 20):
        if all(node.lines() for node in nodes):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the nodes did not start")


async def check_answers(store: Store, said: list[list[str]]) -> None:
    placed = [(line[1], int(line[2])) for line in said if line[0] == "placed"]
    claimed = Counter((line[1], line[2]) for line in said if line[0] == "claimed")
    assert len(placed) > 50
    assert len({user for user, _ in placed}) == len({packet for _, packet in placed}) == len(placed)
    assert set(claimed.values()) == {1}  # one attempt, one node
    for user, packet_id in placed:
        found = await store.packet(1, packet_id=packet_id)
        assert found is not None and found.user_message_id == f"m{user}"
    assert await store.verify() == []


async def settle(store: Store) -> None:
    """All deadlines are decided: every packet has one end."""
    now = NOW
    for _ in range(1_000):
        now += 90_000 * SECOND
        due = await store.due(now=now, until=now, limit=500)
        if not due:
            break
        await store.record(
            [
                Observation(
                    at=now,
                    source="deadline" if one.deadline else "poll",
                    message_id=one.message.id,
                    events=(Event.TIMED_OUT,) if one.deadline else (),
                )
                for one in due
            ]
        )
    assert await store.counts() == {}
