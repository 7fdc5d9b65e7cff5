"""The inbox: every phone with its codes, live."""

from __future__ import annotations

from aiohttp import web

from kodgate.sandbox.state import Durable
from kodgate.sandbox.timing import Clock


class Inbox:
    """Serves `/inbox...`."""

    def __init__(self, state: Durable, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return []

    def close(self) -> None:
        """Ends the open streams."""
