"""How fast a store accepts and carries, by hand: `python -m tests.store.bench [--postgres]`.

`busy` is work that each caller's event loop does beside its accept, as an HTTP server would.
PostgreSQL runs on the same machine, with fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from itertools import count
from typing import Any

from kodgate.core.types import Event, Observation
from kodgate.store import migrate, open_store

from . import cluster
from .kit import NOW, account, claim, order, place

CALLERS = ((1, 0), (16, 0), (64, 0), (256, 0), (64, 150))


ACCOUNTS = 1_000


async def accepts(store: Any, callers: int, busy_us: int, seconds: float, accounts: int = 1) -> str:
    """Closed loop: each caller sends its next order when the last one is durable."""
    numbers, waits, end = count(), [], time.perf_counter() + seconds
    before = commits(store)

    async def call() -> None:
        while (began := time.perf_counter()) < end:
            while time.perf_counter() - began < busy_us / 1e6:
                pass
            began = time.perf_counter()
            number = next(numbers)
            await place(store, fresh_order(number, 1 + number * 7919 % accounts))
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(call() for _ in range(callers)))
    waits.sort()
    p50, p99 = (1e3 * waits[len(waits) * part // 100] for part in (50, 99))
    return (
        f"{callers:4} callers, {busy_us:3} us busy, {accounts:4} accounts:"
        f" {len(waits) / seconds:7,.0f} accepts/s,"
        f" p50 {p50:5.2f} ms, p99 {p99:5.2f} ms,"
        f" {(commits(store) - before) / seconds:5.0f} commits/s"
    )


def commits(store: Any) -> int:
    """Transactions of accepts (PostgreSQL), of everything (SQLite)."""
    found: int = (store.writer if hasattr(store, "writer") else store.placing).commits
    return found


def fresh_order(number: int, account_id: int) -> Any:
    return order(
        account_id,
        phone=f"79{number:09d}",
        code=os.urandom(4).hex(),
        code_generated=True,
        user_message_id=f"{time.perf_counter_ns()}",
        unique_days=7,
    )


async def carries(store: Any, seconds: float) -> str:
    """Claim, submit answer and receipt of messages that were accepted before."""
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        claimed = await claim(store, limit=64)
        answers = [
            Observation(
                at=NOW,
                source="send",
                message_id=one.message.id,
                epoch=one.message.epoch,
                events=(Event.ACCEPTED,),
                provider_id=f"p{one.message.id}",
            )
            for one in claimed
        ]
        await asyncio.gather(*(store.record([seen]) for seen in answers))
        receipts = [
            Observation(
                at=NOW,
                source="receipt",
                channel="telegram",
                keys=(f"p{one.message.id}",),
                events=(Event.READ,),
            )
            for one in claimed
        ]
        await asyncio.gather(*(store.record([seen]) for seen in receipts))
        done += len(claimed)
    return f"claim, answer and receipt: {done / seconds:,.0f} messages/s"


async def measure(url: str, seconds: float) -> None:
    store: Any = open_store(url)
    await store.open()
    for number in range(ACCOUNTS):
        await account(store, f"a{number}", funds=10**13 if number == 0 else 10**9)
    for callers, busy_us in CALLERS:
        print(await accepts(store, callers, busy_us, seconds))
        if callers >= 64:
            print(await accepts(store, callers, busy_us, seconds, ACCOUNTS))
    print(await carries(store, seconds))
    print("verify:", await store.verify() or "all is well")
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0)
    chosen = parser.parse_args()
    if chosen.postgres:
        for server in cluster.cluster(fast=False):
            asyncio.run(measure(server.fresh(), chosen.seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/kodgate.db"
        migrate(url)
        asyncio.run(measure(url, chosen.seconds))


if __name__ == "__main__":
    main()
