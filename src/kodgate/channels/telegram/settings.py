"""What an operator sets for the Telegram Gateway channel; a bad value stops the start by name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from kodgate.core.money import MONEY_MAX

BASE_URL = "https://gatewayapi.telegram.org"
CALLBACK_URL_BYTES_MAX = 256

_TOKEN = re.compile(r"[!-~]{1,256}")
_URL = re.compile(r"[!-~]{1,2048}")
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings:
    """Raises ValueError that names the setting, never its value: two of them are secrets (S-5)."""

    token: str = field(repr=False)
    base_url: str = BASE_URL
    """Plain http is for loopback only."""
    callback_url: str = ""
    """Where Telegram reports to; empty: polling alone."""
    sender_username: str = ""
    """A verified channel of the token's owner; empty: Telegram's own sender."""
    proxy: str = field(default="", repr=False)
    """`http://[user:password@]host:port`, used with CONNECT. The environment is never read."""
    ca_file: str = ""
    """The only certificates to trust; empty: the system's. Verification cannot be switched off."""
    expected_cost: int = 100
    """1/10,000 of Telegram's currency: what a lost check may have taken, where no tariff says."""
    polls_per_s: int = 20
    """Real seconds; the poll before a deadline is not counted against it (D9)."""
    concurrency: int = 32
    """Messages under way at once."""
    connect_timeout_s: float = 3.0
    timeout_s: float = 5.0
    """Of one call in all, real seconds."""

    def __post_init__(self) -> None:
        _require(_TOKEN.fullmatch(self.token) is not None, "token", "printable ASCII is needed")
        _require(_is_safe(self.base_url), "base_url", "https is needed, or http on loopback")
        _require(not urlsplit(self.base_url).query, "base_url", "it takes no query")
        if self.callback_url:
            _require(_is_safe(self.callback_url), "callback_url", "https is needed")
            short = len(self.callback_url) <= CALLBACK_URL_BYTES_MAX
            _require(short, "callback_url", f"at most {CALLBACK_URL_BYTES_MAX} bytes")
        if self.sender_username:
            known = _USERNAME.fullmatch(self.sender_username) is not None
            _require(known, "sender_username", "letters, digits and _ are allowed")
        if self.proxy:
            scheme = _split(self.proxy).scheme
            _require(scheme in {"http", "https"}, "proxy", "an http or https URL is needed")
        _require(0 <= self.expected_cost <= MONEY_MAX, "expected_cost", "out of range")
        _require(1 <= self.polls_per_s <= 10_000, "polls_per_s", "1 to 10000")
        _require(1 <= self.concurrency <= 10_000, "concurrency", "1 to 10000")
        in_order = 0 < self.connect_timeout_s <= self.timeout_s <= 60
        _require(in_order, "timeout_s", "0 < connect_timeout_s <= timeout_s <= 60")


def _require(holds: bool, name: str, why: str) -> None:
    if not holds:
        raise ValueError(f"telegram {name}: {why}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = _URL.fullmatch(url) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return parts if usable else urlsplit("")


def _is_safe(url: str) -> bool:
    parts = _split(url)
    if parts.scheme == "http":
        return _is_loopback(parts.hostname or "")
    return parts.scheme == "https"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
