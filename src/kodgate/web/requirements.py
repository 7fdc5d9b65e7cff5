"""What a request's head must be like, and how much a request may cost (trust.md 3); pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kodgate.core.values import quick

METHODS = frozenset({b"GET", b"POST", b"HEAD"})
VERSIONS = ("1.0", "1.1")
TARGETS = (b"/", b"http://", b"https://")
HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
LENGTH_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request and one connection may cost (trust.md 3). Seconds and bytes."""

    head_s: float = 5.0
    """From a request's first byte to the end of its headers."""
    request_s: float = 10.0
    """From a request's first byte to the end of its body."""
    idle_s: float = 15.0
    """Between two requests, and before the first."""
    write_s: float = 10.0
    """How long a reader may leave our answer lying."""
    linger_s: float = 2.0
    """How long a closed connection is still read, so that the answer is not lost by a reset."""
    handshake_s: float = 5.0
    """For TLS to be agreed on."""
    line_max: int = 8192
    head_max: int = 16_384
    headers_max: int = 64
    body_max: int = 65_536
    connections_max: int = 4096
    per_source_max: int = 512
    """Of one address, or one /64."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the headers promise; or the status that refuses them."""

    status: int = 0
    """0: the request may go on."""
    text: str = ""
    has_body: bool = False
    chunked: bool = False


def judge(
    method: bytes,
    version: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    limits: Limits,
) -> Verdict:
    """Of a head that the parser took. `headers` in lower case, as they came (S-41..S-52)."""
    if version not in VERSIONS:
        return Verdict(status=505, text="HTTP version is not supported")
    if method not in METHODS:
        return Verdict(status=405, text="Method is not allowed")
    if len(method) + len(target) + len("  HTTP/1.1") > limits.line_max:
        return Verdict(status=414, text="Request line is too long")
    if not target[:8].lower().startswith(TARGETS):
        return Verdict(status=400, text="Invalid request target")
    needs_host = version == "1.1" and target.startswith(b"/")
    return _hosts(headers, needs_host) or _body(headers, version, limits)


def _hosts(headers: Sequence[tuple[bytes, bytes]], needed: bool) -> Verdict | None:
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (needed and not hosts):
        return Verdict(status=400, text="Exactly one Host is needed")
    if hosts and not HOST.fullmatch(hosts[0]):
        return Verdict(status=400, text="Invalid Host")
    return None


def _body(headers: Sequence[tuple[bytes, bytes]], version: str, limits: Limits) -> Verdict:
    """The parser has seen to it that there is at most one length, and none beside an encoding."""
    length, chunked = 0, False
    for name, value in headers:
        if name == b"content-length":
            digits = value.strip(b" \t")
            if not digits.isdigit():  # of bytes: ASCII only
                return Verdict(status=400, text="Invalid Content-Length")
            length = int(digits) if len(digits) <= LENGTH_DIGITS_MAX else limits.body_max + 1
        elif name == b"transfer-encoding":
            if version != "1.1" or chunked or value.strip(b" \t").lower() != b"chunked":
                return Verdict(status=400, text="Transfer-Encoding is not supported")
            chunked = True
        elif name == b"expect" and value.lower() != b"100-continue":
            return Verdict(status=417, text="Expectation is not supported")
    if length > limits.body_max:
        return Verdict(status=413, text="Request body is too large")
    return Verdict(has_body=chunked or length > 0, chunked=chunked)
