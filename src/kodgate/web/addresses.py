"""Whose request it is: addresses, their prefixes, and forwarded headers from known proxies only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CACHED_MAX = 8192


@lru_cache(CACHED_MAX)
def parse(text: str) -> Address | None:
    """An address as it is meant: an IPv4-mapped IPv6 address is its IPv4 one; None: not one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(CACHED_MAX)
def canonical(text: str) -> str:
    """One spelling an address; what is no address stays as it is (a socket without one)."""
    address = parse(text)
    return text if address is None else str(address)


@lru_cache(CACHED_MAX)
def prefix(text: str) -> str:
    """The network that one stranger is taken to own: /24, or /64 (trust.md 2.3)."""
    address = parse(text)
    if address is None:
        return text
    length = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((int(address), length), strict=False))


@lru_cache(CACHED_MAX)
def source(text: str) -> str:
    """Who a connection is counted for: an IPv4 address, or an IPv6 /64."""
    address = parse(text)
    return canonical(text) if address is None or address.version == 4 else prefix(text)


@lru_cache(CACHED_MAX)
def is_loopback(text: str) -> bool:
    address = parse(text)
    return address is not None and address.is_loopback


LOOPBACK = ("127.0.0.0/8", "::1/128")


class Networks:
    """A fixed set of addresses and networks. Raises ValueError for a line that is neither."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(line) for line in lines)
        self._known: dict[str, bool] = {}

    def __contains__(self, ip: str) -> bool:
        if not self._networks:
            return False
        known = self._known.get(ip)
        if known is None:
            if len(self._known) >= CACHED_MAX:
                self._known.clear()
            known = self._known[ip] = self._holds(parse(ip))
        return known

    def _holds(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def caller_ip(peer: str, forwarded_for: str, proxies: Networks) -> str:
    """The right-most hop that is not one of our proxies (S-17).

    `forwarded_for` is the X-Forwarded-For header, several of them joined by commas in order. It
    counts only if the peer is a proxy of ours; behind an entry that is no address nothing counts.
    """
    hop = canonical(peer)
    if hop not in proxies:
        return hop
    for entry in reversed(forwarded_for.split(",")):
        address = parse(entry.strip(" \t"))
        if address is None:
            return hop
        hop = str(address)
        if hop not in proxies:
            return hop
    return hop
