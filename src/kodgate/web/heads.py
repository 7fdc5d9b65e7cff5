"""What the path and the headers of a wire request say: who calls, how, and with what body."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kodgate.core.requests import Credentials
from kodgate.core.values import quick
from kodgate.web.addresses import Networks, caller_ip, canonical, is_loopback
from kodgate.web.asgi import Header, Scope


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    content_type: str
    """Lower case."""
    encoded: bool
    """The body is compressed or the like: it is not unpacked (S-58)."""
    has_body: bool
    authorization: str
    caller_ip: str
    plain: bool
    """Plain HTTP from outside, which this listener does not serve (S-7)."""


def read(scope: Scope, proxies: Networks, *, allow_plain: bool) -> Head:
    """Forwarded headers count only if the peer is one of `proxies` (S-17)."""
    seen = _joined(scope["headers"])
    peer = scope["client"][0] if scope["client"] else ""
    return Head(
        content_type=_text(seen, b"content-type"),
        encoded=_text(seen, b"content-encoding") not in ("", "identity"),
        has_body=b"transfer-encoding" in seen or seen.get(b"content-length", b"0") != b"0",
        authorization=seen.get(b"authorization", b"").decode("latin-1"),
        caller_ip=caller_ip(peer, _text(seen, b"x-forwarded-for"), proxies),
        plain=not (allow_plain or scope["scheme"] == "https" or _is_safe(peer, seen, proxies)),
    )


def _joined(headers: Sequence[Header]) -> Mapping[bytes, bytes]:
    """By name; several of one name as one, in their order."""
    seen = dict(headers)
    if len(seen) < len(headers):
        for name in seen:
            seen[name] = b",".join([value for each, value in headers if each == name])
    return seen


def _text(seen: Mapping[bytes, bytes], name: bytes) -> str:
    value = seen.get(name)
    return "" if value is None else value.decode("latin-1").strip(" \t").lower()


def _is_safe(peer: str, seen: Mapping[bytes, bytes], proxies: Networks) -> bool:
    """A proxy of ours tells how it was called itself; else loopback needs no TLS."""
    proto = _text(seen, b"x-forwarded-proto")
    if proto and canonical(peer) in proxies:
        return proto == "https"
    return is_loopback(peer)


def normal_path(raw: bytes) -> bytes:
    """In any case, with slashes too many before or one behind (W-2, S-61); never decoded."""
    path = b"/" + raw.lower().lstrip(b"/")
    return path[:-1] if len(path) > 1 and path.endswith(b"/") else path


def agrees(authorization: str, credentials: Credentials) -> bool:
    """False: HTTP Basic, which we do not ask for, names another login or password (S-24)."""
    if not authorization:
        return True
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return True
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    meant = f"{credentials.login}:{credentials.password}".encode("utf-8", "surrogatepass")
    return hmac.compare_digest(given, meant)
