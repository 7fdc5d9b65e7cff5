"""The CONNECT-proxy listener: clients with a fixed host, TLS verified against the sandbox's CA."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import httpx2
import pytest

from .conftest import ALICE, Gateway

URL = "https://gatewayapi.telegram.org/checkSendAbility"
HEADERS = {"Authorization": "Bearer sandbox"}


def trust(gateway: Gateway) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(gateway.folder / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def test_httpx_reaches_the_sandbox_under_the_real_name(gateway: Gateway) -> None:
    proxy = f"http://127.0.0.1:{gateway.ports.proxy}"
    async with httpx2.AsyncClient(
        proxy=proxy, verify=trust(gateway), headers=HEADERS, trust_env=False
    ) as http:
        for _ in range(2):
            answer = await http.post(URL, json={"phone_number": ALICE})
            assert answer.json()["ok"]


async def test_aiohttp_reaches_the_sandbox_under_the_real_name(gateway: Gateway) -> None:
    proxy = f"http://127.0.0.1:{gateway.ports.proxy}"
    async with (
        aiohttp.ClientSession(headers=HEADERS) as http,
        http.post(URL, json={"phone_number": ALICE}, proxy=proxy, ssl=trust(gateway)) as answer,
    ):
        assert (await answer.json())["ok"]


async def test_a_client_that_does_not_trust_the_ca_refuses(gateway: Gateway) -> None:
    proxy = f"http://127.0.0.1:{gateway.ports.proxy}"
    async with httpx2.AsyncClient(
        proxy=proxy, verify=ssl.create_default_context(), trust_env=False
    ) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.post(URL, json={})


async def ask(gateway: Gateway, head: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports.proxy)
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.decode().partition("\r\n")[0]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("CONNECT example.com:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT gatewayapi.telegram.org:80 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT gatewayapi.telegram.org.evil.example:443 HTTP/1.1\r\n\r\n", "403"),
        ("GET http://example.com/ HTTP/1.1\r\n\r\n", "405"),
    ],
)
async def test_nothing_else_passes(gateway: Gateway, head: str, status: str) -> None:
    assert status in await ask(gateway, head)


async def test_an_endless_head_is_cut_off(gateway: Gateway) -> None:
    assert await ask(gateway, "CONNECT x HTTP/1.1\r\n" + "a: b\r\n" * 5000) == ""


async def test_the_keys_are_for_their_owner_only(gateway: Gateway) -> None:
    for name in ("ca-key.pem", "leaf.pem"):
        assert (gateway.folder / name).stat().st_mode & 0o077 == 0
