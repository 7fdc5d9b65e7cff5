"""Account settings as text: read, checked and changed by name, for command line and cabinet.

Every field of `AccountSettings` is served from its type; limits that a type cannot say stand in
`CHECKS`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any
from zoneinfo import available_timezones

from kodgate.core.accounts import AccountSettings
from kodgate.core.tariffs import PREFIX_MAX, ZONE_MAX

_TRUE = ("yes", "true", "1", "on")
_FALSE = ("no", "false", "0", "off")

SENDER_MAX = 11
"""Alphanumeric sender names; a numeric one may have 15 digits."""


def changed(settings: AccountSettings, changes: Iterable[str]) -> AccountSettings:
    """`settings` with `name=value` texts applied. Raises ValueError naming the setting."""
    values: dict[str, Any] = {}
    for change in changes:
        name, sign, text = change.partition("=")
        if not sign:
            raise ValueError(f"{change!r} is not NAME=VALUE")
        values[name] = parse(name, text)
    return dataclasses.replace(settings, **values)


def parse(name: str, text: str) -> Any:
    """The typed value of one setting. Raises ValueError."""
    kind = typing.get_type_hints(AccountSettings).get(name)
    if kind is None:
        raise ValueError(f"unknown setting {name!r}")
    try:
        value = _READERS.get(kind, _read_enum(kind))(text)
        CHECKS.get(name, _accept)(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return value


def _accept(value: Any) -> None:
    """No limit beyond the type."""


def _read_bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("say yes or no")


def _read_int(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("not a whole number")
    return int(text)


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _read_enum(kind: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        assert issubclass(kind, StrEnum)
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"one of {', '.join(kind)}") from None

    return read


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: _read_bool,
    int: _read_int,
    str: lambda text: text,
    tuple[str, ...]: _read_list,
}


def _between(low: int, high: int) -> Callable[[Any], None]:
    def check(value: int) -> None:
        if not low <= value <= high:
            raise ValueError(f"must be {low} to {high}")

    return check


def _check_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValueError("not an IANA time zone")


def _check_networks(value: tuple[str, ...]) -> None:
    for network in value:
        ipaddress.ip_network(network)


def _check_zones(value: tuple[str, ...]) -> None:
    for zone in value:
        if not (_is_number(zone) and len(zone) <= 4 and 1 <= int(zone) <= ZONE_MAX):
            raise ValueError(f"zones are numbers from 1 to {ZONE_MAX}")


def _check_prefixes(value: tuple[str, ...]) -> None:
    if not all(_is_number(prefix) and len(prefix) <= PREFIX_MAX for prefix in value):
        raise ValueError(f"1 to {PREFIX_MAX} digits each")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and not text.startswith("0")


def _check_sender(value: str) -> None:
    digits = value.isascii() and value.isdigit()
    if value and not (
        value.isascii() and value.isprintable() and len(value) <= (15 if digits else SENDER_MAX)
    ):
        raise ValueError("1 to 11 ASCII characters, or up to 15 digits")


def _check_template(value: str) -> None:
    if value and value.count("{code}") != 1:
        raise ValueError("must hold {code} exactly once")


CHECKS: dict[str, Callable[[Any], None]] = {
    "unique_days": _between(1, 365),
    "code_length": _between(4, 8),
    "code_retention_s": _between(0, 2_592_000),
    "packets_per_phone_10min": _between(0, 1_000_000),
    "packets_per_phone_day": _between(0, 1_000_000),
    "packets_per_ip_10min": _between(0, 1_000_000),
    "zones_allowed": _check_zones,
    "prefixes_allowed": _check_prefixes,
    "timezone": _check_zone,
    "ip_allow": _check_networks,
    "sender": _check_sender,
    "template": _check_template,
}
