"""Обзор: the figures of a period, the funnel, the last codes, and what needs attention."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kodgate.core.accounts import Account
from kodgate.store.cabinet import Filter
from kodgate.store.sums import ALL
from kodgate.web.cabinet import figures, verdict
from kodgate.web.cabinet.figures import PERIOD, PERIODS, Funnel
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_

LAST = 8
TIMES_MAX = 5_000
LOW_HOURS = 24
"""A balance that lasts a shorter time than this is told."""

NAMES = {
    "1h": N_("1 час"),
    "24h": N_("24 часа"),
    "7d": N_("7 дней"),
    "30d": N_("30 дней"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    tone: str
    text: str
    path: str


def period(visit: Visit) -> tuple[str, int, int]:
    """Its name, and its ends in business ms."""
    name = visit.query.get("period", PERIOD)
    name = name if name in PERIODS else PERIOD
    now = visit.site.engine.clock.now()
    return name, now - PERIODS[name], now + 1


async def overview(visit: Visit) -> Response:
    site, account = visit.site, visit.own
    name, since, until = period(visit)
    sums = await site.sums.messages(account.id, since=since, until=until, slots=ALL)
    shown = figures.funnel(sums)
    arrivals = await site.cabinet.arrivals(account.id, since=since, until=until, limit=TIMES_MAX)
    last = await site.cabinet.packets(account.id, Filter(), limit=LAST)
    return visit.page(
        "overview.html",
        period=name,
        periods=NAMES,
        funnel=shown,
        median=figures.percentile([ms for _, ms in arrivals], 0.5),
        last=last,
        verdict=verdict.of,
        problems=_problems(visit, account, shown, PERIODS[name]),
        lasts_ms=_lasts_ms(account, shown, PERIODS[name]),
    )


def _spendable(account: Account) -> int:
    return account.balance - account.held + account.credit_limit


def _lasts_ms(account: Account, funnel: Funnel, period_ms: int) -> int | None:
    """At the period's pace; None: nothing was spent."""
    if funnel.cost <= 0:
        return None
    return max(0, _spendable(account)) * period_ms // funnel.cost


def _problems(visit: Visit, account: Account, funnel: Funnel, period_ms: int) -> list[Problem]:
    """What the owner should know without looking for it."""
    found = []
    settings = account.settings
    if not any(one.expires_at is None for one in account.secrets):
        text = N_("Нет действующего http_password: программы не смогут войти.")
        found.append(Problem(tone="bad", text=text, path="security"))
    if not settings.http_enabled:
        text = N_("Отправка по HTTP выключена: все запросы получают ошибку 5.")
        found.append(Problem(tone="bad", text=text, path="security"))
    if not settings.can_send_sms:
        text = N_("Нет имени отправителя или шаблона: переотправка в SMS невозможна (ошибка 23).")
        found.append(Problem(tone="wait", text=text, path="security"))
    if visit.site.engine.guard.blocked(account.id):
        text = N_("Коды на некоторые префиксы уходят, но не доходят: похоже на накрутку.")
        found.append(Problem(tone="bad", text=text, path="security#pumping"))
    if visit.may("money"):
        found += _short_of_money(account, _lasts_ms(account, funnel, period_ms))
    return found


def _short_of_money(account: Account, lasts_ms: int | None) -> list[Problem]:
    if _spendable(account) <= 0:
        text = N_("На счёте нет денег: новые коды получают ошибку 3.")
        return [Problem(tone="bad", text=text, path="money")]
    if lasts_ms is not None and lasts_ms < LOW_HOURS * 3_600_000:
        text = N_("При нынешнем темпе денег не хватит и на сутки.")
        return [Problem(tone="wait", text=text, path="money")]
    return []


PAGES = (Page(path="", view=overview),)
