"""Пользователи: who else may sign in to this account's cabinet, and as what."""

from __future__ import annotations

import re

from starlette.responses import Response

from kodgate.store.cabinet import User
from kodgate.web.cabinet import passwords, words
from kodgate.web.cabinet.roles import OF_ACCOUNT, Right, Role
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Page, Visit

LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, *, login: str = "", password: str = "") -> Response:
    users = await visit.site.cabinet.users(visit.own.id)
    fresh = {"login": login, "password": password} if password else None
    text = visit.writer.text
    return visit.page(
        "users.html",
        users=users,
        roles=OF_ACCOUNT,
        choices=[(str(user.id), user.login) for user in users],
        named_roles=[(role.value, text(words.ROLES[role])) for role in OF_ACCOUNT],
        fresh=fresh,
    )


async def create(visit: Visit) -> Response:
    login, role = visit.form.get("login", "").strip().lower(), visit.form.get("role", "")
    if not LOGIN.fullmatch(login):
        return visit.go("users", note="bad_login")
    if role not in OF_ACCOUNT:
        return visit.go("users", note="bad_value")
    password = passwords.generate()
    try:
        await visit.site.cabinet.create_user(
            account_id=visit.own.id,
            login=login,
            role=role,
            password=await visit.site.passwords.hash(password),
            at=visit.site.wall_ms(),
        )
    except ValueError:
        return visit.go("users", note="login_taken")
    await visit.audit("user_created", f"{login}: {role}")
    return await _page(visit, login=login, password=password)


async def change(visit: Visit) -> Response:
    """A role, or off and on again, or a new password; the user's sessions end."""
    user = await _user(visit)
    if user is None:
        return visit.site.refuse(visit, 404)
    act = visit.form.get("act", "")
    if act == "password":
        return await _new_password(visit, user)
    role = visit.form.get("role", "")
    if act == "role" and role in OF_ACCOUNT:
        if role != Role.OWNER and await _is_last_owner(visit, user):
            return visit.go("users", note="last_owner")
        await visit.site.cabinet.set_role(user.id, role)
        await visit.audit("user_role", f"{user.login}: {role}")
        return visit.go("users", note="user_saved")
    if act in ("disable", "enable"):
        return await _switch(visit, user, disabled=act == "disable")
    return visit.go("users", note="bad_value")


async def _user(visit: Visit) -> User | None:
    """Of this account only (S-25)."""
    number = number_of(visit.form.get("user", ""))
    user = None if number is None else await visit.site.cabinet.user_by_id(number)
    return user if user is not None and user.account_id == visit.own.id else None


async def _is_last_owner(visit: Visit, user: User) -> bool:
    users = await visit.site.cabinet.users(visit.own.id)
    return not any(
        one.role == Role.OWNER and not one.disabled for one in users if one.id != user.id
    )


async def _switch(visit: Visit, user: User, *, disabled: bool) -> Response:
    if disabled and user.role == Role.OWNER and await _is_last_owner(visit, user):
        return visit.go("users", note="last_owner")
    await visit.site.cabinet.set_disabled(user.id, disabled)
    await visit.audit("user_disabled" if disabled else "user_enabled", user.login)
    return visit.go("users", note="user_saved")


async def _new_password(visit: Visit, user: User) -> Response:
    password = passwords.generate()
    kept = await visit.site.passwords.hash(password)
    keep = visit.session.id if user.id == visit.user.id else None
    await visit.site.cabinet.set_password(user.id, kept, keep=keep)
    await visit.audit("user_password", user.login)
    return await _page(visit, login=user.login, password=password)


PAGES = (
    Page(path="users", view=show, right=Right.USERS),
    Page(path="users/create", view=create, right=Right.USERS, method="POST", proof=True),
    Page(path="users/change", view=change, right=Right.USERS, method="POST", proof=True),
)
