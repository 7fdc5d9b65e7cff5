"""Баланс и операции: the ledger, its export for Excel and 1C, and the reconciliation statement."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from starlette.responses import Response

from kodgate.core import money as amounts
from kodgate.store import LedgerEntry
from kodgate.web.cabinet import words
from kodgate.web.cabinet.pages.messages import day_start
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_

PAGE_ROWS = 50
EXPORT_MAX = 100_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a text that begins so."""

HEADINGS = (
    N_("Время"),
    N_("Операция"),
    N_("Сумма"),
    N_("Баланс после"),
    N_("Пакет"),
    N_("Сообщение"),
    N_("Документ"),
    N_("Комментарий"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the address asks for."""

    since: int | None
    until: int | None
    kind: str | None


def _chosen(visit: Visit) -> Chosen:
    zone, kind = visit.own.settings.timezone, visit.query.get("kind", "")
    return Chosen(
        since=day_start(visit.query.get("since", ""), zone),
        until=day_start(visit.query.get("until", ""), zone, after=1),
        kind=kind if kind in words.KINDS else None,
    )


async def _entries(visit: Visit, chosen: Chosen, *, limit: int) -> list[LedgerEntry]:
    return await visit.site.cabinet.ledger(
        visit.own.id,
        since=chosen.since,
        until=chosen.until,
        kind=chosen.kind,
        before_id=await _before_id(visit, chosen),
        limit=limit,
    )


async def _before_id(visit: Visit, chosen: Chosen) -> int | None:
    """Where a list begins: at the asked row, and never after the period's last one."""
    asked = number_of(visit.query.get("before", ""), most=2**53)
    if chosen.until is None:
        return asked
    _, last = await visit.site.sums.ids(visit.own.id, chosen.until, chosen.until)
    return last + 1 if asked is None else min(asked, last + 1)


async def show(visit: Visit) -> Response:
    chosen = _chosen(visit)
    entries = await _entries(visit, chosen, limit=PAGE_ROWS + 1)
    more = entries[PAGE_ROWS - 1].id if len(entries) > PAGE_ROWS else None
    totals = await visit.site.sums.transfers(visit.own.id, since=chosen.since, until=chosen.until)
    everything = await visit.site.sums.transfers(visit.own.id, since=None, until=None)
    return visit.page(
        "money.html",
        entries=entries[:PAGE_ROWS],
        more=more,
        totals=totals,
        agrees=sum(total for _, total in everything.values()) == visit.own.balance,
        kept={name: visit.query.get(name, "") for name in ("since", "until", "kind")},
    )


async def export(visit: Visit) -> Response:
    """For Russian Excel and 1C: `;`, a decimal comma, a byte-order mark, CRLF."""
    entries = await _entries(visit, _chosen(visit), limit=EXPORT_MAX)
    await visit.audit("export", f"{len(entries)}")
    name = f"operations-{visit.own.login}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    body = "\ufeff" + as_csv(entries, visit.writer)
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


def as_csv(entries: Sequence[LedgerEntry], w: Writer) -> str:
    """One row an operation, newest first."""
    places = amounts.decimals(*(e.amount for e in entries), *(e.balance_after for e in entries))
    written = io.StringIO()
    rows = csv.writer(written, delimiter=";", lineterminator="\r\n")
    rows.writerow([w.text(heading) for heading in HEADINGS])
    for entry in entries:
        rows.writerow(
            [
                f"{w.moment(entry.at):%d.%m.%Y %H:%M:%S}",
                w.text(words.KINDS[entry.kind]),
                amounts.text(entry.amount, places, ","),
                amounts.text(entry.balance_after, places, ","),
                entry.packet_id or "",
                entry.message_id or "",
                harmless(entry.document),
                harmless(entry.comment),
            ]
        )
    return written.getvalue()


def harmless(text: str) -> str:
    """A text that a spreadsheet will not run (ASVS 1.2.10)."""
    return f"'{text}" if text.startswith(FORMULA) else text


async def statement(visit: Visit) -> Response:
    """Акт сверки of a month: opening balance, sums by kind, closing balance."""
    first = _month(visit)
    following = (first + timedelta(days=32)).replace(day=1)
    zone = visit.own.settings.timezone
    since, until = day_start(first.isoformat(), zone), day_start(following.isoformat(), zone)
    totals = await visit.site.sums.transfers(visit.own.id, since=since, until=until)
    opening = await _balance_at(visit, since)
    closing = await _balance_at(visit, until)
    return visit.page(
        "statement.html",
        month=f"{first:%Y-%m}",
        first=first,
        last=following - timedelta(days=1),
        totals=totals,
        opening=opening,
        closing=closing,
        agrees=opening + sum(total for _, total in totals.values()) == closing,
    )


def _month(visit: Visit) -> date:
    """The asked one, else the present one."""
    asked = f"{visit.query.get('month', '')}-01"
    if day_start(asked, visit.own.settings.timezone) is not None:
        return date.fromisoformat(asked)
    return visit.writer.moment(visit.site.engine.clock.now()).date().replace(day=1)


async def _balance_at(visit: Visit, at: int | None) -> int:
    """After the last operation before an instant."""
    entry = None if at is None else await visit.site.sums.last_before(visit.own.id, at)
    return entry.balance_after if entry is not None else 0


PAGES = (
    Page(path="money", view=show, right=Right.MONEY),
    Page(path="money/operations.csv", view=export, right=Right.MONEY),
    Page(path="money/statement", view=statement, right=Right.MONEY),
)
