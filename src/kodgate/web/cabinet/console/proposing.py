"""Четыре глаза: a large transfer is asked for by one operator and booked by another."""

from __future__ import annotations

from starlette.responses import Response

from kodgate.core.accounts import Account
from kodgate.core.tariff_csv import printed
from kodgate.store.proposals import NotBooked, Proposal
from kodgate.web.cabinet.console.desk import act, desk, record
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit


async def propose(
    visit: Visit,
    account: Account,
    kind: str,
    amount: int,
    document: str,
    comment: str,
    *,
    once: str = "",
) -> Response:
    """In place of the booking. The same document waits once. Raises AlreadyBooked for a form that
    is sent twice."""
    place, found = f"accounts/{account.id}", desk(visit).proposals
    same = [one for one in await found.waiting(account.id) if document and one.document == document]
    if same:
        return visit.go(place, note="same_document")
    await found.propose(
        account_id=account.id,
        at=visit.site.wall_ms(),
        actor=visit.user.login,
        kind=kind,
        amount=amount,
        document=document,
        comment=comment,
        once=once,
    )
    detail = ", ".join(word for word in (kind, printed(amount), document, comment) if word)
    await record(visit, "payment_proposed", detail, account)
    return visit.go(place, note="proposed")


async def approve(visit: Visit) -> Response:
    """Books it; whoever asked for it may not."""
    proposal = await _asked(visit)
    if proposal is None:
        return visit.go("accounts", note="not_waiting")
    place = f"accounts/{proposal.account_id}"
    if proposal.actor == visit.user.login:
        return visit.go(place, note="own_proposal")
    site = visit.site
    try:
        await site.engine.store.approve(
            proposal.id, by=visit.user.login, wall=site.wall_ms(), at=site.engine.clock.now()
        )
    except NotBooked as error:
        return visit.go(place, note=error.word)
    await _record(visit, "payment_approved", proposal)
    return visit.go(place, note="posted")


async def refuse(visit: Visit) -> Response:
    """By anybody: whoever asked takes it back."""
    proposal = await _asked(visit)
    by, at = visit.user.login, visit.site.wall_ms()
    if proposal is None or not await desk(visit).proposals.refuse(proposal.id, by=by, at=at):
        return visit.go("accounts", note="not_waiting")
    await _record(visit, "payment_refused", proposal)
    return visit.go(f"accounts/{proposal.account_id}", note="proposal_refused")


async def _asked(visit: Visit) -> Proposal | None:
    """What the address names, while it waits."""
    number = number_of(visit.request.path_params["proposal_id"])
    found = await desk(visit).proposals.waiting()
    return next((one for one in found if one.id == number), None)


async def _record(visit: Visit, action: str, proposal: Proposal) -> None:
    account = await visit.site.engine.store.account_by_id(proposal.account_id)
    detail = f"{proposal.kind} {printed(proposal.amount)}, asked by {proposal.actor}"
    await record(visit, action, detail, account)


PAGES = (
    act("proposals/{proposal_id}/approve", approve, proof=True),
    act("proposals/{proposal_id}/refuse", refuse, proof=True),
)
