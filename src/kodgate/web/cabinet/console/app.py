"""The console as one app: which pages there are."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from kodgate.web.cabinet.console import (
    account,
    accounts,
    audit,
    channels,
    ledger,
    now,
    proposing,
    providers,
    queue,
    routes,
    system,
    tariffs,
)
from kodgate.web.cabinet.console.desk import Console, Facts, desk, look
from kodgate.web.cabinet.pages import sign_in
from kodgate.web.cabinet.site import Site
from kodgate.web.cabinet.visit import Visit

PREFIX = "/console/"


async def profile(visit: Visit) -> Response:
    """The operator's own password and second factor are with everybody's."""
    return RedirectResponse(f"{desk(visit).cabinet_prefix}profile", 303)


PAGES = (
    *sign_in.PAGES,
    look("profile", profile),
    *now.PAGES,
    *channels.PAGES,
    *routes.PAGES,
    *accounts.PAGES,
    *account.PAGES,
    *proposing.PAGES,
    *queue.PAGES,
    *tariffs.PAGES,
    *ledger.PAGES,
    *providers.PAGES,
    *audit.PAGES,
    *system.PAGES,
)


def console(*, beside: Site, facts: Facts) -> Console:
    """To be mounted at `PREFIX`. `beside`: the cabinet, whose sessions it shares."""
    return Console(PREFIX, PAGES, beside=beside, facts=facts)
