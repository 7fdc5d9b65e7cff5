"""Журнал запросов: what the account's programs asked, and why each refusal was one."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from kodgate.core.errors import BY_NUMBER, ErrorCode
from kodgate.store.requests import DAY_MS, Chosen
from kodgate.store.sums import ALL
from kodgate.web.cabinet.figures import PERIODS
from kodgate.web.cabinet.masks import digits_of, hidden_value, masked
from kodgate.web.cabinet.pages.documentation import CAUSES
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_
from kodgate.web.journal import Asked

PAGE_ROWS = 50
SECONDS_MAX = 2**40
"""Of an instant in an address."""
CHOICES_MAX = 20
"""Paths or addresses that are offered to choose from."""

HIDDEN = frozenset({"phone", "code", "message"})
"""Parameters that hold a phone or a code, by our names."""

REFUSED = "refused"
"""As `error`: any of them."""

NAMES = {"1h": N_("1 час"), "24h": N_("24 часа"), "all": N_("всё, что хранится")}
KEPT = ("error", "path", "ip", "period", "since", "until", "id")
"""What an address may hold, besides the place in the list."""

REASONS = (
    (
        re.compile(r"zone (?P<zone>\d+) has no price for a step"),
        N_("в тарифе нет цены для зоны %(zone)s"),
    ),
    (
        re.compile(r"over (?P<most>\d+) packets in ten minutes from this address"),
        N_("больше %(most)s кодов за десять минут с этого адреса"),
    ),
    (
        re.compile(r"zone (?P<zone>\d+) is not allowed by the account's settings"),
        N_("зона %(zone)s не разрешена настройками счёта"),
    ),
    (re.compile(r"(?P<name>\w+) must be 0 or 1"), N_("%(name)s может быть только 0 или 1")),
)
"""Reasons that name something; the rest are translated as they are."""

_ID = re.compile(r"[0-9a-f]{9,32}")
_IP = re.compile(r"[0-9a-fA-F.:]{2,45}")


async def show(visit: Visit) -> Response:
    journal, account = visit.site.journal, visit.own
    await journal.flush()
    kept = {name: visit.query[name] for name in KEPT if visit.query.get(name)}
    chosen = _chosen(visit)
    found = await journal.requests(account.id, chosen, limit=PAGE_ROWS + 1)
    shown, any_error = found[:PAGE_ROWS], replace(chosen, error=None, refused=None, before=None)
    counts = await journal.store.counts(
        account.id, since=chosen.since, until=chosen.until, slots=ALL
    )
    return visit.page(
        "requests.html",
        requests=shown,
        more=f"{shown[-1].at}-{shown[-1].row}" if len(found) > PAGE_ROWS else None,
        kept=kept,
        chosen=chosen,
        period=kept.get("period", "24h") if kept.get("period", "24h") in NAMES else "24h",
        periods=NAMES,
        groups=await journal.store.tally(account.id, any_error, by="error"),
        paths=await _choices(visit, replace(any_error, path=None), by="path"),
        addresses=await _choices(visit, replace(any_error, ip=None), by="ip"),
        total=sum(one.total for one in counts),
        refused=sum(one.total for one in counts if one.error),
        dropped=sum(one.dropped for one in counts),
        days=journal.days,
        link=lambda **changes: link(visit, kept, **changes),
        parameters=parameters,
        answer=answer,
        reason=lambda asked: reason(asked, visit.writer),
        error_text=lambda number: error_text(visit, BY_NUMBER[number]),
    )


async def _choices(visit: Visit, chosen: Chosen, *, by: str) -> list[tuple[str, str]]:
    """The most frequent values, as the options of a choice."""
    found = await visit.site.journal.store.tally(visit.own.id, chosen, by=by)
    return [(value, f"{value} · {visit.writer.number(n)}") for value, n in found[:CHOICES_MAX]]


def link(visit: Visit, kept: dict[str, str], **changes: object) -> str:
    """The same list with other filters; None takes one out."""
    values = {k: v for k, v in {**kept, **changes}.items() if v not in (None, "")}
    return visit.link("requests") + (f"?{urlencode(values)}" if values else "")


def _chosen(visit: Visit) -> Chosen:
    """What the address asks for; what it asks wrongly is left out."""
    query = visit.query
    since, until = _period(visit)
    wanted = query.get("id", "").strip().lower()
    if _ID.fullmatch(wanted):
        return Chosen(since=0, until=until, request_id=wanted)
    ip = query.get("ip", "").strip()
    return Chosen(
        since=since,
        until=until,
        error=_error(query.get("error", "")),
        refused=True if query.get("error") == REFUSED else None,
        path=query.get("path", "")[:64] or None,
        ip=ip if _IP.fullmatch(ip) else None,
        before=_before(query.get("before", "")),
    )


def _period(visit: Visit) -> tuple[int, int]:
    """Its ends in business ms: by its name, or from one second to another."""
    query, now = visit.query, visit.site.engine.clock.now()
    since = number_of(query.get("since", ""), most=SECONDS_MAX)
    until = number_of(query.get("until", ""), most=SECONDS_MAX)
    length = PERIODS.get(query.get("period", "24h"), visit.site.journal.days * DAY_MS)
    return (
        now - length if since is None else since * 1000,
        now + 1 if until is None else until * 1000,
    )


def _error(text: str) -> int | None:
    number = number_of(text)
    return number if number in BY_NUMBER else None


def _before(text: str) -> tuple[int, int] | None:
    at, _, row = text.partition("-")
    pair = number_of(at, most=SECONDS_MAX * 1000), number_of(row, most=2**53)
    return None if pair[0] is None or pair[1] is None else (pair[0], pair[1])


def parameters(asked: Asked) -> str:
    """As `name=value`, phones and codes masked."""
    given = (asked.parameters or {}).items()
    return " ".join(f"{name}={shown_value(name, value)}" for name, value in given)


def shown_value(name: str, value: str) -> str:
    return hidden_value(value) if name in HIDDEN else value


def answer(asked: Asked) -> str:
    """Its body, without the phone and the code that were asked for."""
    given = [text for name, text in (asked.parameters or {}).items() if name in HIDDEN]
    return masked(asked.body, [*given, *map(digits_of, given)])


def reason(asked: Asked, w: Writer) -> str:
    """Why it was refused, for people; where the error says it all, what to do about it."""
    for pattern, text in REASONS:
        found = pattern.fullmatch(asked.why)
        if found is not None:
            return w.text(text, **found.groupdict())
    return w.text(asked.why or CAUSES[asked.error]) if asked.why or asked.error in CAUSES else ""


def error_text(visit: Visit, error: ErrorCode) -> str:
    return error.ru if visit.writer.language == "ru" else error.en


PAGES = (Page(path="requests", view=show, right=Right.LOG),)
