"""Several listeners, TLS, and what a log or the memory keeps of an attack."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import resource
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kodgate.web.asgi import answer_text
from kodgate.web.requirements import Limits
from kodgate.web.server import HttpServer, bind, serve, tls_context

from .raw import Echo, connected, exchange, running
from .test_http import GOOD, REFUSED, SECOND


async def test_listeners_run_side_by_side_and_stop_together():
    stop = asyncio.Event()
    wire = HttpServer(Echo(), [bind("127.0.0.1", 0), bind("127.0.0.1", 0)])
    other = HttpServer(Echo(), [bind("127.0.0.1", 0)])
    task = asyncio.create_task(serve([wire, other], stop))
    await asyncio.sleep(0.05)
    for port in [*wire.ports, *other.ports]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.ports[0])
    ports = wire.ports
    began = time.monotonic()
    stop.set()
    await task
    assert time.monotonic() - began < 2
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", ports[0])


async def test_a_listener_may_be_ipv6():
    try:
        sock = bind("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = HttpServer(Echo(), [sock])
    await server.start()
    reader, writer = await asyncio.open_connection("::1", server.ports[0])
    writer.write(GOOD)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await server.stop()


# TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


@pytest.fixture
def tls(certificate):
    return tls_context(certificate / "cert.pem", certificate / "key.pem")


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _scheme(scope, receive, send):
    await answer_text(send, 200, scope["scheme"])


async def test_https_is_served_and_known_as_such(tls):
    async with running(_scheme, tls=tls) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.ports[0], ssl=_trusting()
        )
        writer.write(GOOD)
        assert (await reader.read()).endswith(b"https")
        writer.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_old_versions_of_tls_are_refused(tls):
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2
    context = _trusting()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with running(_scheme, tls=tls) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.ports[0], ssl=context)


async def test_a_handshake_that_does_not_end_is_closed(tls):
    limits = Limits(handshake_s=0.3)
    async with running(_scheme, limits, tls=tls) as server, connected(server) as raw:
        await raw.send(b"\x16\x03\x01")
        assert await raw.is_closed()


async def test_plain_http_on_a_tls_port_is_not_answered(tls):
    async with running(_scheme, tls=tls) as server:
        assert b"200" not in await exchange(server, GOOD)


# What stays behind


async def test_no_log_of_any_library_holds_the_query(caplog):
    caplog.set_level(logging.DEBUG)
    async with running(Echo()) as server:
        await exchange(server, b"GET /a?http_password=canary HTTP/1.0\r\n\r\n")
        await exchange(server, b"GET /a?http_password=canary\x00 HTTP/1.0\r\n\r\n")
    assert "canary" not in caplog.text


@pytest.mark.parametrize("name", ["header of 17 KiB", "CL and TE", "bad chunk size", "no Host"])
async def test_a_repeated_attack_leaves_no_memory_behind(name):
    async with running(Echo()) as server:
        for _ in range(20):
            await exchange(server, REFUSED[name])
        before = _resident_bytes()
        for _ in range(300):
            await exchange(server, REFUSED[name])
        assert _resident_bytes() - before < 16 * 2**20
        await _until_empty(server)


async def test_a_connection_that_vanishes_in_mid_request_leaves_nothing():
    async with running(Echo()) as server:
        for data in (
            b"GET /a",
            SECOND,
            b"POST /a HTTP/1.1\r\nHost: g\r\nContent-Length: 9\r\n\r\nx",
        ):
            async with connected(server) as raw:
                await raw.send(data)
                raw.writer.transport.abort()
        await _until_empty(server)


async def _until_empty(server: HttpServer) -> None:
    async with asyncio.timeout(5):
        while server.state.connections or server.state.tasks or len(server.roster):
            await asyncio.sleep(0.02)


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_the_process_has_no_descriptor_left_open_by_a_failed_bind():
    taken = bind("127.0.0.1", 0)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        bind("127.0.0.1", taken.getsockname()[1])
    assert len(os.listdir("/proc/self/fd")) == before
    taken.close()
