"""The client for asyncio."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from kodgate.client import options, transport
from kodgate.client.asking import Asking, Question, Test, query
from kodgate.client.errors import NotDelivered, WaitTimeout
from kodgate.client.flow import Effect, Flow, Flows, Lost, Reply, Shown
from kodgate.client.results import Confirmation, PacketStatus, SentCode, Until
from kodgate.client.sync import WAIT_S

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class AsyncClient:
    """Speaks to kodgate, or to the original service, by its address: `Client`, awaitable.

    Close it, or use it in an `async with`. Every method raises errors of `kodgate.KodgateError`.
    """

    def __init__(
        self,
        login: str | None = None,
        password: str | None = None,
        *,
        base_url: str | None = None,
        json_url: str | None = None,
        protocol: options.Protocol = "http",
        timeout: float = options.TIMEOUT_S,
        retries_max: int = options.RETRIES_MAX,
        timezone: str = options.TIMEZONE,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        """`password`: the account's API secret. `timeout`: seconds for one request. `timezone`:
        of the dates in answers. `http_client`: one of yours; it is not closed. What is not given
        comes from KODGATE_LOGIN, KODGATE_PASSWORD (or _FILE), KODGATE_URL, KODGATE_URL_JSON."""
        self._options = options.read(
            login,
            password,
            base_url=base_url,
            json_url=json_url,
            protocol=protocol,
            timeout=timeout,
            retries_max=retries_max,
            timezone=timezone,
        )
        self._asking = Asking(self._options)
        self._flows = Flows(
            self._asking,
            retries_max=retries_max,
            steady_s=time.monotonic,
            random=random.random,
        )
        self._given = http_client
        self._own: httpx2.AsyncClient | None = None

    async def send(
        self,
        phone: str,
        *,
        code: str | None = None,
        to_sms: bool = False,
        valid_period: int | None = None,
        packet_id: int | None = None,
        message_id: int | str | None = None,
        test: Test = 0,
    ) -> SentCode:
        """Sends a code; without `code` the service makes one. `to_sms`: by SMS when it was not
        read within `valid_period` seconds. `packet_id`, `message_id`: your own ids; only with a
        message id is a send repeated whose answer was lost. `test`: 1 checks, -1 simulates."""
        order = self._asking.order(
            phone,
            code=code,
            to_sms=to_sms,
            valid_period=valid_period,
            packet_id=packet_id,
            message_id=message_id,
            test=test,
        )
        return await self._run(self._flows.send(order))

    async def status(
        self,
        *,
        packet_id: int | None = None,
        message_id: int | None = None,
        user_message_id: int | str | None = None,
    ) -> PacketStatus:
        """Where a packet is. By `message_id`: that message only; its packet may go on."""
        asked = query(packet_id=packet_id, message_id=message_id, user_message_id=user_message_id)
        return await self._run(self._flows.status(asked))

    async def watch(
        self, packet_id: int, *, timeout: float = WAIT_S
    ) -> AsyncIterator[PacketStatus]:
        """The status now and after each change; ends with the packet. Raises WaitTimeout."""
        flow = self._flows.watch(
            query(packet_id=packet_id, message_id=None, user_message_id=None), timeout_s=timeout
        )
        outcome: Reply | Lost | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration:
                return
            if isinstance(effect, Shown):
                outcome = None
                yield effect.status
            else:
                outcome = await self._do(effect)

    async def wait(
        self,
        packet_id: int,
        *,
        timeout: float = WAIT_S,
        until: Until | str = Until.FINAL,
        raise_on_failure: bool = False,
    ) -> PacketStatus:
        """The status once the packet is final, or as far as `until` (sent, delivered, final).
        Raises WaitTimeout; NotDelivered with `raise_on_failure`."""
        goal = Until(until)
        async for status in self.watch(packet_id, timeout=timeout):
            if status.has_reached(goal):
                if raise_on_failure and status.is_final and not status.is_delivered:
                    raise NotDelivered(status)
                return status
        raise WaitTimeout(None)

    async def balance(self) -> Decimal:
        """What can be spent, in currency units."""
        return await self._run(self._flows.balance())

    async def confirm(
        self,
        code: str,
        *,
        packet_id: int | None = None,
        message_id: int | None = None,
        user_message_id: int | str | None = None,
    ) -> Confirmation:
        """Judges the code that the person typed; a right one stops the fallback. True where it is
        right. kodgate only: the original service has no such call."""
        asked = query(packet_id=packet_id, message_id=message_id, user_message_id=user_message_id)
        return await self._run(self._flows.confirm(asked, code))

    async def close(self) -> None:
        """Closes the connections; a client that was given stays open."""
        if self._own is not None:
            await self._own.aclose()
            self._own = None

    async def _run(self, flow: Flow[T]) -> T:
        outcome: Reply | Lost | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            outcome = await self._do(effect)

    async def _do(self, effect: Effect) -> Reply | Lost | None:
        if isinstance(effect, Question):
            return await transport.async_exchange(self._http(), effect, self._options.timeout_s)
        await asyncio.sleep(effect.seconds)
        return None

    def _http(self) -> httpx2.AsyncClient:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = transport.async_client(self._options.timeout_s)
        return self._own

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._options.login!r}, base_url={self._options.base_url!r})"
