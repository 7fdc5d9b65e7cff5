"""The SMSC on the wire: SMPP 3.4 sessions, submits in, receipts out until they are acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
from collections.abc import Coroutine
from functools import partial
from typing import Any

from kodgate.channels.smpp import pdu as smpp
from kodgate.channels.smpp.pdu import Pdu, Status, Tag
from kodgate.sandbox import scripts, smsc_rules
from kodgate.sandbox.config import SandboxConfig
from kodgate.sandbox.state import Durable
from kodgate.sandbox.timing import Clock, keep

NAME = "kodgate-sandbox"
READ_BYTES = 64 * 1024
UNBOUND_S = 10.0
"""How long a connection may stay without a bind."""
ACK_S = 10.0
"""How long a receipt waits for its deliver_sm_resp before it is repeated (real)."""
REPEAT_S = 2.0
"""The pause before a receipt that was not acknowledged is tried again (real)."""
EARLY_S = 0.3
"""How much later than its own receipt a submit_sm_resp comes when receipts overtake (real)."""
STALL_S = 60.0
IN_FLIGHT_MAX = 200
"""Receipts that wait for their acknowledgement at once."""

BINDS: dict[type[Pdu], tuple[bool, bool]] = {
    smpp.BindTransmitter: (True, False),
    smpp.BindReceiver: (False, True),
    smpp.BindTransceiver: (True, True),
}
"""Bind -> (may submit, gets receipts)."""

_Bind = smpp.BindTransmitter | smpp.BindReceiver | smpp.BindTransceiver


class Session:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framer = smpp.Framer()
        self.system_id = ""
        self.submits = False
        self.receives = False
        self.acks: dict[int, asyncio.Future[int]] = {}
        self._sequence = 0

    def write(self, pdu: Pdu) -> None:
        if not self.writer.is_closing():
            self.writer.write(smpp.encode(pdu))

    def next_sequence(self) -> int:
        self._sequence = smpp.next_sequence(self._sequence)
        return self._sequence

    def close(self) -> None:
        self.submits = self.receives = False
        self.writer.close()
        for waiting in self.acks.values():
            if not waiting.done():
                waiting.set_result(Status.ESME_RSYSERR)


class Smsc:
    """Listens, binds, takes messages and reports on them."""

    def __init__(self, config: SandboxConfig, state: Durable, clock: Clock) -> None:
        self._config = config
        self._state = state
        self._clock = clock
        self._sessions: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._under_way: set[int] = set()
        self._turn = 0

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        await self._state.do(smsc_rules.begin_ids)
        self._server = await asyncio.start_server(self._accept, host, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.write(smpp.Unbind(sequence=session.next_sequence()))
        self.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def disconnect(self) -> int:
        """Drops every connection at once; how many there were."""
        count = len(self._sessions)
        for session in tuple(self._sessions):
            session.close()
        return count

    def sessions(self) -> list[dict[str, Any]]:
        """Who is bound, for the control API."""
        return [
            {"system_id": one.system_id, "submits": one.submits, "receives": one.receives}
            for one in self._sessions
        ]

    # --- sessions ---

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(Session(reader, writer)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, session: Session) -> None:
        self._sessions.add(session)
        unbound = asyncio.get_running_loop().call_later(UNBOUND_S, self._drop_unbound, session)
        try:
            with contextlib.suppress(OSError, smpp.FrameError):
                while data := await session.reader.read(READ_BYTES):
                    for pdu in session.framer.feed(data):
                        await self._take(session, pdu)
                    await session.writer.drain()
        finally:
            unbound.cancel()
            session.close()
            self._sessions.discard(session)

    def _drop_unbound(self, session: Session) -> None:
        if not (session.submits or session.receives):
            session.close()

    async def _take(self, session: Session, pdu: Pdu) -> None:
        match pdu:
            case smpp.SubmitSm():
                self._spawn(self._submit(session, pdu))
            case smpp.DeliverSmResp() | smpp.DataSmResp():
                self._acknowledge(session, pdu)
            case smpp.BindTransmitter() | smpp.BindReceiver() | smpp.BindTransceiver():
                await self._bind(session, pdu)
            case smpp.EnquireLink():
                await self._enquired(session, pdu)
            case smpp.Unbind():
                session.write(smpp.reply(pdu))
                await session.writer.drain()
                session.close()
            case smpp.Garbled():
                session.write(smpp.GenericNack(sequence=pdu.sequence, status=pdu.answer))
            case _ if not smpp.is_response(pdu):
                session.write(smpp.reply(pdu, Status.ESME_RINVCMDID))

    async def _bind(self, session: Session, pdu: _Bind) -> None:
        fault = await self._state.do(lambda tx: scripts.take(tx, "smsc", "bind", ""))
        if fault is not None and fault.kind == "disconnect":
            session.close()
        if fault is not None and fault.kind != "reject":
            return
        status = Status.ESME_RBINDFAIL if fault is not None else self._admit(session, pdu)
        version = ((int(Tag.SC_INTERFACE_VERSION), b"\x34"),)
        values = {} if status else {"system_id": NAME, "tlvs": version}
        session.write(smpp.reply(pdu, status, **values))
        if status:
            return
        session.submits, session.receives = BINDS[type(pdu)]
        session.system_id = pdu.system_id
        self._state.event("receipts").set()

    def _admit(self, session: Session, pdu: _Bind) -> Status:
        if session.submits or session.receives:
            return Status.ESME_RALYBND
        if not secrets.compare_digest(pdu.system_id.encode(), self._config.system_id.encode()):
            return Status.ESME_RINVSYSID
        if not secrets.compare_digest(pdu.password.encode(), self._config.password.encode()):
            return Status.ESME_RINVPASWD
        return Status.ESME_ROK

    async def _enquired(self, session: Session, pdu: smpp.EnquireLink) -> None:
        fault = await self._state.do(lambda tx: scripts.take(tx, "smsc", "enquire_link", ""))
        if fault is None:
            session.write(smpp.reply(pdu))
        elif fault.kind == "disconnect":
            session.close()

    # --- submits ---

    async def _submit(self, session: Session, pdu: smpp.SubmitSm) -> None:
        if not session.submits:
            return session.write(smpp.reply(pdu, Status.ESME_RINVBNDSTS))
        verdict = await self._state.do(
            partial(smsc_rules.submit, pdu=pdu, system_id=session.system_id, now=self._clock.now())
        )
        if verdict.early:
            await asyncio.sleep(EARLY_S)
        if verdict.fault is not None and await self._misbehave(session, verdict.fault):
            return None
        values = {} if verdict.status else {"message_id": verdict.message_id}
        return session.write(smpp.reply(pdu, verdict.status, **values))

    async def _misbehave(self, session: Session, fault: scripts.Fault) -> bool:
        """Whether the answer is kept back."""
        if fault.kind.startswith("disconnect"):
            session.close()
        elif fault.kind.startswith("stall"):
            await asyncio.sleep(STALL_S if fault.arg is None else float(fault.arg))
        elif fault.kind == "slow":
            await asyncio.sleep(float(fault.arg or 1))
            return False
        else:
            return False
        return True

    # --- receipts ---

    async def run(self) -> None:
        """Sends receipts that are due, for ever."""
        await keep(self._state.event("receipts"), self._report, self._clock.until)

    async def _report(self) -> int | None:
        if not any(one.receives for one in self._sessions):
            return None  # A bind wakes us.
        rows, how = await self._state.do(smsc_rules.due)
        now = self._clock.now()
        for row in rows:
            if row["receipt"] in self._under_way:
                continue
            if row["due"] > now:
                return int(row["due"])
            if len(self._under_way) >= IN_FLIGHT_MAX:
                return None  # An acknowledgement wakes us.
            session = self._next_receiver(row["system_id"])
            if session is not None:
                self._under_way.add(row["receipt"])
                self._spawn(self._deliver(session, row, how))
        return None

    def _next_receiver(self, system_id: str) -> Session | None:
        """In turn, over all binds of the same client."""
        able = [one for one in self._sessions if one.receives and one.system_id == system_id]
        self._turn += 1
        return able[self._turn % len(able)] if able else None

    async def _deliver(self, session: Session, row: sqlite3.Row, how: dict[str, Any]) -> None:
        sequence = session.next_sequence()
        session.acks[sequence] = asyncio.get_running_loop().create_future()
        try:
            session.write(smsc_rules.receipt_pdu(row, how, sequence))
            async with asyncio.timeout(ACK_S):
                status = await session.acks[sequence]
            if status == Status.ESME_ROK:
                now = self._clock.now()
                await self._state.do(partial(smsc_rules.acknowledged, row=row, now=now))
            else:
                await asyncio.sleep(REPEAT_S)
        except TimeoutError:
            pass
        finally:
            session.acks.pop(sequence, None)
            self._under_way.discard(row["receipt"])
            self._state.event("receipts").set()

    def _acknowledge(self, session: Session, pdu: Pdu) -> None:
        waiting = session.acks.get(pdu.sequence)
        if waiting is not None and not waiting.done():
            waiting.set_result(pdu.status)
