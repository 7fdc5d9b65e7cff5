"""`python -m bench.smpp`: our SMPP link beside a package's, against the same SMSC on loopback.

Two figures decide (docs/decisions/0003-smpp.md): how many receipts a second one session records
when recording takes a commit, and how many submits leave while the SMSC answers none of them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from importlib.metadata import version
from typing import Any

import aiosmpplib
from aiosmpplib.state import PhoneNumber

from kodgate.channels.smpp import pdu as p
from kodgate.channels.smpp.link import Link, Mode
from kodgate.channels.smpp.route import RouteProfile
from kodgate.channels.smpp.session import Unanswered

COMMIT_S = 0.005
RECEIPTS = 500
WINDOW = 50
SUBMITS = 1_000
STALL_S = 2.0


class Smsc:
    """Answers binds; sends receipts or swallows submits, and counts."""

    def __init__(self) -> None:
        self.answered = 0
        self.submits = 0
        self.bound = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = p.Framer()
        while data := await reader.read(65_536):
            for pdu in framer.feed(data):
                if isinstance(pdu, p.BindTransceiver):
                    writer.write(p.encode(p.reply(pdu, system_id="bench")))
                    self.writer = writer
                    self.bound.set()
                self.answered += isinstance(pdu, p.DeliverSmResp)
                self.submits += isinstance(pdu, p.SubmitSm)
        writer.close()

    async def receipts(self) -> float:
        """Receipts a second until all are answered."""
        assert self.writer is not None
        text = b"id:%d sub:001 dlvrd:001 submit date:2511221200 done date:2511221200 "
        began = time.perf_counter()
        for n in range(1, RECEIPTS + 1):
            pdu = p.DeliverSm(
                sequence=n,
                esm_class=p.ESM_CLASS_RECEIPT,
                source_addr="79123456789",
                destination_addr="bench",
                short_message=text % n + b"stat:DELIVRD err:000 text:",
            )
            self.writer.write(p.encode(pdu))
        async with asyncio.timeout(60):
            while self.answered < RECEIPTS:
                await asyncio.sleep(0.001)
        return RECEIPTS / (time.perf_counter() - began)


async def commit(*_: Any) -> int:
    """What a receipt waits for: the next group commit."""
    await asyncio.sleep(COMMIT_S)
    return 0


class Hook(aiosmpplib.AbstractHook):
    async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None: ...

    async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        if isinstance(smpp_message, aiosmpplib.DeliverSm):
            await commit()

    async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None: ...


async def ours(smsc: Smsc, port: int) -> tuple[float, int]:
    profile = RouteProfile(
        name="bench", host="127.0.0.1", port=port, system_id="bench", window=WINDOW
    )
    link = Link(profile, Mode.TRX, commit, counts=Counter())
    link.start()
    await asyncio.wait_for(smsc.bound.wait(), 5)
    while not link.bound:
        await asyncio.sleep(0.001)
    rate = await smsc.receipts()

    async def submit(n: int) -> None:
        async with link.slot():
            await link.submit(
                lambda sequence: p.SubmitSm(sequence=sequence, destination_addr=f"{n}"),
                late=lambda _: None,
            )

    tasks = [asyncio.create_task(submit(n)) for n in range(SUBMITS)]
    await asyncio.sleep(STALL_S)
    swallowed = smsc.submits
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await link.stop()
    return rate, swallowed


async def theirs(smsc: Smsc, port: int) -> tuple[float, int]:
    esme = aiosmpplib.ESME(
        smsc_host="127.0.0.1",
        smsc_port=port,
        system_id="bench",
        password="",
        hook=Hook(),
        log_level="CRITICAL",
    )
    task = asyncio.create_task(esme.start())
    await asyncio.wait_for(smsc.bound.wait(), 5)
    await asyncio.sleep(0.2)
    rate = await smsc.receipts()
    for n in range(SUBMITS):
        message = aiosmpplib.SubmitSm(
            short_message="Code: 1234",
            source=PhoneNumber("bench"),
            destination=PhoneNumber(f"{79000000000 + n}"),
            log_id=str(n),
        )
        await esme.broker.enqueue(message)
    await asyncio.sleep(STALL_S)
    swallowed = smsc.submits
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return rate, swallowed


async def main() -> None:
    print(f"{RECEIPTS} receipts, {COMMIT_S * 1000:g} ms to record one; {SUBMITS} submits to an")
    print(f"SMSC that answers none, window {WINDOW}. One session, loopback.\n")
    print("| link | receipts/s | submits without an answer |\n| --- | --- | --- |")
    for name, run in (("kodgate", ours), (f"aiosmpplib {version('aiosmpplib')}", theirs)):
        smsc = Smsc()
        server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0)
        try:
            rate, swallowed = await run(smsc, server.sockets[0].getsockname()[1])
            print(f"| {name} | {rate:,.0f} | {swallowed} |", flush=True)
        except (TimeoutError, Unanswered) as error:
            print(f"| {name} | failed: {error} | |")
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
