"""Links: one bind each, kept alive for ever, with a window of submits (D10)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Any

import structlog

from kodgate.channels.smpp.names import Status, status_name
from kodgate.channels.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    DataSm,
    DeliverSm,
    EnquireLink,
    Outbind,
    Pdu,
    SubmitSm,
    Unbind,
    reply,
)
from kodgate.channels.smpp.route import BindType, RouteProfile
from kodgate.channels.smpp.session import NotSent, Session, Unanswered, Unfit

log = structlog.get_logger()

RECONNECT_MIN_S = 0.5
RECONNECT_MAX_S = 30.0
SETTLED_S = 10.0
"""A bind that held this long starts the back-off anew."""

DELIVERIES_MAX = 1_000
"""Receipts that are being recorded at once, a link; beyond it the peer waits."""

DRAIN_S = 2.0
"""At a clean stop: for answers that are under way, and for receipts to be recorded."""

UNBIND_S = 0.5


class Mode(StrEnum):
    """What a bind is for."""

    TRX = "trx"
    TX = "tx"
    RX = "rx"


_BINDS: dict[Mode, type[BindTransceiver] | type[BindTransmitter] | type[BindReceiver]] = {
    Mode.TRX: BindTransceiver,
    Mode.TX: BindTransmitter,
    Mode.RX: BindReceiver,
}
_BOUND = (BindTransceiverResp, BindTransmitterResp, BindReceiverResp)

Deliver = Callable[[DeliverSm | DataSm], Awaitable[int]]
"""Records what a provider pushed, durably; returns the status for its answer."""


class BindRefused(Exception):
    """The provider answered the bind with a failure: `status` is its code."""

    def __init__(self, status: int) -> None:
        super().__init__(status_name(status))
        self.status = status


_BIND_FAILURES = (OSError, BindRefused, NotSent, Unanswered, Unfit)
"""TimeoutError and TLS errors are OSErrors."""


def tls_context(profile: RouteProfile) -> ssl.SSLContext | None:
    """Verification is always on (S-104). Raises OSError for an unreadable `ca_file`."""
    if not profile.tls:
        return None
    context = ssl.create_default_context(cafile=profile.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def open_session(
    profile: RouteProfile, mode: Mode, on_request: Callable[[Session, Pdu], None]
) -> Session:
    """Connects and binds. Raises OSError, BindRefused, NotSent, Unanswered, Unfit."""
    loop = asyncio.get_running_loop()
    context = tls_context(profile)
    async with asyncio.timeout(profile.connect_timeout_s):
        _, session = await loop.create_connection(
            lambda: Session(on_request, answer_timeout_s=profile.answer_timeout_s),
            profile.host,
            profile.port,
            ssl=context,
            server_hostname=profile.host if context else None,
        )
    try:
        bind = _BINDS[mode](
            sequence=session.next_sequence(),
            system_id=profile.system_id,
            password=profile.secret(),
            system_type=profile.system_type,
            interface_version=profile.interface_version,
        )
        found = await session.request(bind)
        if found.status or not isinstance(found, _BOUND):
            raise BindRefused(found.status)
    except BaseException as error:
        session.close(f"bind: {error}")
        raise
    return session


async def probe(profile: RouteProfile) -> None:
    """Binds and unbinds once, for `route test` and `doctor`. Raises BindRefused, OSError."""
    modes = (Mode.TRX,) if profile.bind_type is BindType.TRX else (Mode.TX, Mode.RX)
    for mode in modes:
        try:
            session = await open_session(profile, mode, _not_now)
        except (NotSent, Unanswered, Unfit) as error:
            raise ConnectionError(f"bind: {error}") from None
        await _unbind(session)


def _not_now(session: Session, pdu: Pdu) -> None:
    """A probe records nothing: whatever comes must come again."""
    session.send(reply(pdu, 0 if isinstance(pdu, EnquireLink) else Status.ESME_RX_T_APPN))


async def _unbind(session: Session) -> None:
    with contextlib.suppress(TimeoutError, NotSent, Unanswered):
        async with asyncio.timeout(UNBIND_S):
            await session.request(Unbind(sequence=session.next_sequence()))
    session.close("unbound")


class Link:
    """One bind to a route's provider: comes back whenever it is lost."""

    def __init__(
        self,
        profile: RouteProfile,
        mode: Mode,
        deliver: Deliver,
        *,
        counts: Counter[str],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.profile = profile
        self.mode = mode
        self._deliver = deliver
        self._counts = counts
        self._jitter = jitter
        self._session: Session | None = None
        self._slots = asyncio.Semaphore(profile.window)
        self._busy = 0
        self._deliveries: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._loop = asyncio.get_running_loop()
        self.lost_at = self._loop.time()
        """When it was last bound, or else made; on the loop's clock."""
        self.why = "not bound yet"
        """Why it is not bound; empty while it is."""
        self.held_until_s = math.inf
        """The end of its bind's lease, on the loop's clock: later it is another node's."""

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep())

    @property
    def bound(self) -> bool:
        return (
            self._session is not None
            and self._session.is_open
            and not self._stopping
            and self._is_held()
        )

    def _is_held(self) -> bool:
        return self._loop.time() < self.held_until_s

    @property
    def free(self) -> int:
        """Submits that the window takes now."""
        if not self.bound or self.mode is Mode.RX:
            return 0
        return max(0, self.profile.window - self._busy)

    @property
    def busy(self) -> int:
        return self._busy

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place in the window; waits for one."""
        self._busy += 1
        try:
            async with self._slots:
                yield
        finally:
            self._busy -= 1

    async def submit(self, build: Callable[[int], SubmitSm], *, late: Callable[[Pdu], None]) -> Pdu:
        """Writes a submit, `build(sequence)`, and waits for its answer or its nack.

        Raises NotSent, Unanswered, Unfit.
        """
        session = self._session
        if session is None or not self.bound:
            raise NotSent(self.why or "stopping")
        try:
            pdu = build(session.next_sequence())
        except ValueError as error:
            raise Unfit(str(error)) from None
        return await session.request(pdu, late=late)

    async def stop(self, *, at_once: bool = False) -> None:
        """Waits a little for answers and receipts, unbinds, closes."""
        self._stopping = True
        session = self._session
        if session is not None and session.is_open:
            if not at_once:
                await self._drain(session)
            await _unbind(session)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    async def _drain(self, session: Session) -> None:
        under_way: set[asyncio.Future[Any]] = {*session.under_way, *self._deliveries}
        if under_way:
            await asyncio.wait(under_way, timeout=DRAIN_S)

    async def _keep(self) -> None:
        """Binds, watches, binds again."""
        pause_s = RECONNECT_MIN_S
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if not self._is_held():  # its keeper will say more soon
                await asyncio.sleep(RECONNECT_MIN_S)
                continue
            try:
                self._session = await open_session(self.profile, self.mode, self._on_request)
            except _BIND_FAILURES as error:
                self._failed(error)
            else:
                self._bound_now()
                began = loop.time()
                await self._watch(self._session)
                self._lost(self._session)
            if loop.time() - began > SETTLED_S:
                pause_s = RECONNECT_MIN_S
            await asyncio.sleep(pause_s * (0.5 + self._jitter() / 2))
            pause_s = min(2 * pause_s, RECONNECT_MAX_S)

    def _failed(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if isinstance(error, BindRefused):
            why = f"bind refused: {why}"
        self._counts["bind_failed"] += 1
        if why != self.why:
            log.warning("link_down", action="bind", **self._names(), why=why)
        self.why = why

    def _bound_now(self) -> None:
        self.why = ""
        self._counts["bound"] += 1
        log.info("link_bound", action="bind", **self._names())

    def _lost(self, session: Session) -> None:
        self.why = session.why
        self.lost_at = asyncio.get_running_loop().time()
        self._session = None
        if not self._stopping:
            log.warning("link_lost", action="bind", **self._names(), why=session.why)

    def _names(self) -> dict[str, str]:
        return {"route": self.profile.name, "mode": self.mode.value}

    async def _watch(self, session: Session) -> None:
        """Returns when the session is over. Silence, or an answer that did not come, is checked."""
        loop = asyncio.get_running_loop()
        every_s = self.profile.enquire_link_s
        over = asyncio.create_task(session.closed.wait())
        try:
            while session.is_open:
                suspect = asyncio.create_task(session.suspect.wait())
                quiet_s = max(0.0, session.heard_at + every_s - loop.time())
                await asyncio.wait(
                    (over, suspect), timeout=quiet_s, return_when=asyncio.FIRST_COMPLETED
                )
                suspect.cancel()
                silent = loop.time() - session.heard_at >= every_s
                if session.is_open and (silent or session.suspect.is_set()):
                    await self._enquire(session)
        finally:
            over.cancel()

    async def _enquire(self, session: Session) -> None:
        session.suspect.clear()
        try:
            await session.request(EnquireLink(sequence=session.next_sequence()))
        except (NotSent, Unanswered) as error:
            self._counts["enquire_failed"] += 1
            session.abort(f"enquire_link: {error}")

    # What the provider asks

    def _on_request(self, session: Session, pdu: Pdu) -> None:
        if isinstance(pdu, DeliverSm | DataSm):
            self._take_delivery(session, pdu)
        elif isinstance(pdu, EnquireLink):
            session.send(reply(pdu))
        elif isinstance(pdu, Unbind):
            session.send(reply(pdu))
            session.close("unbound by the provider")
        elif not isinstance(pdu, Outbind | AlertNotification):
            session.send(reply(pdu, Status.ESME_RINVCMDID))

    def _take_delivery(self, session: Session, pdu: DeliverSm | DataSm) -> None:
        task = asyncio.create_task(self._record(session, pdu))
        self._deliveries.add(task)
        task.add_done_callback(lambda done: self._delivered(session, done))
        if len(self._deliveries) >= DELIVERIES_MAX:
            session.pause_reading(True)

    def _delivered(self, session: Session, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        if len(self._deliveries) < DELIVERIES_MAX:
            session.pause_reading(False)

    async def _record(self, session: Session, pdu: DeliverSm | DataSm) -> None:
        """The answer leaves only after the effect is durable (D10)."""
        try:
            status = await self._deliver(pdu)
        except Exception:
            log.exception("receipt_failed", action="receipt", **self._names())
            status = Status.ESME_RX_T_APPN
        session.send(reply(pdu, status))
