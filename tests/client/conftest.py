"""A service on loopback, and both clients behind one face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.client.kit import SECRET, Service

from kodgate import AsyncClient, Client


class Blocking:
    """`AsyncClient` with the face of `Client`: each call runs to its end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self.client = AsyncClient(*arguments, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        return lambda *arguments, **given: self._runner.run(method(*arguments, **given))

    def watch(self, *arguments: Any, **given: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [status async for status in self.client.watch(*arguments, **given)]

        return self._runner.run(gather())

    def __repr__(self) -> str:
        return repr(self.client)

    def end(self) -> None:
        self._runner.run(self.client.close())
        self._runner.close()


class Plain(Client):
    def end(self) -> None:
        self.close()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture(params=[Plain, Blocking], ids=["sync", "async"])
def make(request: pytest.FixtureRequest, service: Service) -> Iterator[Callable[..., Any]]:
    """Makes clients of alice, of both kinds in turn; closes them."""
    made: list[Any] = []

    def build(**options: Any) -> Any:
        usual = {"base_url": service.url, "timeout": 5.0} | options
        made.append(request.param("alice", SECRET, **usual))
        return made[-1]

    yield build
    for client in made:
        client.end()
