"""One's own: password, second factor, sessions."""

from __future__ import annotations

import time

from starlette.responses import Response

from kodgate.web.cabinet import factors, passwords
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Page, Visit


async def show(visit: Visit) -> Response:
    cabinet, user = visit.site.cabinet, visit.user
    return visit.page(
        "profile.html",
        sessions=await cabinet.sessions(user.id),
        left=await cabinet.recovery_codes_left(user.id),
        recovery=(),
    )


async def change_password(visit: Visit) -> Response:
    """Ends every other session (S-107)."""
    new = visit.form.get("new", "")
    if not passwords.is_allowed(new):
        return visit.go("profile", note="weak_password")
    if new != visit.form.get("again", ""):
        return visit.go("profile", note="passwords_differ")
    kept = await visit.site.passwords.hash(new)
    await visit.site.cabinet.set_password(visit.user.id, kept, keep=visit.session.id)
    await visit.audit("password")
    return visit.go("profile", note="password_changed")


async def offer_totp(visit: Visit) -> Response:
    return _offer(visit, factors.new_seed())


def _offer(visit: Visit, seed: str, *, wrong: bool = False) -> Response:
    host = visit.request.headers.get("host", "")
    uri = factors.address(seed, login=visit.user.login, host=host)
    values = {"seed": seed, "picture": factors.picture(uri), "wrong": wrong}
    return visit.page("totp.html", status=422 if wrong else 200, **values)


async def switch_totp_on(visit: Visit) -> Response:
    """Only once the app has shown a right code of the seed."""
    seed = visit.form.get("seed", "")
    if not (len(seed) == 32 and seed.isascii() and seed.isalnum()):
        return visit.go("profile", note="bad_value")
    step = factors.step_of(seed, visit.form.get("code", ""), now_s=time.time())
    if step is None:
        return _offer(visit, seed, wrong=True)
    site, user = visit.site, visit.user
    codes = factors.recovery_codes()
    sealed = site.keyring.wrap(factors.PURPOSE, seed)
    await site.cabinet.set_totp(
        user.id, sealed, recovery=[factors.recovery_digest(code) for code in codes]
    )
    await site.cabinet.use_totp_step(user.id, step)
    await site.cabinet.end_sessions(user.id, keep=visit.session.id)
    await visit.audit("totp_on")
    fresh = await site.cabinet.user_by_id(user.id)
    assert fresh is not None
    visit.user = fresh
    sessions = await site.cabinet.sessions(user.id)
    return visit.page("profile.html", sessions=sessions, left=len(codes), recovery=codes)


async def switch_totp_off(visit: Visit) -> Response:
    await visit.site.cabinet.set_totp(visit.user.id, None)
    await visit.audit("totp_off")
    return visit.go("profile", note="totp_off")


async def end_session(visit: Visit) -> Response:
    number = number_of(visit.form.get("session", ""))
    if number is not None:
        await visit.site.cabinet.end_session(number, user_id=visit.user.id)
        await visit.audit("session", str(number))
    return visit.go("profile", note="session_ended")


async def end_others(visit: Visit) -> Response:
    await visit.site.cabinet.end_sessions(visit.user.id, keep=visit.session.id)
    await visit.audit("session", "others")
    return visit.go("profile", note="sessions_ended")


def _post(path: str, view: object, *, proof: bool = True) -> Page:
    return Page(path=path, view=view, right=None, method="POST", proof=proof, accountless=True)  # type: ignore[arg-type]


PAGES = (
    Page(path="profile", view=show, right=None, accountless=True),
    _post("profile/password", change_password),
    _post("profile/totp", offer_totp),
    _post("profile/totp/on", switch_totp_on, proof=False),
    _post("profile/totp/off", switch_totp_off),
    _post("profile/session", end_session, proof=False),
    _post("profile/sessions", end_others, proof=False),
)
