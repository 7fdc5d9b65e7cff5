"""The wire: TLS, proxies, redirects, sizes and the environment."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kodgate.channels.telegram import TelegramChannel, TelegramSettings
from kodgate.core.types import Event

from .fake import TOKEN, Clock, Step, bench, gateway, no_sink

CHECK, SEND = "checkSendAbility", "sendVerificationMessage"


@dataclass
class Authority:
    """A certificate authority of one test."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        self.file = self.folder / "ca.pem"
        certificate = self._certify(self.name, self.key, ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str = "127.0.0.1", *, days: int = 1) -> ssl.SSLContext:
        """What a server for `host` presents; `days` < 0: expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        leaf = self._certify(name, key, host=host, days=days)
        file = self.folder / "leaf.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certify(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        host: str = "",
        ca: bool = False,
        days: int = 1,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            try:
                alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
            except ValueError:
                alternative = x509.DNSName(host)
            builder = builder.add_extension(
                x509.SubjectAlternativeName([alternative]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_certificate_of_the_given_authority_is_trusted(authority: Authority) -> None:
    async with (
        gateway(ssl_context=authority.server()) as fake,
        bench(fake, ca_file=str(authority.file)) as b,
    ):
        assert (await b.send()).events == (Event.ACCEPTED,)


@pytest.mark.parametrize(
    ("host", "days", "known"),
    [("127.0.0.1", 1, False), ("127.0.0.1", -1, True), ("evil.example", 1, True)],
    ids=["self-signed", "expired", "wrong name"],
)
async def test_a_bad_certificate_is_refused_before_the_token_leaves(
    authority: Authority, host: str, days: int, known: bool
) -> None:
    ca_file = str(authority.file) if known else ""
    async with (
        gateway(ssl_context=authority.server(host, days=days)) as fake,
        bench(fake, ca_file=ca_file) as b,
    ):
        seen = await b.send()
        assert seen.later_at is not None and "Certificate" in seen.detail
        assert fake.calls == []


async def test_an_unreadable_ca_file_stops_the_start(tmp_path: Path) -> None:
    settings = TelegramSettings(token=TOKEN, ca_file=str(tmp_path / "missing.pem"))
    with pytest.raises(OSError):
        await TelegramChannel(settings, Clock()).start(no_sink)


async def test_starting_does_not_need_the_provider_and_stopping_twice_is_fine() -> None:
    channel = TelegramChannel(TelegramSettings(token=TOKEN, base_url="http://127.0.0.1:9"), Clock())
    await channel.start(no_sink)
    assert channel.health().live and channel.room() == 32
    await channel.stop()
    await channel.stop()


@dataclass
class Proxy:
    """A CONNECT proxy that leads every tunnel to one port and remembers what was asked."""

    target: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"

    def __post_init__(self) -> None:
        self.heads: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        if b" 200 " not in self.answer:
            writer.close()
            return
        there = await asyncio.open_connection("127.0.0.1", self.target)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, there[1]))
            group.create_task(_pump(there[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def proxy(fake_url: str, **changes: Any) -> AsyncIterator[tuple[str, Proxy]]:
    running = Proxy(target=int(fake_url.rsplit(":", 1)[1]), **changes)
    server = await asyncio.start_server(running.handle, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", running


async def test_a_proxy_tunnels_tls_to_the_named_host(authority: Authority) -> None:
    host = "gatewayapi.telegram.org"
    async with (
        gateway(ssl_context=authority.server(host)) as fake,
        proxy(fake.url) as (address, running),
        bench(
            fake,
            base_url=f"https://{host}",
            proxy=f"http://alice:secret@{address}",
            ca_file=str(authority.file),
        ) as b,
    ):
        assert (await b.send()).events == (Event.ACCEPTED,)
        assert running.heads[0].startswith(b"CONNECT gatewayapi.telegram.org:443 HTTP/1.1\r\n")
        assert b"Basic YWxpY2U6c2VjcmV0" in running.heads[0]
        assert TOKEN.encode() not in running.heads[0]


async def test_a_proxy_that_refuses_means_that_nothing_left(authority: Authority) -> None:
    async with (
        gateway(ssl_context=authority.server()) as fake,
        proxy(fake.url, answer=b"HTTP/1.1 403 Forbidden\r\n\r\n") as (address, _),
        bench(fake, proxy=f"http://{address}", ca_file=str(authority.file)) as b,
    ):
        seen = await b.send()
        assert seen.later_at is not None and seen.bookings == ()
        assert seen.detail == f"{CHECK}: the proxy answered 403"


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with bench() as b:
        assert (await b.send()).events == (Event.ACCEPTED,)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(status: int) -> None:
    async with gateway() as elsewhere, bench() as b:
        location = {"Location": f"{elsewhere.url}/{CHECK}"}
        b.gateway.plan(CHECK, Step(status=status, headers=location))
        seen = await b.send()
        assert seen.events == () and elsewhere.calls == []


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async with bench() as b:
        bomb = Step(raw=b"\x1f\x8b" + b"\x00" * 500, headers={"Content-Encoding": "gzip"})
        b.gateway.plan(CHECK, bomb)
        assert (await b.send()).retry_at is not None


async def test_a_base_url_may_have_a_path() -> None:
    async with gateway() as fake, bench(fake, base_url=f"{fake.url}/") as b:
        assert (await b.send()).events == (Event.ACCEPTED,)


async def test_a_server_that_drips_is_cut_off_by_the_timeout() -> None:
    async with bench(timeout_s=0.5, connect_timeout_s=0.3) as b:
        b.gateway.plan(SEND, Step(raw=b" " * 500, drip=True))
        async with asyncio.timeout(5):
            assert (await b.send()).retry_at is not None


async def test_a_cancelled_send_leaves_room_for_the_next() -> None:
    async with bench(concurrency=1) as b:
        b.gateway.plan(CHECK, Step(wait_s=5))
        task = asyncio.create_task(b.send())
        while not b.gateway.calls:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert b.channel.room() == 1
