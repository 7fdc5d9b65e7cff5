"""How fast the store accepts and carries, by hand: `python -m tests.store.bench [seconds]`.

`busy` is work that each caller's event loop does beside its accept, as an HTTP server would.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from kodgate.core.types import Event, Observation
from kodgate.store import migrate
from kodgate.store.sqlite import SqliteStore

from .kit import NOW, account, claim, order, place

CALLERS = ((1, 0), (16, 0), (64, 0), (256, 0), (64, 150))


async def accepts(store: SqliteStore, callers: int, busy_us: int, seconds: float) -> str:
    """Closed loop: each caller sends its next order when the last one is durable."""
    numbers, waits, end = count(), [], time.perf_counter() + seconds
    before = store.writer.commits

    async def call() -> None:
        while (began := time.perf_counter()) < end:
            while time.perf_counter() - began < busy_us / 1e6:
                pass
            began = time.perf_counter()
            await place(store, fresh_order(next(numbers)))
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(call() for _ in range(callers)))
    waits.sort()
    p50, p99 = (1e3 * waits[len(waits) * part // 100] for part in (50, 99))
    return (
        f"{callers:4} callers, {busy_us:3} us busy: {len(waits) / seconds:7,.0f} accepts/s,"
        f" p50 {p50:5.2f} ms, p99 {p99:5.2f} ms,"
        f" {(store.writer.commits - before) / seconds:5.0f} commits/s"
    )


def fresh_order(number: int) -> object:
    return order(
        1,
        phone=f"79{number:09d}",
        code=os.urandom(4).hex(),
        code_generated=True,
        user_message_id=f"{time.perf_counter_ns()}",
        unique_days=7,
    )


async def carries(store: SqliteStore, seconds: float) -> str:
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


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kodgate.db"
        migrate(f"sqlite:///{path}")
        store = SqliteStore(path)
        await store.open()
        await account(store, funds=10**13)
        for callers, busy_us in CALLERS:
            print(await accepts(store, callers, busy_us, seconds))
        print(await carries(store, seconds))
        print("verify:", await store.verify() or "all is well")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
