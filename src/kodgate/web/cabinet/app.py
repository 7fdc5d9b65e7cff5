"""The cabinet as one app: which pages there are."""

from __future__ import annotations

from kodgate.engine import Engine
from kodgate.store.keyring import Keyring
from kodgate.web.cabinet.pages import (
    actions,
    documentation,
    messages,
    money,
    overview,
    profile,
    reports,
    requests,
    security,
    sign_in,
    tariffs,
    testing,
    users,
)
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.journal import Journal

PREFIX = "/cabinet/"

MODULES = (
    sign_in,
    overview,
    messages,
    money,
    tariffs,
    reports,
    testing,
    requests,
    documentation,
    security,
    users,
    profile,
    actions,
)
PAGES = tuple(page for module in MODULES for page in module.PAGES)


def cabinet(*, engine: Engine, keyring: Keyring, journal: Journal, settings: SiteSettings) -> Site:
    """To be mounted at `PREFIX`."""
    return Site(PREFIX, PAGES, engine=engine, keyring=keyring, journal=journal, settings=settings)
