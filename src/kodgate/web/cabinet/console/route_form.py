"""The form of an SMPP route: every field of its profile in people's words, and what was typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_type_hints

from kodgate.channels.smpp.names import status_name
from kodgate.channels.smpp.route import RouteProfile, load
from kodgate.web.cabinet.pages.security import Field
from kodgate.web.cabinet.words import N_

_ADDRESS = (
    Field(
        name="enabled",
        label=N_("В работе"),
        hint=N_("Выключено: маршрут хранится, но соединений не держит и коды не везёт."),
    ),
    Field(name="host", label=N_("Адрес SMSC"), hint=N_("Имя или IP-адрес, который дал оператор.")),
    Field(name="port", label=N_("Порт"), hint=N_("Обычно 2775, с TLS часто 3550.")),
    Field(name="system_id", label=N_("Логин (system_id)"), hint=N_("До 15 знаков.")),
    Field(
        name="password",
        label=N_("Пароль"),
        hint=N_("До 8 знаков. Хранится запечатанным и больше не показывается. Пусто: прежний."),
    ),
    Field(
        name="password_file",
        label=N_("Файл с паролем"),
        hint=N_("Вместо пароля: путь на каждом узле."),
    ),
    Field(name="tls", label="TLS", hint=N_("Сертификат сервера проверяется всегда.")),
    Field(
        name="ca_file",
        label=N_("Файл доверенных сертификатов"),
        hint=N_("PEM, если у SMSC свой центр сертификации. Пусто: системные."),
    ),
)
_BINDS = (
    Field(
        name="bind_type",
        label=N_("Вид соединения"),
        hint=N_("Большинство операторов даёт transceiver."),
        choices=(
            ("trx", N_("transceiver: одно на всё")),
            ("tx_rx", N_("transmitter и receiver парой")),
        ),
    ),
    Field(
        name="binds",
        label=N_("Соединений"),
        hint=N_("На все узлы вместе, сколько разрешил оператор."),
    ),
    Field(
        name="tps",
        label=N_("SMS в секунду"),
        hint=N_("На все соединения вместе. 0: без ограничения."),
    ),
    Field(
        name="window",
        label=N_("Окно"),
        hint=N_("Сколько SMS одного соединения ждут ответа сразу."),
    ),
)
_PHONES = (
    Field(
        name="prefixes",
        label=N_("Префиксы номеров"),
        hint=N_("Через пробел или по одному в строке, например 79 77. Пусто: все номера."),
    ),
    Field(
        name="priority",
        label=N_("Приоритет"),
        hint=N_(
            "От 1 до 100, меньше значит раньше. Не действует в зонах, которым маршруты назначены."
        ),
    ),
)
_SESSION = (
    Field(name="system_type", label="system_type", hint=N_("Слово, которое просят немногие SMSC.")),
    Field(name="interface_version", label="interface_version", hint=N_("52 значит SMPP 3.4.")),
    Field(
        name="enquire_link_s",
        label=N_("Проверка связи, с"),
        hint=N_("После такой тишины шлётся enquire_link."),
    ),
    Field(
        name="answer_timeout_s",
        label=N_("Ждать ответа, с"),
        hint=N_("Дольше: исход SMS считается неизвестным."),
    ),
    Field(
        name="connect_timeout_s",
        label=N_("Ждать соединения, с"),
        hint=N_("Вместе с установкой TLS."),
    ),
)
_TON = N_("Пусто: 5 для имени, 3 для короткого номера, 1 для длинного.")
_MESSAGE = (
    Field(
        name="service_type", label="service_type", hint=N_("Слово, которое просят немногие SMSC.")
    ),
    Field(name="source_ton", label=N_("TON отправителя"), hint=_TON),
    Field(
        name="source_npi",
        label=N_("NPI отправителя"),
        hint=N_("Пусто: 0 для имени и короткого номера, 1 для длинного."),
    ),
    Field(name="dest_ton", label=N_("TON получателя"), hint=N_("1: международный.")),
    Field(name="dest_npi", label=N_("NPI получателя"), hint=N_("1: E.164.")),
    Field(
        name="registered_delivery",
        label="registered_delivery",
        hint=N_("1: отчёт и об успехе, и о неудаче."),
    ),
    Field(
        name="default_alphabet",
        label=N_("Основной алфавит SMSC"),
        hint=N_("Что SMSC понимает под data_coding 0. Кириллица всегда идёт в UCS-2."),
        choices=(("gsm7", "GSM 03.38"), ("ascii", "ASCII"), ("latin1", "Latin-1")),
    ),
    Field(
        name="data_coding", label="data_coding", hint=N_("Для текста, что входит в этот алфавит.")
    ),
    Field(
        name="validity",
        label=N_("Как писать срок жизни"),
        choices=(
            ("relative", N_("относительный")),
            ("absolute", N_("абсолютный, UTC")),
            ("none", N_("не писать")),
        ),
    ),
    Field(
        name="validity_s",
        label=N_("Срок жизни SMS, с"),
        hint=N_("Дольше оператор не пытается: поздний код никому не нужен."),
    ),
)
_ANSWERS = (
    Field(
        name="ambiguity",
        label=N_("SMS без ответа SMSC"),
        choices=(
            ("at_least_once", N_("повторить один раз: может прийти дважды")),
            ("at_most_once", N_("не повторять: может не прийти")),
        ),
    ),
    Field(
        name="receipt_ids",
        label=N_("Номера в отчётах"),
        choices=(
            ("any", N_("в любом виде")),
            ("same", N_("точно как в ответе")),
            ("decimal", N_("десятичные, в ответах hex")),
            ("hex", N_("hex, в ответах десятичные")),
        ),
    ),
    Field(
        name="errors",
        label=N_("Свои коды ошибок"),
        hint=N_(
            "По одному в строке: код и значение, например 0x400 closed. Значения: permanent,"
            " closed, no_route, temporary, throttle."
        ),
    ),
)

SECTIONS: Mapping[str, tuple[Field, ...]] = {
    N_("Адрес и вход"): _ADDRESS,
    N_("Соединения и скорость"): _BINDS,
    N_("Какие номера везёт"): _PHONES,
    N_("Сессия SMPP"): _SESSION,
    N_("Что пишется в SMS"): _MESSAGE,
    N_("Ответы и отчёты"): _ANSWERS,
}
OPEN = (N_("Адрес и вход"), N_("Соединения и скорость"), N_("Какие номера везёт"))
"""Sections that everybody needs; the others open on demand."""

LONG = frozenset({"prefixes", "errors"})
"""Fields of several lines."""

NEW = RouteProfile(name="new", host="smsc", system_id="me")
"""Its defaults are those of a new route."""

LABELS = {
    "name": N_("Имя маршрута"),
    **{field.name: field.label for fields in SECTIONS.values() for field in fields},
}
"""What the form calls each field."""

_FIELDS = tuple(field.name for fields in SECTIONS.values() for field in fields)
_HINTS = get_type_hints(RouteProfile)


def texts(profile: RouteProfile) -> dict[str, str]:
    """What the form shows; never the password."""
    found = {name: _text(getattr(profile, name)) for name in _FIELDS}
    return found | {
        "name": profile.name,
        "password": "",
        "enabled": "yes" if profile.enabled else "",
        "tls": "yes" if profile.tls else "",
        "prefixes": " ".join(profile.prefixes),
        "errors": "\n".join(
            f"{status_name(status)} {word}" for status, word in profile.errors.items()
        ),
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(form: Mapping[str, str], *, name: str, password: str) -> RouteProfile:
    """The profile that a form asks for; `password`: the one that is saved. Raises ValueError
    naming the field."""
    values: dict[str, Any] = {field: _value(field, form.get(field, "")) for field in _FIELDS}
    values |= {"name": name, "password": form.get("password", "")}
    if not values["password"] and not values["password_file"]:
        values["password"] = password
    return load(json.dumps(values))


def _value(name: str, text: str) -> Any:
    """What `load` takes for the field."""
    hint, text = _HINTS[name], text.strip()
    if hint is bool:
        return text == "yes"
    if name == "prefixes":
        return text.replace(",", " ").split()
    if name == "errors":
        return dict(_pair(line) for line in text.splitlines() if line.strip())
    if hint in (int, float) or name in ("source_ton", "source_npi"):
        return None if not text and hint not in (int, float) else _number(name, hint, text)
    return text


def _number(name: str, hint: Any, text: str) -> float | int:
    try:
        if not text.isascii():
            raise ValueError
        return float(text.replace(",", ".")) if hint is float else int(text)
    except ValueError:
        raise ValueError(f"{name}: must be a number") from None


def _pair(line: str) -> tuple[str, str]:
    parts = line.replace("=", " ").split()
    if len(parts) != 2:
        raise ValueError(f"errors: {line.strip()[:40]!r} is not a status and a word")
    return parts[0], parts[1]
