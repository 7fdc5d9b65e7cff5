"""Безопасность: http_password and its rotation, who may call, the uniqueness check, where codes may
go and how many, blocked prefixes, and how answers are written."""

from __future__ import annotations

import dataclasses
import secrets
import string
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kodgate.core import pumping
from kodgate.core import settings as rules
from kodgate.core.accounts import AccountSettings, Secret
from kodgate.core.pumping import Block
from kodgate.store.requests import DAY_MS, Chosen
from kodgate.web.addresses import Networks
from kodgate.web.cabinet.pages.tariffs import Zone, zones_of
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_

OVERLAPS_H = {"24": 24, "1": 1, "0": 0}
VALID_MAX = 2
"""API secrets that may be valid at once: the new one and the one it replaces (D13)."""

BLOCKS_SHOWN = 100
SECRET_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting as people see it."""

    name: str
    label: str
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """Value and words; empty: a box to tick, or a text."""


def _yes(name: str, label: str, hint: str = "") -> Field:
    return Field(name=name, label=label, hint=hint)


ACCESS = (
    _yes(
        "http_enabled",
        N_("Разрешить отправку по HTTP"),
        N_("Выключено: все запросы получают ошибку 5."),
    ),
    _yes(
        "post_only",
        N_("Не принимать пароль в адресе (GET)"),
        N_("Адреса попадают в журналы прокси; пароль должен идти в теле POST."),
    ),
    Field(
        name="ip_allow",
        label=N_("Разрешённые IP-адреса"),
        hint=N_(
            "Адреса или сети, по одному в строке, например 203.0.113.7 или 198.51.100.0/24."
            " Пусто: любые."
        ),
    ),
)
UNIQUE = (
    _yes(
        "unique_message_ids",
        N_("Проверять уникальность message_id"),
        N_(
            "Повтор того же message_id получит ошибку 19 и номер первого пакета;"
            " второго списания не будет."
        ),
    ),
    Field(name="unique_days", label=N_("За сколько дней искать повтор"), hint=N_("От 1 до 365.")),
)
LIMITS = (
    Field(
        name="packets_per_phone_10min",
        label=N_("Кодов на один номер за 10 минут"),
        hint=N_("0: без ограничения. Сверх него ошибка 24."),
    ),
    Field(
        name="packets_per_phone_day",
        label=N_("Кодов на один номер за сутки"),
        hint=N_("0: без ограничения."),
    ),
    Field(
        name="packets_per_ip_10min",
        label=N_("Кодов с одного IP-адреса за 10 минут"),
        hint=N_("Адрес вашей программы. 0: без ограничения. Сверх него ошибка 24."),
    ),
    Field(
        name="spend_per_day",
        label=N_("Расход за сутки, не больше"),
        hint=N_(
            "Целые рубли за сутки UTC за вычетом возвратов. 0: без ограничения."
            " Сверх него ошибка 3."
        ),
    ),
    Field(name="code_length", label=N_("Цифр в создаваемом коде"), hint=N_("От 4 до 8.")),
    Field(
        name="code_retention_s",
        label=N_("Сколько секунд хранить код после конца"),
        hint=N_("После этого статус отвечает звёздочками."),
    ),
)
DIRECTIONS = (
    Field(
        name="zones_allowed",
        label=N_("Разрешённые ценовые зоны"),
        hint=N_(
            "Номера зон тарифа через запятую, например 1, 2. Пусто: все. Остальные: ошибка 109."
        ),
    ),
    Field(
        name="prefixes_allowed",
        label=N_("Разрешённые страны и префиксы"),
        hint=N_("Первые цифры номеров через запятую, например 7, 375. Пусто: любые."),
    ),
)
PUMPING = (
    Field(
        name="anti_pumping",
        label=N_("Защита от накрутки"),
        hint=N_(
            "Если коды на один префикс уходят, но не доходят, он закрывается: на час,"
            " затем на 12 часов, затем до разблокировки. Отказ бесплатен, ошибка 109."
        ),
        choices=(
            ("off", N_("выключена")),
            ("watch", N_("только наблюдать")),
            ("standard", N_("обычная: 20 не дошедших за 10 минут")),
            ("strict", N_("строгая: 10 не дошедших за 10 минут")),
        ),
    ),
)
COMPATIBILITY = (
    Field(
        name="missing_mode",
        label=N_("Запрос без mode"),
        choices=(
            ("reject", N_("отклонять, ошибка 101")),
            ("tele", N_("только Telegram")),
            ("tele_to_sms", N_("Telegram, затем SMS")),
            ("sms", N_("только SMS")),
        ),
    ),
    Field(
        name="txt_style",
        label=N_("Ответы txt"),
        choices=(
            ("kodgate", N_("ключ = значение")),
            ("seed", N_("ключ=значение, как в документе")),
        ),
    ),
    Field(
        name="charset",
        label=N_("Кодировка txt"),
        choices=(("utf-8", "UTF-8"), ("cp1251", "Windows-1251")),
    ),
    Field(
        name="decimal_separator",
        label=N_("Дробная часть денег"),
        choices=(("seed", N_("как в документе")), ("comma", N_("запятая")), ("point", N_("точка"))),
    ),
    Field(
        name="timezone",
        label=N_("Часовой пояс"),
        hint=N_("Для delivered_date в ответах и для времени в кабинете, например Europe/Moscow."),
    ),
    _yes("emit_message_text", N_("Добавлять ключ message_text")),
    _yes("accept_user_packet_id", N_("Искать статус и по своему ID пакета")),
)

SECTIONS: dict[str, tuple[Field, ...]] = {
    "access": ACCESS,
    "unique": UNIQUE,
    "directions": DIRECTIONS,
    "limits": LIMITS,
    "pumping": PUMPING,
    "compatibility": COMPATIBILITY,
}
"""What a form may change: anything else in it is not looked at (S-112)."""

TITLES = {
    "access": N_("Доступ программ"),
    "unique": N_("Защита от повторов"),
    "directions": N_("Куда можно отправлять"),
    "limits": N_("Ограничения"),
    "pumping": N_("Накрутка трафика"),
    "compatibility": N_("Совместимость"),
}


async def show(visit: Visit) -> Response:
    return await _page(visit, visit.own.settings)


async def _page(
    visit: Visit, settings: AccountSettings, *, blocked: int = 0, secret: str = ""
) -> Response:
    journal, now = visit.site.journal, visit.site.engine.clock.now()
    await journal.flush()
    day = Chosen(since=now - DAY_MS, until=now + 1)
    return visit.page(
        "security.html",
        sections=SECTIONS,
        titles=TITLES,
        settings=settings,
        secrets=_valid(visit),
        secret=secret,
        blocked=blocked,
        in_url=await journal.store.in_url(visit.own.id, day),
        last=await journal.store.last_done(visit.own.id),
        days=journal.days,
        overlaps=_overlaps(visit),
        zones=await _zones(visit),
        blocks=await _blocks(visit),
        now=visit.site.engine.clock.now(),
    )


async def _zones(visit: Visit) -> list[Zone]:
    """Of the tariff that is in force."""
    tariff = await visit.site.engine.accounts.tariff(visit.own.tariff)
    return [] if tariff is None else zones_of(tariff)


async def _blocks(visit: Visit) -> list[Block]:
    """In force, or lifted a short time ago."""
    now = visit.site.engine.clock.now()
    found = await visit.site.engine.blocks.of_account(visit.own.id, limit=BLOCKS_SHOWN)
    return [block for block in found if block.is_on(now) or block.is_safe(now)]


def _valid(visit: Visit) -> list[Secret]:
    now = visit.site.engine.clock.now()
    return [s for s in visit.own.secrets if s.expires_at is None or s.expires_at > now]


def _overlaps(visit: Visit) -> list[tuple[str, str]]:
    text = visit.writer.text
    return [
        ("24", text("ещё 24 часа")),
        ("1", text("ещё час")),
        ("0", text("закончить сразу")),
    ]


async def change(visit: Visit) -> Response:
    """One section of settings; takes effect with the next request."""
    name = visit.form.get("section", "")
    if name not in SECTIONS:
        return visit.site.refuse(visit, 403)
    try:
        wanted = _wanted(visit, SECTIONS[name])
    except ValueError:
        return visit.go("security", note="bad_value")
    blocked = await _would_block(visit, wanted.ip_allow) if name == "access" else 0
    if blocked and visit.form.get("sure") != "yes":
        return await _page(visit, wanted, blocked=blocked)
    changed = _differences(visit.own.settings, wanted)
    await visit.site.engine.store.change_account(visit.own.id, settings=wanted)
    visit.site.engine.accounts.forget()
    await visit.audit("settings", ", ".join(changed))
    return visit.go("security", note="saved")


def _wanted(visit: Visit, fields: tuple[Field, ...]) -> AccountSettings:
    """Raises ValueError."""
    values: dict[str, Any] = {}
    for field in fields:
        text = visit.form.get(field.name, "").strip()
        if isinstance(getattr(visit.own.settings, field.name), bool):
            text = "yes" if text == "yes" else "no"
        values[field.name] = rules.parse(field.name, _one_line(text))
    return dataclasses.replace(visit.own.settings, **values)


def _one_line(text: str) -> str:
    return ",".join(part.strip() for part in text.splitlines())


async def _would_block(visit: Visit, networks: tuple[str, ...]) -> int:
    """How many of a day's requests, as far as they were written down, this list would have
    refused."""
    if not networks:
        return 0
    allowed, now = Networks(networks), visit.site.engine.clock.now()
    await visit.site.journal.flush()
    day = Chosen(since=now - DAY_MS, until=now + 1)
    found = await visit.site.journal.store.tally(visit.own.id, day, by="ip")
    return sum(count for ip, count in found if ip not in allowed)


def _differences(old: AccountSettings, new: AccountSettings) -> list[str]:
    names = (field.name for field in dataclasses.fields(AccountSettings))
    return [f"{n}={getattr(new, n)}" for n in names if getattr(new, n) != getattr(old, n)]


async def rotate(visit: Visit) -> Response:
    """A new http_password, shown once; the old one goes on for the chosen time."""
    hours = OVERLAPS_H.get(visit.form.get("overlap", ""))
    if hours is None:
        return visit.go("security", note="bad_value")
    if hours and len(_valid(visit)) >= VALID_MAX:
        return visit.go("security", note="two_secrets")
    site, now = visit.site, visit.site.engine.clock.now()
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
    await site.engine.store.add_secret(
        visit.own.id,
        site.keyring.secret_digest(secret),
        at=now,
        others_expire_at=now + hours * 3_600_000,
    )
    site.engine.accounts.forget()
    await visit.audit("secret", f"overlap {hours} h")
    fresh = await site.engine.store.account_by_id(visit.own.id)
    assert fresh is not None
    visit.account = fresh
    return await _page(visit, fresh.settings, secret=secret)


async def unblock(visit: Visit) -> Response:
    """A prefix takes codes again, and is not judged for a day."""
    engine = visit.site.engine
    block = await engine.blocks.of_prefix(visit.own.id, visit.form.get("prefix", ""))
    if block is None:
        return visit.go("security", note="bad_value")
    await engine.blocks.save(pumping.released(block, engine.clock.now()))
    await engine.guard.look()
    await visit.audit("prefix_unblocked", f"{block.prefix}****")
    return visit.go("security", note="prefix_unblocked")


PAGES = (
    Page(path="security", view=show, right=Right.SETTINGS),
    Page(path="security/settings", view=change, right=Right.SETTINGS, method="POST", proof=True),
    Page(path="security/unblock", view=unblock, right=Right.SETTINGS, method="POST", proof=True),
    Page(path="security/secret", view=rotate, right=Right.SETTINGS, method="POST", proof=True),
)
