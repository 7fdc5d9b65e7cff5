"""The few words of ASGI that our apps speak."""

from __future__ import annotations

import pytest

from kodgate.web.asgi import hostname


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"cabinet.example.com", b"cabinet.example.com"),
        (b"Cabinet.Example.COM:8443", b"cabinet.example.com"),
        (b"cabinet.example.com.", b"cabinet.example.com"),
        (b"cabinet.example.com.:443", b"cabinet.example.com"),
        (b"[::1]:8080", b"[::1]"),
        (b"[::1]", b"[::1]"),
        (b"", b""),
        (b":80", b":80"),
        (b"a:b", b"a:b"),
    ],
)
def test_a_host_is_compared_without_port_case_and_closing_dot(host: bytes, name: bytes) -> None:
    assert hostname(host) == name
