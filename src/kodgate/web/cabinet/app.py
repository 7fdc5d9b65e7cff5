"""The cabinet as one app: which pages there are."""

from __future__ import annotations

from kodgate.engine import Engine
from kodgate.store.keyring import Keyring
from kodgate.web.cabinet.pages import messages, overview, sign_in
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.journal import Journal

PREFIX = "/cabinet/"

PAGES = (*sign_in.PAGES, *overview.PAGES, *messages.PAGES)


def cabinet(*, engine: Engine, keyring: Keyring, journal: Journal, settings: SiteSettings) -> Site:
    """To be mounted at `PREFIX`."""
    return Site(PREFIX, PAGES, engine=engine, keyring=keyring, journal=journal, settings=settings)
