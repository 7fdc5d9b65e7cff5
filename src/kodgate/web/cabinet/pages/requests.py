"""Журнал запросов: the last requests of the account's programs, and why each refusal was one."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from kodgate.core import phones
from kodgate.core.errors import BY_NUMBER, ErrorCode
from kodgate.web.cabinet.masks import hide
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.journal import PER_LOGIN_MAX, Asked

HIDDEN = frozenset({"phone", "phones", "phone_list", "tel_list", "code", "message"})
"""Parameters that hold a phone or a code."""


async def show(visit: Visit) -> Response:
    heard = visit.site.journal.of(visit.own.login)
    counts = Counter(one.error for one in heard)
    wanted = number_of(visit.query.get("error", ""))
    shown = [one for one in heard if wanted is None or one.error == wanted]
    return visit.page(
        "requests.html",
        requests=shown,
        parameters=parameters,
        counts=sorted(counts.items()),
        wanted=wanted,
        error_text=lambda number: error_text(visit, BY_NUMBER[number]),
        most=PER_LOGIN_MAX,
    )


def parameters(asked: Asked) -> str:
    """As `name=value`, phones and codes masked."""
    return " ".join(f"{name}={_shown(name, value)}" for name, value in asked.parameters.items())


def _shown(name: str, value: str) -> str:
    if name not in HIDDEN:
        return value
    digits = "".join(sign for sign in value if sign.isascii() and sign.isdigit())
    return phones.mask(digits) if len(digits) > 8 else hide(value)


def error_text(visit: Visit, error: ErrorCode) -> str:
    return error.ru if visit.writer.language == "ru" else error.en


PAGES = (Page(path="requests", view=show, right=Right.LOG),)
