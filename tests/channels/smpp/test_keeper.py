"""Routes are followed while they work, and binds held only under a lease."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kodgate.channels.smpp import SmppChannel
from kodgate.channels.smpp import pdu as p
from kodgate.core.types import Event, Reason

from .conftest import Book, Clock, Desk, Smsc, until

LEASE_S = 1.0

Open = Callable[..., Any]


def route(smsc: Smsc, name: str = "main", **more: Any) -> dict[str, Any]:
    base = {"host": "127.0.0.1", "port": smsc.port, "system_id": "alice", "password": "hunter2"}
    return {"name": name, **base, **more}


@pytest.fixture
async def node(book: Book) -> AsyncIterator[Open]:
    """`await node(desk)`: a started channel of short leases."""
    opened: list[SmppChannel] = []

    async def open_(desk: Desk, *, watch: bool = False) -> SmppChannel:
        channel = SmppChannel(desk=desk, clock=Clock(), lease_s=LEASE_S)
        opened.append(channel)
        await (channel.watch() if watch else channel.start(book.sink))
        return channel

    yield open_
    for channel in opened:
        await channel.stop()


def taken(smsc: Smsc) -> list[str]:
    """The phones of the submits."""
    return [submit.destination_addr for submit in smsc.submits]


async def test_a_route_that_is_saved_later_is_bound(smsc, node):
    desk = Desk()
    channel = await node(desk)
    assert channel.health().absent
    desk.routes["main"] = route(smsc)
    await until(lambda: smsc.bound)
    assert channel.health().live


async def test_a_route_that_is_removed_or_disabled_is_unbound(smsc, node):
    desk = Desk([route(smsc)])
    channel = await node(desk)
    await until(lambda: smsc.bound)
    desk.routes["main"]["enabled"] = False
    await until(lambda: not smsc.bound)
    assert smsc.peers[0].of(p.Unbind), "it is not just dropped"
    assert channel.health().absent
    desk.routes["main"]["enabled"] = True
    await until(lambda: smsc.bound)
    del desk.routes["main"]
    await until(lambda: not smsc.bound)
    await until(lambda: not any(lease.holder for lease in desk.board.leases))


async def test_a_receipt_may_be_for_a_route_that_is_out_of_use(smsc, node, book):
    await node(Desk([route(smsc, "old", enabled=False), route(smsc, "new")]))
    await until(lambda: smsc.bound)
    smsc.peers[0].deliver("id:A0 stat:DELIVRD")
    await until(lambda: book.seen)
    assert book.seen[0].keys == ("new:a0", "old:a0", "new:160", "old:160")


async def test_a_new_login_is_bound_after_the_old_one_is_unbound(smsc, node):
    desk = Desk([route(smsc)])
    channel = await node(desk)
    await until(lambda: smsc.bound)
    desk.routes["main"]["system_id"] = "bob"
    channel.look_again()
    await until(lambda: len(smsc.peers) == 2 and smsc.bound)
    old, new = smsc.peers
    assert old.over and new.bind.system_id == "bob"


async def test_a_speed_or_prefix_changes_without_a_new_bind(smsc, node, delivery, claim):
    desk = Desk([route(smsc)])
    channel = await node(desk)
    await until(lambda: smsc.bound)
    desk.routes["main"]["prefixes"] = ["1"]
    channel.look_again()
    await until(lambda: channel.carriers[0].profile.prefixes)
    seen = await channel.send(delivery, claim())
    assert (seen.events, seen.reason) == ((Event.REJECTED,), Reason.NO_ROUTE)
    assert len(smsc.peers) == 1


async def test_what_is_under_way_is_answered_before_a_change(smsc, node, delivery, claim):
    desk = Desk([route(smsc)])
    channel = await node(desk)
    await until(lambda: smsc.bound)
    go = asyncio.Event()

    async def slowly(peer, submit):
        await go.wait()
        await smsc.accept(peer, submit)

    smsc.on_submit = slowly
    sending = asyncio.create_task(channel.send(delivery, claim()))
    await until(lambda: smsc.submits)
    del desk.routes["main"]
    channel.look_again()
    await until(lambda: not channel.carriers)
    go.set()
    assert (await sending).events == (Event.ACCEPTED,)


async def test_a_route_that_cannot_be_read_stops_no_other(smsc, node):
    desk = Desk([route(smsc), {"name": "broken", "colour": "red"}])
    await node(desk)
    await until(lambda: smsc.bound)


async def test_without_its_database_a_node_lets_go_when_its_lease_is_over(
    smsc, node, delivery, claim
):
    desk = Desk([route(smsc)])
    channel = await node(desk)
    await until(lambda: smsc.bound)
    desk.away = True
    await until(lambda: channel.room() == 0)
    seen = await channel.send(delivery, claim())
    assert seen.later_at is not None and not smsc.submits
    await until(lambda: not smsc.bound)
    desk.away = False
    await until(lambda: smsc.bound)


async def test_a_node_that_stops_leaves_its_binds_to_another_at_once(smsc, node):
    one = Desk([route(smsc)])
    first, second = await node(one), await node(one.another("two"))
    await until(lambda: smsc.bound)
    assert second.room() == 0
    await first.stop()
    await until(lambda: second.room() > 0)
    assert len(smsc.bound) == 1


async def test_nodes_share_a_route_s_speed_by_their_binds(smsc, node):
    one = Desk([route(smsc, binds=2, tps=10)])
    channels = [await node(one), await node(one.another("two"))]
    await until(lambda: all(len(c.carriers[0].held) == 1 for c in channels))
    assert [channel.carriers[0].pace.tps for channel in channels] == [5, 5]
    await channels[1].stop()
    await until(lambda: channels[0].carriers[0].pace.tps == 10)


async def test_who_only_watches_knows_the_routes_and_binds_none(smsc, node):
    desk = Desk()
    watcher = await node(desk, watch=True)
    assert watcher.health().absent
    desk.routes["main"] = route(smsc)
    await until(lambda: not watcher.health().absent)
    assert watcher.room() == 0 and not smsc.peers
    await node(desk.another("two"))
    await until(lambda: watcher.health().live)


async def test_a_zone_s_routes_are_taken_in_their_order(smsc, new_smsc, node, delivery, claim):
    other = new_smsc()
    await other.start()
    desk = Desk([route(smsc, "north"), route(other, "south", priority=9)])
    desk.plan = '{"1": ["south", "north"]}'
    channel = await node(desk)
    await until(lambda: smsc.bound and other.bound and channel.health().live)
    await until(lambda: all(link.bound for c in channel.carriers for link in c.links))
    assert (await channel.send(delivery, claim())).provider_id.startswith("south:")
    seen = await channel.send(dataclasses.replace(delivery, zone=2), claim())
    assert seen.provider_id.startswith("north:")
    await other.stop()
    await until(lambda: not all(link.bound for c in channel.carriers for link in c.links))
    assert (await channel.send(delivery, claim())).provider_id.startswith("north:")


async def test_the_next_route_is_not_taken_while_another_node_reaches_the_first(
    smsc, new_smsc, node, delivery, claim
):
    other = new_smsc()
    await other.start()
    one = Desk([route(smsc, "north"), route(other, "south", priority=9)])
    channel = await node(one)
    await until(lambda: all(link.bound for c in channel.carriers for link in c.links))
    (north, *rest) = [lease for lease in one.board.leases if lease.route == "north"]
    elsewhere = dataclasses.replace(north, holder="two", node="two", why="")
    one.board.leases = [elsewhere, *(x for x in one.board.leases if x.route != "north"), *rest]
    channel.look_again()
    await until(lambda: not channel.carriers[0].held)
    seen = await channel.send(delivery, claim())
    assert seen.later_at is not None and not taken(other)
    await other.stop()
