"""Binds are shared, kept, given back and taken over."""

from __future__ import annotations

from typing import Any

import pytest

from kodgate.core.binds import Asking, Bidder, Decided, Lease, decide

LEASE = 20_000


class Table:
    """The leases, and the processes that ask for them."""

    def __init__(self) -> None:
        self.leases: tuple[Lease, ...] = ()
        self.bidders: dict[str, Bidder] = {}
        self.now = 1_000_000
        self.wanted = {"main": 1}

    def ask(self, holder: str, node: str = "", failing: bool = False, **more: Any) -> Decided:
        me = Bidder(
            holder=holder, node=node or holder, lease_until=self.now + LEASE, failing=failing
        )
        asking = Asking(bidder=me, **{"wanted": self.wanted, "now": self.now, **more})
        decided = decide(asking, self.leases, self.bidders.values())
        self.leases = decided.leases
        self.bidders = {name: one for name, one in self.bidders.items() if name != holder}
        if not asking.leaves:
            self.bidders[holder] = me
        return decided

    def settle(self, *holders: str) -> dict[str, list[tuple[str, int]]]:
        """All ask until nothing changes; who holds what then."""
        returned: dict[str, frozenset[tuple[str, int]]] = dict.fromkeys(holders, frozenset())
        for _ in range(8):
            for holder in holders:
                returned[holder] = self.ask(holder, returned=returned[holder]).surplus
        return {name: self.held(name) for name in holders}

    def held(self, holder: str) -> list[tuple[str, int]]:
        return sorted(lease.bind for lease in self.leases if lease.holder == holder)


@pytest.fixture
def table() -> Table:
    return Table()


def test_the_first_to_ask_holds_everything(table: Table):
    table.wanted = {"main": 2, "backup": 1}
    assert table.ask("a").own == {("main", 1), ("main", 2), ("backup", 1)}
    assert [lease.epoch for lease in table.leases] == [1, 1, 1]


def test_a_single_bind_stays_where_it_is(table: Table):
    assert table.settle("b", "a") == {"b": [("main", 1)], "a": []}


def test_a_bind_is_taken_over_once_its_lease_is_over(table: Table):
    table.ask("a")
    table.now += LEASE - 1
    assert not table.ask("b").own
    table.now += 1
    assert table.ask("b").own == {("main", 1)}
    assert [lease.epoch for lease in table.leases] == [2]


def test_a_renewed_bind_is_not_taken_over(table: Table):
    table.ask("a")
    table.now += LEASE - 1
    table.ask("a", why={("main", 1): ""})
    table.now += LEASE - 1
    assert not table.ask("b").own
    assert table.leases[0].is_up(table.now)


def test_who_slept_past_its_lease_has_lost_what_another_took(table: Table):
    table.ask("a")
    table.now += LEASE
    table.ask("b")
    assert not table.ask("a").own
    assert table.held("b") == [("main", 1)]


def test_who_slept_past_its_lease_goes_on_where_nobody_took_it(table: Table):
    table.ask("a")
    table.now += 3 * LEASE
    assert table.ask("a").own == {("main", 1)}
    assert table.leases[0].epoch == 1


def test_binds_are_shared_evenly_and_those_too_many_returned(table: Table):
    table.wanted = {"main": 4}
    assert table.ask("a").own == {("main", n) for n in (1, 2, 3, 4)}
    table.ask("b")
    decided = table.ask("a")
    assert decided.surplus == {("main", 3), ("main", 4)}
    assert decided.own >= decided.surplus, "held until they are drained"
    assert not table.ask("b").own
    table.ask("a", returned=decided.surplus)
    assert table.ask("b").own == {("main", 3), ("main", 4)}


def test_three_nodes_hold_four_binds_in_peace(table: Table):
    table.wanted = {"main": 4}
    held = table.settle("a", "b", "c")
    assert sorted(len(binds) for binds in held.values()) == [1, 1, 2]
    assert table.settle("c", "b", "a") == held


def test_every_node_that_holds_binds_reaches_every_provider(table: Table):
    table.wanted = {"main": 4, "backup": 1}
    held = table.settle("a", "b")
    assert sorted(len(binds) for binds in held.values()) == [0, 5]


def test_a_node_that_starts_again_follows_itself_at_once(table: Table):
    table.ask("first", node="one")
    assert table.ask("second", node="one", starts=True).own == {("main", 1)}
    assert not table.ask("first", node="one").own


def test_who_leaves_frees_what_it_held(table: Table):
    table.ask("a")
    assert not table.ask("a", leaves=True, wanted={}).own
    assert table.ask("b").own == {("main", 1)}


def test_a_route_that_is_gone_is_surplus(table: Table):
    table.ask("a")
    table.wanted = {"other": 1}
    decided = table.ask("a")
    assert decided.surplus == {("main", 1)}
    table.ask("a", returned=decided.surplus)
    assert table.held("a") == [("other", 1)]


def test_fewer_binds_leave_the_first_numbers(table: Table):
    table.wanted = {"main": 3}
    table.ask("a")
    table.wanted = {"main": 1}
    assert table.ask("a").surplus == {("main", 2), ("main", 3)}


def test_a_node_that_cannot_bind_leaves_it_to_another(table: Table):
    table.ask("a")
    table.ask("b")
    decided = table.ask("a", failing=True)
    assert decided.surplus == {("main", 1)}
    table.ask("a", failing=True, returned=decided.surplus)
    assert table.ask("b").own == {("main", 1)}


def test_a_node_that_cannot_bind_keeps_trying_where_nobody_else_can(table: Table):
    table.ask("a")
    table.ask("b", failing=True)
    assert not table.ask("a", failing=True).surplus
