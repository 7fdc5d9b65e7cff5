"""The sandbox as its own process: killed at any moment, it goes on where it was."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kodgate.core.clock import Anchor
from kodgate.sandbox.config import Ports, SandboxConfig, from_json, to_json

from .conftest import ALICE, Gateway, Receiver, until

REAL = time.time_ns() // 1_000_000
ANCHOR = Anchor(real_ms=REAL, business_ms=REAL, scale=10)


@asynccontextmanager
async def process(
    folder: Path, *, stdin: bool = False
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Gateway]]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    config = SandboxConfig(
        folder=folder / "data",
        telegram_port=0,
        proxy_port=0,
        smsc_port=0,
        anchor=ANCHOR,
        watch_parent=stdin,
        ready_file=ready,
    )
    file = folder / "config.json"
    file.write_text(to_json(config))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kodgate.sandbox", str(file), stdin=asyncio.subprocess.PIPE
    )
    try:
        await until(ready.exists, 20)
        ports = Ports(**json.loads(ready.read_text()))
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{ports.telegram}",
            headers={"Authorization": "Bearer sandbox"},
            trust_env=False,
        ) as http:
            yield child, Gateway(http=http, ports=ports, folder=folder)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    sent: list[str] = []
    async with process(tmp_path) as (child, gateway):

        async def sender() -> None:
            while True:
                sent.append(await gateway.send("70000000004", ttl=3600))

        senders = [asyncio.create_task(sender()) for _ in range(8)]
        await until(lambda: len(sent) > 40, 30)
        child.kill()
        await asyncio.gather(*senders, return_exceptions=True)
    async with process(tmp_path) as (_, gateway):
        for request_id in sent:
            assert await gateway.delivery(request_id) == "sent"
        fees = await gateway.look("log", kind="fee")
        assert await gateway.credit() == pytest.approx(1_000_000 - 0.01 * len(fees))
        assert len(fees) >= len(sent)


async def test_outcomes_that_fell_due_while_it_was_dead_happen_at_their_time(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as (child, gateway):
        request_id = await gateway.send(ALICE, ttl=30)
        child.kill()
    await asyncio.sleep(0.5)
    async with process(tmp_path) as (_, gateway):

        async def read() -> bool:
            return await gateway.delivery(request_id) == "read"

        await until(read)
        at = {line["kind"]: line["at"] for line in await gateway.look("log", phone=ALICE)}
        assert at["delivered"] - at["send"] == 1000
        assert at["read"] - at["send"] == 3000


async def test_reports_that_were_not_acknowledged_come_after_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answers = [503]
    async with process(tmp_path) as (child, gateway):
        await gateway.send("70000000002", callback_url=receiver.url)
        await until(lambda: receiver.seen)
        child.kill()
    async with process(tmp_path):
        await until(lambda: len(receiver.seen) == 2)
    assert receiver.seen[0][1] == receiver.seen[1][1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly_and_soon(tmp_path: Path, number: int) -> None:
    slow = {"phone_number": "70000000009"}
    async with (
        process(tmp_path) as (child, gateway),
        gateway.http.stream("GET", "/inbox/stream"),
    ):
        answering = asyncio.create_task(gateway.http.post("/checkSendAbility", json=slow))
        await asyncio.sleep(0.2)
        child.send_signal(number)
        assert await asyncio.wait_for(child.wait(), 3) == 0
        await asyncio.gather(answering, return_exceptions=True)
    assert not (tmp_path / "ready.json").exists()


async def test_it_ends_when_its_parent_has_died(tmp_path: Path) -> None:
    async with process(tmp_path, stdin=True) as (child, _):
        assert child.stdin is not None
        child.stdin.close()
        assert await asyncio.wait_for(child.wait(), 3) == 0


def test_its_settings_pass_through_json_unchanged(tmp_path: Path) -> None:
    config = SandboxConfig(folder=tmp_path, own_phones=(ALICE,), anchor=ANCHOR)
    assert from_json(to_json(config)) == config


def test_an_unknown_setting_is_refused() -> None:
    bad: dict[str, Any] = {"folder": "x", "telegram_prot": 1}
    with pytest.raises(ValueError, match="telegram_prot"):
        from_json(json.dumps(bad))
