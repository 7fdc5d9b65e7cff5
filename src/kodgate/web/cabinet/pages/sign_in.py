"""Signing in and out, the second factor, and how pages look."""

from __future__ import annotations

import time

from starlette.responses import Response

from kodgate.store.cabinet import User
from kodgate.web.cabinet import factors, sessions, texts
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    YEAR_S,
    safe_path,
)
from kodgate.web.cabinet.visit import Guest, Page, Visit

LOGIN_MAX = 64
SECOND_TRIES = "second factor"
"""The door's name for the second step, so that codes cannot be tried out (S-111)."""


async def show(guest: Guest) -> Response:
    if isinstance(guest, Visit) and guest.session.stage == sessions.FULL:
        return guest.go("")
    return _form(guest, safe_path(guest.query.get("next", "")))


def _form(guest: Guest, following: str, *, login: str = "", error: str = "") -> Response:
    status = 422 if error else 200
    return guest.page("sign_in.html", status=status, next=following, login=login, error=error)


async def sign_in(guest: Guest) -> Response:
    site, following = guest.site, safe_path(guest.form.get("next", ""))
    login = guest.form.get("login", "").strip()[:LOGIN_MAX].lower()
    fits = await site.password_fits(guest, login, guest.form.get("password", ""))
    user = await site.cabinet.user(login)
    if not fits or user is None:
        await _note_failure(guest, user)
        wrong = guest.writer.text("Логин или пароль не подошли. Подождите немного и повторите.")
        return _form(guest, following, login=login, error=wrong)
    stage = sessions.FULL if user.totp is None else sessions.PASSWORD
    return await _enter(guest, user, stage, following)


async def _note_failure(guest: Guest, user: User | None) -> None:
    if user is not None:
        await _audit(guest, user, "sign_in_failed")


async def _enter(guest: Guest, user: User, stage: str, following: str) -> Response:
    agent = guest.request.headers.get("user-agent", "")
    if isinstance(guest, Visit):
        await guest.site.cabinet.end_session(guest.session.id, user_id=guest.user.id)
    token = await guest.site.sessions.open(user, stage=stage, ip=guest.ip, agent=agent)
    if stage == sessions.FULL:
        await _audit(guest, user, "sign_in")
        answer = guest.go(following)
    else:
        answer = guest.go(f"second-factor?next={following}")
    guest.set_cookie(answer, SESSION_COOKIE, token, max_age=sessions.LIFE_MS // 1000)
    return answer


async def _audit(guest: Guest, user: User, action: str) -> None:
    await guest.site.cabinet.audit(
        at=guest.site.wall_ms(),
        account_id=user.account_id,
        actor=user.login,
        action=action,
        detail="",
        ip=guest.ip,
    )


async def show_second(guest: Guest) -> Response:
    if not _waits(guest):
        return guest.go("sign-in")
    following = safe_path(guest.query.get("next", ""))
    return guest.page("second_factor.html", next=following, error="")


async def second(guest: Guest) -> Response:
    if not _waits(guest):
        return guest.go("sign-in")
    assert isinstance(guest, Visit)
    following = safe_path(guest.form.get("next", ""))
    action = await _second_fits(guest, guest.form.get("code", "")[:64])
    if action is None:
        error = guest.writer.text("Код не подошёл. Дождитесь следующего или возьмите резервный.")
        return guest.page("second_factor.html", status=422, next=following, error=error)
    if action == "recovery":
        await _audit(guest, guest.user, action)
    return await _enter(guest, guest.user, sessions.FULL, following)


def _waits(guest: Guest) -> bool:
    return isinstance(guest, Visit) and guest.session.stage == sessions.PASSWORD


async def _second_fits(visit: Visit, typed: str) -> str | None:
    """`totp` or `recovery`; None: wrong, used, or tried too often."""
    site, user = visit.site, visit.user
    name = f"{SECOND_TRIES} {user.id}"
    if not await site.door.hears(name, typed, ip=visit.ip):
        return None
    if await is_right_totp(visit, typed):
        return "totp"
    digest = factors.recovery_digest(typed)
    if await site.cabinet.use_recovery_code(user.id, digest, at=site.wall_ms()):
        return "recovery"
    await site.door.failed(name, ip=visit.ip)
    return None


async def is_right_totp(visit: Visit, typed: str) -> bool:
    """Each time step once (S-111)."""
    assert visit.user.totp is not None
    seed = visit.site.keyring.unwrap(factors.PURPOSE, visit.user.totp)
    step = factors.step_of(seed, typed, now_s=time.time())
    return step is not None and await visit.site.cabinet.use_totp_step(visit.user.id, step)


async def sign_out(visit: Visit) -> Response:
    await visit.audit("sign_out")
    await visit.site.cabinet.end_session(visit.session.id, user_id=visit.user.id)
    answer = visit.go("sign-in", note="signed_out")
    visit.set_cookie(answer, SESSION_COOKIE, "", max_age=0)
    return answer


async def look(guest: Guest) -> Response:
    """Language and theme: kept by the browser, the language also with the user."""
    answer = guest.go(safe_path(guest.form.get("page", "")))
    language, theme = guest.form.get("language", ""), guest.form.get("theme", "")
    if language in texts.LANGUAGES:
        guest.set_cookie(answer, LANGUAGE_COOKIE, language, max_age=YEAR_S)
        if isinstance(guest, Visit):
            await guest.site.cabinet.set_language(guest.user.id, language)
    if theme in THEMES:
        guest.set_cookie(answer, THEME_COOKIE, theme, max_age=YEAR_S)
    return answer


async def view_as(visit: Visit) -> Response:
    """An operator looks at a client's cabinet: read-only, and on record."""
    account = await visit.site.engine.store.account(visit.form.get("account", "").lower())
    await visit.site.cabinet.view_account(visit.session.id, account.id if account else None)
    visit.account = account
    if account is not None:
        await visit.audit("view_as", account.login)
    return visit.go("")


PAGES = (
    Page(path="sign-in", view=show, guest=True),
    Page(path="sign-in", view=sign_in, guest=True, method="POST"),
    Page(path="second-factor", view=show_second, guest=True),
    Page(path="second-factor", view=second, guest=True, method="POST"),
    Page(path="look", view=look, guest=True, method="POST"),
    Page(path="sign-out", view=sign_out, right=None, method="POST", accountless=True),
    Page(path="view-as", view=view_as, right=Right.OPERATE, method="POST", accountless=True),
)
