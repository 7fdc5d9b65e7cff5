"""Keeps web pages of strangers away from the control API and the inbox (S-105, DNS rebinding)."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from kodgate.sandbox.gateway import LOOPBACK

SAFE = frozenset({"GET", "HEAD"})
OWN_SITE = frozenset({"", "same-origin", "none"})
"""Sec-Fetch-Site of our own pages, of typed addresses, and of what is no browser."""


def check(request: web.Request) -> None:
    """Raises HTTPForbidden unless the request was made for a loopback name, by our own pages.

    A rebound name keeps its own Host; a stranger's page has its own Origin.
    """
    if _hostname(f"//{request.host}") not in LOOPBACK:
        raise web.HTTPForbidden(text="This address is served under loopback names only.\n")
    if request.method in SAFE:
        return
    origin = request.headers.get("Origin")
    stranger = origin is not None and _hostname(origin) not in LOOPBACK
    if stranger or request.headers.get("Sec-Fetch-Site", "") not in OWN_SITE:
        raise web.HTTPForbidden(text="Requests from other sites are refused.\n")


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
