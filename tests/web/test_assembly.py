"""From settings to a running gateway: what starts, and how it says that it cannot."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import urllib.error
import urllib.request

import pytest

from kodgate.config import ConfigError, load
from kodgate.store import Route
from kodgate.web import app
from kodgate.web.cabinet import templating

KEY = secrets.token_hex(32)


def config(folder, **more):
    """A gateway on ports that the system chooses."""
    settings = {
        "data": folder / "data",
        "master_key": KEY,
        "http__port": 0,
        "http__json_port": 0,
        "metrics__port": 0,
    }
    return load(None, {}, **{**settings, **more})


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_without_any_channel_it_serves_and_says_so(tmp_path):
    gateway = app.Gateway(config(tmp_path))
    await gateway.start()
    try:
        ports = gateway.ports
        status, text = await asyncio.to_thread(page, ports.metrics, "/livez")
        assert status == 200
        status, text = await asyncio.to_thread(page, ports.metrics, "/readyz")
        assert "none is set up" in text
        status, text = await asyncio.to_thread(page, ports.metrics, "/metrics")
        assert "kodgate_" in text
        query = "/http_in5.asp?mode=TELE&phone_list=79123456789&test=-1"
        for port in (ports.wire, ports.json):
            status, text = await asyncio.to_thread(page, port, query)
            assert (status, "error_num = OK" in text) == (200, True)
        for path in ("/metrics", "/livez", "/callbacks/nothing"):
            status, _ = await asyncio.to_thread(page, ports.wire, path)
            assert status in (404, 405)
    finally:
        await gateway.stop()


async def test_who_takes_requests_only_says_that_others_send(tmp_path):
    gateway = app.Gateway(config(tmp_path, roles=("http",)))
    await gateway.start()
    try:
        status, text = await asyncio.to_thread(page, gateway.ports.metrics, "/readyz")
        assert (status, "other processes send" in text) == (200, True)
    finally:
        await gateway.stop()


@pytest.mark.parametrize(("role", "pages"), [("web", True), ("http", False)])
async def test_who_shows_pages_compiles_their_templates_and_nobody_else(tmp_path, role, pages):
    templating.environment.cache_clear()
    gateway = app.Gateway(config(tmp_path, roles=(role,)))
    await gateway.start()
    try:
        for thread in threading.enumerate():
            if thread.name == templating.THREAD:
                await asyncio.to_thread(thread.join)
        assert templating.environment.cache_info().currsize == pages
        if pages:
            site = templating.environment()
            assert len(site.cache) == len(site.list_templates())
    finally:
        await gateway.stop()


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "openssl rand"), ("ab" * 31, "64 hex digits"), ("xy" * 32, "64 hex digits")],
)
async def test_a_bad_master_key_is_told_and_never_shown(tmp_path, key, says):
    with pytest.raises(app.SetupError, match=says) as caught:
        await app.Gateway(config(tmp_path, master_key=key)).start()
    assert not key or key not in str(caught.value)


def test_the_master_key_may_lie_in_a_file(tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    settings = load(None, {"KODGATE_MASTER_KEY_FILE": str(tmp_path / "key")}, data=tmp_path)
    assert app.master_key(settings) == bytes.fromhex(KEY)


async def test_a_port_that_is_taken_is_named_and_the_others_are_given_back(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(app.SetupError, match=f"127.0.0.1:{port} .metrics"):
            await app.Gateway(config(tmp_path, metrics__port=port)).start()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"http__tls_cert": "cert.pem"}, "go together"),
        ({"http__tls_cert": "no.pem", "http__tls_key": "no.pem"}, "http.tls_cert"),
        ({"http__trusted_proxies": ("300.1.1.1",)}, "http.trusted_proxies"),
        ({"telegram__token": "t" * 20, "telegram__callback_url": "ftp://x"}, "channel telegram"),
        ({"database": "mysql://x"}, "database"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(tmp_path, settings, says):
    gateway = app.Gateway(config(tmp_path, **settings))
    try:
        with pytest.raises(app.SetupError, match=says):
            await gateway.start()
    finally:
        await gateway.stop()


async def test_a_route_that_cannot_be_read_is_named(tmp_path):
    settings = config(tmp_path)
    store = await app.open_store(settings)
    profile = json.dumps({"name": "main", "colour": "red"})
    await store.save_route(Route(name="main", channel="sms", profile=profile, created_at=1))
    gateway = app.Gateway(settings, store=store)
    try:
        with pytest.raises(app.SetupError, match=r"channel sms.*colour"):
            await gateway.start()
    finally:
        await gateway.stop()
        await store.close()


def test_unknown_and_bad_settings_are_refused_by_name(tmp_path):
    file = tmp_path / "kodgate.toml"
    file.write_text('[http]\nprot = 1\n[telegram]\ntoken = "canaryCanary0123"\nspeed = 2\n')
    with pytest.raises(ConfigError, match=r"http\.prot: unknown setting") as caught:
        load(file, {"KODGATE_METRICS__PORT": "high"})
    assert "telegram.speed: unknown setting" in str(caught.value)
    assert "metrics.port" in str(caught.value)
    assert "canary" not in str(caught.value)
