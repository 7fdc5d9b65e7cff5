"""The loop that does what is due."""

from __future__ import annotations

import asyncio

from kodgate.sandbox.timing import keep


async def test_a_worker_that_is_woken_and_told_to_end_ends() -> None:
    event = asyncio.Event()

    async def due() -> None:
        return None

    for steps in range(5):
        worker = asyncio.create_task(keep(event, due, lambda at: 0.0))
        await asyncio.sleep(0.02)
        event.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        worker.cancel()
        done, _ = await asyncio.wait({worker}, timeout=1)
        assert done and worker.cancelled()
