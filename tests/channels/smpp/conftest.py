"""A scripted SMSC on loopback that speaks real SMPP and may misbehave; a clock; a sink."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kodgate.channels import Delivery, Saved
from kodgate.channels.smpp import SmppChannel
from kodgate.channels.smpp import pdu as p
from kodgate.core.binds import Asking, Bidder, Decided, Lease, decide
from kodgate.core.types import Observation

WAIT_S = 5.0


async def until(true: Callable[[], Any], seconds: float = WAIT_S) -> None:
    """Waits, bounded, until something has become true."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


class Peer:
    """One connection as the SMSC sees it."""

    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: Any) -> None:
        self.smsc = smsc
        self.reader = reader
        self.writer = writer
        self.bind: p.Pdu | None = None
        self.seen: list[p.Pdu] = []
        self.over = False
        self._sequence = 0

    def send(self, *pdus: p.Pdu) -> None:
        self.raw(b"".join(p.encode(pdu) for pdu in pdus))

    def raw(self, octets: bytes) -> None:
        self.writer.write(octets)

    def deliver(self, text: str = "", **values: Any) -> int:
        """Sends a receipt; returns its sequence."""
        self._sequence += 1
        values.setdefault("esm_class", p.ESM_CLASS_RECEIPT)
        self.send(p.DeliverSm(sequence=self._sequence, short_message=text.encode(), **values))
        return self._sequence

    def status_of(self, sequence: int) -> int | None:
        """How our deliver_sm of that sequence was answered."""
        for pdu in self.seen:
            if isinstance(pdu, p.DeliverSmResp) and pdu.sequence == sequence:
                return pdu.status
        return None

    def of(self, kind: type[p.Pdu]) -> list[Any]:
        return [pdu for pdu in self.seen if isinstance(pdu, kind)]

    def drop(self) -> None:
        self.writer.transport.abort()


class Smsc:
    """Answers binds and enquire_links; submits go to `on_submit`, which a test replaces."""

    def __init__(self, **listen: Any) -> None:
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._tasks: set[Any] = set()
        self.port = 0
        self.peers: list[Peer] = []
        self.bind_status = 0
        self.deaf = False
        """Answers nothing but the bind."""
        self.submits: list[p.SubmitSm] = []
        self.on_submit: Callable[[Peer, p.SubmitSm], Awaitable[None]] = self.accept

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, **self._listen)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self.peers:
            peer.drop()
        await until(lambda: all(peer.over for peer in self.peers))

    @property
    def bound(self) -> list[Peer]:
        return [peer for peer in self.peers if peer.bind is not None and not peer.over]

    async def accept(self, peer: Peer, submit: p.SubmitSm) -> None:
        peer.send(p.reply(submit, message_id=self.id_of(submit)))

    def id_of(self, submit: p.SubmitSm) -> str:
        place = next(n for n, each in enumerate(self.submits) if each is submit)
        return f"{0xA0 + place:x}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        framer = p.Framer()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                for pdu in framer.feed(data):
                    peer.seen.append(pdu)
                    await self._take(peer, pdu)
        peer.over = True
        writer.close()

    async def _take(self, peer: Peer, pdu: p.Pdu) -> None:
        if isinstance(pdu, p.BindTransceiver | p.BindTransmitter | p.BindReceiver):
            if not self.bind_status:
                peer.bind = pdu
            peer.send(p.reply(pdu, self.bind_status))
        elif isinstance(pdu, p.SubmitSm):
            self.submits.append(pdu)
            task = asyncio.ensure_future(self.on_submit(peer, pdu))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(pdu, p.EnquireLink | p.Unbind) and not self.deaf:
            peer.send(p.reply(pdu))


class Clock:
    """Business time that stands still."""

    def now(self) -> int:
        return 1_700_000_000_000

    def after_real(self, seconds: float) -> int:
        return self.now() + int(seconds * 1000)


class Desk:
    """Routes as a test saves them, and leases as the rules give them; all nodes share it."""

    def __init__(self, routes: Iterable[Mapping[str, Any]] = (), clock: Clock | None = None):
        self.routes = {str(route["name"]): dict(route) for route in routes}
        self.plan: str | None = None
        self.clock = clock or Clock()
        self.node = "one"
        self.board = Board()
        self.away = False
        """The database does not answer."""

    def another(self, node: str) -> Desk:
        """The desk of another node."""
        desk = Desk(clock=self.clock)
        desk.routes, desk.board, desk.node = self.routes, self.board, node
        return desk

    async def saved(self) -> Saved | None:
        if self.away:
            return None
        profiles = tuple(json.dumps(route) for route in self.routes.values())
        return Saved(profiles=profiles, plan=self.plan)

    async def leases(self) -> tuple[Lease, ...] | None:
        return None if self.away else tuple(self.board.leases)

    async def lease(self, *, for_s: float, failing: bool = False, **more: Any) -> Decided | None:
        if self.away:
            return None
        me = Bidder(
            holder=self.node,
            node=self.node,
            lease_until=self.clock.after_real(for_s),
            failing=failing,
        )
        asking = Asking(bidder=me, now=self.clock.now(), **more)
        decided = decide(asking, self.board.leases, self.board.bidders.values())
        self.board.leases = list(decided.leases)
        self.board.bidders.pop(self.node, None)
        if not asking.leaves:
            self.board.bidders[self.node] = me
        return decided


@dataclasses.dataclass
class Board:
    """What the database would hold."""

    leases: list[Lease] = dataclasses.field(default_factory=list)
    bidders: dict[str, Bidder] = dataclasses.field(default_factory=dict)


class Book:
    """Where observations are recorded; `durable` says what the sink returns."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self.durable = True
        self.gate = asyncio.Event()
        self.gate.set()

    async def sink(self, seen: Observation) -> bool:
        await self.gate.wait()
        self.seen.append(seen)
        return self.durable


class Claim:
    """The journal of one attempt."""

    def __init__(self, *, holds: bool = True) -> None:
        self.holds = holds
        self.asked = 0

    async def prepared(self, **_: Any) -> bool:
        return self.holds

    async def may_go_on(self) -> bool:
        self.asked += 1
        return self.holds


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    smsc = Smsc()
    await smsc.start()
    yield smsc
    await smsc.stop()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def claim() -> Callable[..., Claim]:
    return Claim


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture
def new_smsc() -> type[Smsc]:
    return Smsc


@pytest.fixture
def delivery() -> Delivery:
    """Alice's code, first attempt."""
    return Delivery(
        message_id=7,
        packet_id=3,
        phone="79123456789",
        code="4321",
        zone=1,
        attempt=1,
        epoch=1,
        created_at=0,
        ends_at=0,
        handover_at=None,
        decide_at=None,
        provider_id=None,
        settles_at=None,
        cost=12_000,
        sender="kodgate",
        template="Код: {code}",
    )


@pytest.fixture
async def open_channel(book: Book) -> AsyncIterator[Callable[..., Awaitable[SmppChannel]]]:
    """`await open_channel(smsc, window=3)`: a started channel, bound unless `wait=False`."""
    opened: list[SmppChannel] = []

    async def open_(*smscs: Smsc, wait: bool = True, **values: Any) -> SmppChannel:
        base = {"host": "127.0.0.1", "system_id": "alice", "password": "hunter2"}
        routes = [
            {**base, "name": f"r{n}", "port": each.port, "priority": n, **values}
            for n, each in enumerate(smscs, 1)
        ]
        channel = SmppChannel(desk=Desk(routes), clock=Clock())
        opened.append(channel)
        await channel.start(book.sink)
        if wait:
            await until(lambda: all(link.bound for c in channel.carriers for link in c.links))
        return channel

    yield open_
    for channel in opened:
        await channel.stop()


@pytest.fixture
def numbered(delivery: Delivery) -> Callable[[int], Delivery]:
    """The message of that id, otherwise alike."""
    return lambda n: dataclasses.replace(delivery, message_id=n)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate of 127.0.0.1: (certificate file, key file)."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smsc")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.fixture
async def tls_smsc(certificate: tuple[str, str]) -> AsyncIterator[Smsc]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    smsc = Smsc(ssl=context)
    await smsc.start()
    yield smsc
    await smsc.stop()
