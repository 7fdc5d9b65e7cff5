"""A real sandbox on ports that the operating system chooses, and real clients for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import web

from kodgate.core.clock import Anchor
from kodgate.sandbox.config import Ports, SandboxConfig
from kodgate.sandbox.server import sandbox

ALICE = "79990000001"
BOB = "79990000002"


@dataclass
class Gateway:
    """A client of the sandbox's Telegram Gateway and of its control API."""

    http: httpx2.AsyncClient
    ports: Ports
    folder: Path

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/{method}", json=params)
        assert answer.status_code == 200
        result: dict[str, Any] = answer.json()
        return result

    async def ok(self, method: str, **params: Any) -> Any:
        answer = await self.call(method, **params)
        assert answer["ok"], answer
        return answer["result"]

    async def error(self, method: str, **params: Any) -> str:
        answer = await self.call(method, **params)
        assert not answer["ok"], answer
        return str(answer["error"])

    async def send(self, phone: str, **more: Any) -> str:
        """Both steps; returns the request id."""
        request_id = (await self.ok("checkSendAbility", phone_number=phone))["request_id"]
        values = {"code": "4321", "ttl": 30} | more
        await self.ok(
            "sendVerificationMessage", phone_number=phone, request_id=request_id, **values
        )
        return str(request_id)

    async def delivery(self, request_id: str) -> str:
        answer = await self.ok("checkVerificationStatus", request_id=request_id)
        return str(answer["delivery_status"]["status"])

    async def control(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(f"/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def look(self, path: str, **query: Any) -> Any:
        return (await self.http.get(f"/control/{path}", params=query)).json()

    async def credit(self) -> float:
        return float((await self.look("state"))["credit"])


@asynccontextmanager
async def running(folder: Path, *, scale: float = 20, **settings: Any) -> AsyncIterator[Gateway]:
    real = time.time_ns() // 1_000_000
    config = SandboxConfig(
        **{
            "folder": folder,
            "telegram_port": 0,
            "proxy_port": 0,
            "smsc_port": 0,
            "anchor": Anchor(real_ms=real, business_ms=real, scale=scale),
        }
        | settings
    )
    async with sandbox(config) as started:
        base = f"http://127.0.0.1:{started.ports.telegram}"
        headers = {"Authorization": "Bearer sandbox"}
        async with httpx2.AsyncClient(
            base_url=base, headers=headers, timeout=40, trust_env=False
        ) as http:
            yield Gateway(http=http, ports=started.ports, folder=folder)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running(tmp_path / "sandbox") as started:
        yield started


@dataclass
class Receiver:
    """Where delivery reports arrive."""

    url: str = ""
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when there are none."""

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((dict(request.headers), await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    app = web.Application()
    app.router.add_post("/callback", one.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    yield one
    await runner.cleanup()


async def until(
    condition: Callable[[], Awaitable[object]] | Callable[[], object], seconds: float = 10
) -> Any:
    """Waits until it is true, at most so long; returns what it was."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)
