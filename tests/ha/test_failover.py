"""The leader's machine vanishes under load: what was accepted is there, charged and final once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from deploy.local.processes import until
from tests.ha import checker
from tests.ha.conftest import FAILOVERS, Site
from tests.ha.customers import ACCEPTED, KNOWN, LATER, SILENT, Customers

pytestmark = pytest.mark.ha

WARM_S = 4.0
LAG_S = 0.3
"""Replication stands still for so long before the leader dies."""

ALONE_S = 10.0
"""How long the standby answers nobody; less than Patroni waits before it changes anything."""

ON_ITS_WAY_S = 0.5
"""An answer to a commit that the standby did get may arrive so late."""

AFTER_S = 90.0
FINAL_S = 120.0


def _customers(site: Site, first: int) -> Customers:
    nodes = site.nodes
    return Customers(
        login="alice", secret=nodes.secret, ports=(site.cluster.wire_port,), first=first
    )


async def _fail_over(site: Site, customers: Customers) -> float:
    """Kills the leader while its standby lags; seconds until codes are accepted again."""
    cluster = site.cluster
    await customers.accepts(AFTER_S)
    await asyncio.sleep(WARM_S)
    os.kill(_walsender(site), signal.SIGSTOP)
    await asyncio.sleep(LAG_S)
    old = await asyncio.to_thread(cluster.kill_leader)
    killed_at = time.monotonic()
    await asyncio.to_thread(cluster.await_leader, old)
    old.process.start()
    await customers.accepts(AFTER_S)
    taken = time.monotonic() - killed_at
    await asyncio.to_thread(_await_whole, site)
    return taken


def _await_whole(site: Site) -> None:
    until("all members", site.cluster.is_whole, AFTER_S)


def _walsender(site: Site) -> int:
    """The leader's process by which the standby gets what was written."""
    leader = site.cluster.leader()
    assert leader is not None
    for pid in leader.process.pids():
        with suppress(OSError):
            if b"walsender" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError("nothing is sent to a standby")


async def _run(site: Site, times: int, *, final_s: float) -> tuple[Customers, checker.Verdict]:
    customers = _customers(site, first=1)
    customers.start()
    try:
        taken = [await _fail_over(site, customers) for _ in range(times)]
    finally:
        await customers.stop()
    print(
        f"\naccepting again after {', '.join(f'{s:.1f}' for s in taken)} s; {customers.counted()}"
    )
    await checker.all_final(site.nodes.database, final_s)
    verdict = await checker.check(site.nodes.database, customers.asked)
    print(f"{verdict.accepted} accepted, {len(verdict.lost)} lost; {verdict.problems}")
    print(f"sent twice (Telegram, SMS): {checker.sent_twice(site.nodes.telegram)}")
    return customers, verdict


async def test_a_synchronous_failover_loses_nothing_and_charges_nothing_twice(site: Site) -> None:
    customers, verdict = await _run(site, FAILOVERS, final_s=FINAL_S)
    assert verdict.problems == {}
    assert verdict.accepted > 100
    assert customers.counted()[LATER] > 0, "no failover was seen"


async def test_no_code_is_accepted_while_the_standby_cannot_be_reached(site: Site) -> None:
    """Also where its commits are cancelled or cut off: PostgreSQL then says COMMIT, and warns; and
    where a repeat finds what such a commit left behind."""
    cluster, customers = site.cluster, _customers(site, first=5_000_001)
    await asyncio.to_thread(_await_whole, site)
    leader = cluster.leader()
    assert leader is not None
    address = f"postgresql://postgres:{cluster.password}@{leader.address}/postgres"
    meddler = await asyncpg.connect(address)
    standby = cluster.standby()
    customers.start()
    try:
        await customers.accepts(AFTER_S)
        await asyncio.sleep(WARM_S)
        cluster.pause(standby)
        try:
            paused_at = time.monotonic() + ON_ITS_WAY_S
            cancelled = await _meddle(meddler, seconds=ALONE_S)
            resumed_at = time.monotonic()
        finally:
            cluster.resume(standby)
            await meddler.close()
        await customers.accepts(AFTER_S)
    finally:
        await customers.stop()
    meanwhile = Counter(
        word for one in customers.asked for at, word in one.tries if paused_at < at < resumed_at
    )
    print(f"\n{cancelled} commits were cancelled or cut off; answers meanwhile: {meanwhile}")
    assert cancelled > 0
    assert meanwhile[SILENT] > 0
    assert meanwhile[ACCEPTED] == meanwhile[KNOWN] == 0
    await checker.all_final(site.nodes.database, FINAL_S)
    verdict = await checker.check(site.nodes.database, customers.asked)
    assert verdict.problems == {}


async def _meddle(meddler: asyncpg.Connection, seconds: float) -> int:
    """Cancels every commit that waits for the standby, or ends its connection; how many."""
    done, ends_at = 0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for how in ("pg_cancel_backend", "pg_terminate_backend"):
            done += await meddler.fetchval(
                f"select count({how}(pid)) from pg_stat_activity"
                " where wait_event = 'SyncRep' and application_name = 'kodgate'"
            )
            await asyncio.sleep(0.25)
    return done


async def test_an_asynchronous_failover_shows_what_it_loses(asynchronous: Site) -> None:
    """Why the standby is synchronous; and that the checker would see a loss. Lost evidence that was
    acknowledged is not told again: some codes are decided at their deadline only."""
    customers, verdict = await _run(asynchronous, 1, final_s=0)
    assert verdict.lost
    assert customers.counted()[ACCEPTED] > 100
