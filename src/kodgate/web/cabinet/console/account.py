"""One account: block, settings, secrets, money in and corrections, its operations and people."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_urlsafe
from typing import Any

from starlette.responses import Response

from kodgate.core import ledger, settings
from kodgate.core.accounts import Account, AccountSettings, AccountStatus, Secret
from kodgate.core.money import MONEY_MAX
from kodgate.core.tariff_csv import printed
from kodgate.core.types import Transfer
from kodgate.store import AlreadyBooked
from kodgate.web.cabinet import passwords, words
from kodgate.web.cabinet.console import proposing
from kodgate.web.cabinet.console.accounts import LOGIN, amount, tariff_names
from kodgate.web.cabinet.console.desk import act, desk, look, record
from kodgate.web.cabinet.pages import security
from kodgate.web.cabinet.pages.security import Field
from kodgate.web.cabinet.roles import OF_ACCOUNT, Role
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import View, Visit
from kodgate.web.cabinet.words import N_

LEDGER_ROWS = 15
TEXT_MAX = 200
HOUR_MS = 3_600_000

OPERATORS = (
    Field(
        name="sender", label=N_("Имя отправителя SMS"), hint=N_("Зарегистрированное у маршрута.")
    ),
    Field(
        name="template",
        label=N_("Шаблон SMS"),
        hint=N_("Одна часть SMS, {code} ровно один раз."),
    ),
    Field(name="telegram_allowed", label=N_("Telegram разрешён")),
    Field(
        name="telegram_success",
        label=N_("Успех в Telegram"),
        choices=(("read", N_("прочитано")), ("delivered", N_("доставлено"))),
    ),
    Field(
        name="fallback_funds",
        label=N_("Деньги на переотправку"),
        choices=(
            ("reserve", N_("резервируются сразу")),
            ("overdraft", N_("могут уйти в минус")),
        ),
    ),
)
"""Settings that only an operator changes; the rest is the client's own, from its pages."""

SECTIONS: Mapping[str, tuple[Field, ...]] = {"operator": OPERATORS, **security.SECTIONS}
TITLES = {"operator": N_("Отправка"), **security.TITLES}


def of_account(view: Callable[[Visit, Account], Awaitable[Response]]) -> View:
    """A view that is given the account that the address names; 404 where there is none."""

    async def find(visit: Visit) -> Response:
        number = number_of(visit.request.path_params["account_id"])
        found = None
        if number is not None:
            found = await visit.site.engine.store.account_by_id(number)
        if found is None:
            return visit.site.refuse(visit, 404)
        return await view(visit, found)

    return find


async def show(visit: Visit, account: Account) -> Response:
    return await _page(visit, account)


async def _page(
    visit: Visit, account: Account, *, secret: str = "", password: tuple[str, str] | None = None
) -> Response:
    """`secret`, `password`: just made, shown this once."""
    store, before = visit.site.engine.store, number_of(visit.query.get("before", ""), most=2**53)
    entries = await store.ledger(account.id, before_id=before, limit=LEDGER_ROWS + 1)
    names = await tariff_names(visit)
    return visit.page(
        "console/account.html",
        account=account,
        place=f"accounts/{account.id}",
        names=[(name, name) for name in sorted({account.tariff, *names})],
        limit=printed(account.credit_limit),
        spendable=account.balance - account.held + account.credit_limit,
        sections=SECTIONS,
        titles=TITLES,
        secrets=_valid(visit, account),
        secret=secret,
        password=password,
        entries=entries[:LEDGER_ROWS],
        more=entries[LEDGER_ROWS - 1].id if len(entries) > LEDGER_ROWS else None,
        users=await visit.site.cabinet.users(account.id),
        roles=[(role.value, visit.writer.text(words.ROLES[role.value])) for role in OF_ACCOUNT],
        before=before,
        alone_max=desk(visit).facts.alone_max,
        proposals=await desk(visit).proposals.waiting(account.id),
        logins={account.id: account.login},
        once=token_urlsafe(16),
    )


def _valid(visit: Visit, account: Account) -> list[Secret]:
    now = visit.site.engine.clock.now()
    return [one for one in account.secrets if one.expires_at is None or one.expires_at > now]


# Who it is and what it may


async def change(visit: Visit, account: Account) -> Response:
    """Status, tariff and credit limit."""
    form, place = visit.form, f"accounts/{account.id}"
    limit, tariff = amount(form.get("credit_limit", "")), form.get("tariff", "")
    known = {account.tariff, *await tariff_names(visit)}
    if limit is None or not 0 <= limit <= MONEY_MAX or tariff not in known:
        return visit.go(place, note="bad_value")
    if limit > account.credit_limit and ledger.needs_two(limit, desk(visit).facts.alone_max):
        return visit.go(place, note="limit_needs_two")
    await visit.site.engine.store.change_account(account.id, credit_limit=limit, tariff=tariff)
    visit.site.engine.accounts.forget()
    detail = f"{account.login}: {tariff}, limit {printed(limit)}"
    await record(visit, "account_changed", detail, account)
    return visit.go(place, note="saved")


async def block(visit: Visit, account: Account) -> Response:
    """New requests get error 2; what was accepted goes on to its end (D16)."""
    status = AccountStatus.BLOCKED
    if account.status is AccountStatus.BLOCKED:
        status = AccountStatus.ACTIVE
    await visit.site.engine.store.change_account(account.id, status=status)
    visit.site.engine.accounts.forget()
    word = "account_blocked" if status is AccountStatus.BLOCKED else "account_unblocked"
    await record(visit, word, account.login, account)
    return visit.go(f"accounts/{account.id}", note=word)


async def resume(visit: Visit, account: Account) -> Response:
    """Lifts what a broken rule has stopped (D16)."""
    if await visit.site.engine.store.resume_account(account.id):
        detail = f"{account.login}: {account.stopped_why}"
        await record(visit, "account_resumed", detail, account)
    return visit.go(f"accounts/{account.id}", note="account_resumed")


async def set_settings(visit: Visit, account: Account) -> Response:
    """One section; what is not in it is not looked at (S-112)."""
    place, fields = f"accounts/{account.id}", SECTIONS.get(visit.form.get("section", ""))
    if fields is None:
        return visit.site.refuse(visit, 403)
    try:
        wanted = _wanted(account.settings, fields, visit.form)
    except ValueError:
        return visit.go(place, note="bad_value")
    await visit.site.engine.store.change_account(account.id, settings=wanted)
    visit.site.engine.accounts.forget()
    await record(visit, "settings", _changes(account.settings, wanted), account)
    return visit.go(place, note="saved")


def _wanted(
    old: AccountSettings, fields: tuple[Field, ...], form: Mapping[str, str]
) -> AccountSettings:
    """Raises ValueError."""
    values: dict[str, Any] = {}
    for field in fields:
        text = ",".join(part.strip() for part in form.get(field.name, "").splitlines())
        if isinstance(getattr(old, field.name), bool):
            text = "yes" if text == "yes" else "no"
        values[field.name] = settings.parse(field.name, text)
    return dataclasses.replace(old, **values)


def _changes(old: AccountSettings, new: AccountSettings) -> str:
    names = (field.name for field in dataclasses.fields(AccountSettings))
    return ", ".join(f"{n}={getattr(new, n)}" for n in names if getattr(new, n) != getattr(old, n))


# Secrets and people


async def add_secret(visit: Visit, account: Account) -> Response:
    """Shown once, on the page that answers; the old one goes on for the chosen time (D13)."""
    hours = security.OVERLAPS_H.get(visit.form.get("overlap", ""))
    if hours is None:
        return visit.go(f"accounts/{account.id}", note="bad_value")
    if hours and len(_valid(visit, account)) >= security.VALID_MAX:
        return visit.go(f"accounts/{account.id}", note="two_secrets")
    store, now = visit.site.engine.store, visit.site.engine.clock.now()
    secret = passwords.generate()
    digest = visit.site.keyring.secret_digest(secret)
    ends_at = now + hours * HOUR_MS
    await store.add_secret(account.id, digest, at=now, others_expire_at=ends_at)
    visit.site.engine.accounts.forget()
    await record(visit, "secret", f"overlap {hours} h", account)
    fresh = await store.account_by_id(account.id)
    assert fresh is not None
    return await _page(visit, fresh, secret=secret)


async def add_user(visit: Visit, account: Account) -> Response:
    """Somebody of the client who may sign in to the cabinet; the password is shown once."""
    place, login = f"accounts/{account.id}", visit.form.get("login", "").strip().lower()
    role = visit.form.get("role", "")
    if not LOGIN.fullmatch(login):
        return visit.go(place, note="bad_login")
    if role not in {each.value for each in OF_ACCOUNT}:
        return visit.go(place, note="bad_value")
    password = passwords.generate()
    try:
        await visit.site.cabinet.create_user(
            account_id=account.id,
            login=login,
            role=Role(role).value,
            password=await visit.site.passwords.hash(password),
            at=visit.site.wall_ms(),
        )
    except ValueError:
        return visit.go(place, note="login_taken")
    await record(visit, "user_created", f"{login}, {role}", account)
    return await _page(visit, account, password=(login, password))


# Money


async def top_up(visit: Visit, account: Account) -> Response:
    """Money in, under a document that is booked once for an account."""
    place, value = f"accounts/{account.id}", amount(visit.form.get("amount", ""))
    document, comment = _text(visit, "document"), _text(visit, "comment")
    if value is None or value <= 0 or not document or not _fits(account, value):
        return visit.go(place, note="bad_payment")
    if await desk(visit).readings.has_document(account.id, document):
        return visit.go(place, note="same_document")
    if not await _alone(visit, account, value):
        return await proposing.propose(visit, account, "topup", value, document, comment)
    transfer = ledger.top_up(account.id, value)
    try:
        await _post(visit, account, transfer, document=document, comment=comment)
    except AlreadyBooked:
        return visit.go(place, note="same_document")
    await record(visit, "topup", f"{printed(value)}, {document}", account)
    return visit.go(place, note="posted")


async def adjust(visit: Visit, account: Account) -> Response:
    """A correction with either sign and its reason: operations are never edited."""
    place, value = f"accounts/{account.id}", amount(visit.form.get("amount", ""))
    document, comment = _text(visit, "document"), _text(visit, "comment")
    if not value or not comment or not _fits(account, value):
        return visit.go(place, note="bad_adjustment")
    once = visit.form.get("once", "")[:TEXT_MAX]
    if not once:
        return visit.go(place, note="same_form")
    transfer = ledger.adjustment(account.id, value)
    try:
        if not await _alone(visit, account, value):
            return await proposing.propose(
                visit, account, "adjustment", value, document, comment, once=once
            )
        await _post(visit, account, transfer, document=document, comment=comment, once=once)
    except AlreadyBooked:
        return visit.go(place, note="same_form")
    await record(visit, "adjustment", f"{printed(value)}, {comment}", account)
    return visit.go(place, note="posted")


async def _alone(visit: Visit, account: Account, value: int) -> bool:
    """Whether this operator may book it without another one."""
    most, site = desk(visit).facts.alone_max, visit.site
    return most is None or await desk(visit).proposals.alone(
        account_id=account.id, actor=visit.user.login, amount=value, at=site.wall_ms(), most=most
    )


def _fits(account: Account, value: int) -> bool:
    """Whether the balance stays within what the books hold (S-125)."""
    return abs(account.balance + value) <= MONEY_MAX


async def _post(
    visit: Visit,
    account: Account,
    transfer: Transfer,
    *,
    document: str,
    comment: str,
    once: str = "",
) -> None:
    """Raises AlreadyBooked."""
    now = visit.site.engine.clock.now()
    await visit.site.engine.store.post(
        account.id, transfer, at=now, document=document, comment=comment, once=once
    )


def _text(visit: Visit, name: str) -> str:
    """One printable line."""
    return " ".join(visit.form.get(name, "").split())[:TEXT_MAX]


PAGES = (
    look("accounts/{account_id}", of_account(show)),
    act("accounts/{account_id}/change", of_account(change), proof=True),
    act("accounts/{account_id}/block", of_account(block), proof=True),
    act("accounts/{account_id}/resume", of_account(resume), proof=True),
    act("accounts/{account_id}/settings", of_account(set_settings), proof=True),
    act("accounts/{account_id}/secret", of_account(add_secret), proof=True),
    act("accounts/{account_id}/user", of_account(add_user), proof=True),
    act("accounts/{account_id}/topup", of_account(top_up), proof=True),
    act("accounts/{account_id}/adjust", of_account(adjust), proof=True),
)
