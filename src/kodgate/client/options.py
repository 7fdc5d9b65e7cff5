"""How a client is set up: arguments, over the environment, over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from kodgate.client.errors import ConfigurationError

Protocol = Literal["http", "json"]
PROTOCOLS: tuple[Protocol, ...] = ("http", "json")

URL = "http://127.0.0.1:8080"
"""Where `kodgate up` listens."""
TIMEOUT_S = 10.0
RETRIES_MAX = 2
TIMEZONE = "Europe/Moscow"
"""Of the dates in answers, unless the account says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every call of a client needs to know."""

    login: str
    password: str = field(repr=False)
    base_url: str
    json_url: str
    """Where the JSON service answers; on kodgate that is the same address."""
    protocol: Protocol
    timeout_s: float
    """For one request and its answer."""
    retries_max: int
    timezone: ZoneInfo


def read(
    login: str | None,
    password: str | None,
    *,
    base_url: str | None,
    json_url: str | None,
    protocol: str,
    timeout: float,
    retries_max: int,
    timezone: str,
    environ: Mapping[str, str] = os.environ,
) -> Options:
    """`KODGATE_LOGIN`, `_PASSWORD`, `_PASSWORD_FILE`, `_URL` and `_URL_JSON` stand in for what is
    not given. Raises ConfigurationError; it names no secret."""
    if protocol not in PROTOCOLS:
        raise ConfigurationError(f"protocol is one of {', '.join(PROTOCOLS)}")
    if not timeout > 0 or retries_max < 0:
        raise ConfigurationError("timeout is more than 0 seconds, retries_max not negative")
    base = _address(base_url or environ.get("KODGATE_URL") or URL)
    other = json_url or environ.get("KODGATE_URL_JSON")
    return Options(
        login=login if login is not None else environ.get("KODGATE_LOGIN", ""),
        password=password if password is not None else password_from(environ),
        base_url=base,
        json_url=_address(other) if other else base,
        protocol=next(known for known in PROTOCOLS if known == protocol),
        timeout_s=timeout,
        retries_max=retries_max,
        timezone=_zone(timezone),
    )


def password_from(environ: Mapping[str, str]) -> str:
    """The API secret of the environment, or of the file that it names; empty: neither. Raises
    ConfigurationError."""
    path = environ.get("KODGATE_PASSWORD_FILE")
    if environ.get("KODGATE_PASSWORD") or not path:
        return environ.get("KODGATE_PASSWORD", "")
    try:
        return Path(path).read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"KODGATE_PASSWORD_FILE: {type(error).__name__}") from None


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in url
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise ConfigurationError("an address is http:// or https://, a host, no login, no query")
    return url.rstrip("/")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(f"there is no time zone {name!r}") from None
