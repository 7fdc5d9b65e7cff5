"""Nodes on one PostgreSQL tell each other what there is to send; no tick is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.engine.house import House, house, until
from tests.store.cluster import Cluster, cluster

from kodgate.channels import Delivery, Journal
from kodgate.core.requests import Mode
from kodgate.core.types import Event, Observation
from kodgate.engine import Duties, dispatch
from kodgate.store import postgres_wakes
from kodgate.store.postgres_link import connect

HOUR_S = 3_600.0
LISTENING = "from pg_stat_activity where datname = $1 and query ilike 'listen %'"

Node = Callable[..., Awaitable[House]]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    yield from cluster()


@pytest.fixture
def url(server: Cluster) -> str:
    return server.fresh()


@pytest.fixture
async def node(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    """Starts a node that sends through some channels; it looks by itself once an hour."""
    monkeypatch.setattr(dispatch, "TICK_S", HOUR_S)
    async with AsyncExitStack() as stack:

        async def start(name: str, *sends: str) -> House:
            duties = Duties(sends=frozenset(sends), watches=False)
            made = house(tmp_path, url=url, node=name, duties=duties)
            return await stack.enter_async_context(made)

        yield start


async def sends(home: House, channel: str, count: int = 1) -> None:
    async def enough() -> bool:
        return len(getattr(home, channel).sends) == count

    await until(enough)


async def test_a_code_leaves_from_another_node_before_any_tick(node: Node) -> None:
    front, back = await node("front"), await node("back", "telegram")
    await front.send()
    await sends(back, "telegram")


async def test_a_fallback_leaves_from_another_node_before_any_tick(node: Node) -> None:
    front, back = await node("front", "telegram"), await node("back", "sms")

    async def decline(delivery: Delivery, journal: Journal) -> Observation:
        return front.telegram.said(delivery, Event.REJECTED)

    front.telegram.answer = decline
    await front.send(ttl_s=3_600)
    await sends(back, "sms")


async def test_a_node_that_has_no_room_tells_the_others(node: Node) -> None:
    front, back = await node("front", "sms"), await node("back", "sms")
    front.sms.capacity = 0
    await front.send(mode=Mode.SMS)
    await sends(back, "sms")


async def test_a_node_tells_nobody_of_what_it_sends_itself(node: Node, url: str) -> None:
    heard = asyncio.Queue[str]()
    db = await connect(url)
    await db.add_listener(postgres_wakes.TOPIC, lambda *said: heard.put_nowait(said[-1]))
    home = await node("one", "telegram")
    await home.send()
    await sends(home, "telegram")
    home.telegram.capacity = 0
    await home.send(mode=Mode.SMS)  # told later than the first would have been
    assert await asyncio.wait_for(heard.get(), 10) == "sms"
    await db.close()


async def test_a_node_whose_connection_was_lost_hears_again(
    node: Node, server: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_wakes, "AGAIN_S", 0.01)
    front, back = await node("front"), await node("back", "telegram")
    ended = await asyncio.to_thread(cut_off, server, url)
    assert ended == 2

    async def heard_again() -> bool:
        return await asyncio.to_thread(count, server, url) == ended

    await until(heard_again)
    await front.send()
    await sends(back, "telegram")


async def test_what_no_node_is_told_of_leaves_with_the_next_tick(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_wakes.Wakes, "tell", lambda self, channel: None)
    monkeypatch.setattr(dispatch, "TICK_S", 0.05)
    front, back = await node("front"), await node("back", "telegram")
    await front.send()
    await sends(back, "telegram")


def cut_off(server: Cluster, url: str) -> int:
    """Ends the connections on which nodes listen; how many."""
    ended = server.run(
        lambda db: db.fetch(f"select pg_terminate_backend(pid) {LISTENING}", database(url))
    )
    return len(ended)


def count(server: Cluster, url: str) -> int:
    found: int = server.run(lambda db: db.fetchval(f"select count(*) {LISTENING}", database(url)))
    return found


def database(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
