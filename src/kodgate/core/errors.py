"""The error table: one row an error, for every dialect, the SDK and the docs.

Rows stand in order of precedence: where several apply, the upper row is the answer. Numbers up to
24 are the provider's (protocol.md 4.1); from 101 on they are ours (free in every known client).
English texts keep to what a strict INI reader takes (ruling D-5: no brackets, no `!`, no `off`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """One row: how an error is told to machines (`number`, `name`) and to people (`en`, `ru`)."""

    number: int
    name: str
    en: str
    ru: str
    retryable: bool = False
    """The same request may succeed later."""
    shows_balance: bool = False
    """Whether the caller has proved who he is, so that balances may be printed (O-28)."""
    kind: str = "request"
    """The SDK's exception class: request, authentication, access, funds, recipient, code,
    duplicate, not_found, unavailable, limit, confirm."""
    native_status: int = 400
    """The HTTP status on ways of our own (`/confirm` excepted, which speaks the JSON service's
    manner); the documented services always answer 200 (W-24, D-7)."""


def _row(number: int, name: str, en: str, ru: str, **more: object) -> ErrorCode:
    return ErrorCode(number=number, name=name, en=en, ru=ru, **more)  # type: ignore[arg-type]


OK = _row(0, "OK", "OK", "Данные приняты системой", native_status=200, shows_balance=True)

TABLE: tuple[ErrorCode, ...] = (
    _row(111, "BAD_JSON", "Bad JSON", "Тело запроса не является объектом JSON"),
    _row(4, "BLOCKED_IP", "Blocked IP", "IP адрес заблокирован", kind="access", native_status=403),
    _row(
        22,
        "EMPTY_LOGIN",
        "Empty login",
        "Не указан логин http_username",
        kind="authentication",
        native_status=401,
    ),
    _row(
        21,
        "EMPTY_PASSWORD",
        "Empty password",
        "Не указан пароль http_password",
        kind="authentication",
        native_status=401,
    ),
    _row(
        1,
        "BAD_CREDENTIALS",
        "Error login or password",
        "Неверный логин или пароль",
        kind="authentication",
        native_status=401,
    ),
    _row(
        2, "BLOCKED_USER", "Blocked user", "Доступ заблокирован", kind="access", native_status=403
    ),
    _row(
        9,
        "BLOCKED_MODERATOR",
        "Blocked moderator ID",
        "Доступ модератору закрыт",
        kind="access",
        native_status=403,
    ),
    _row(
        5,
        "HTTP_DISABLED",
        "HTTP not enabled",
        "Персональные настройки запрещают отправку по HTTP",
        kind="access",
        native_status=403,
    ),
    _row(
        6,
        "IP_NOT_ALLOWED",
        "This server IP not enabled",
        "IP-адрес не указан в персональных настройках",
        kind="access",
        native_status=403,
    ),
    _row(
        17,
        "BUSY",
        "Error multi access",
        "Процедура отправки занята",
        retryable=True,
        kind="unavailable",
        native_status=429,
    ),
    _row(105, "BAD_PARAMETER", "Bad parameter", "Неверное значение параметра", shows_balance=True),
    _row(101, "BAD_MODE", "Bad mode", "Неверный режим mode", shows_balance=True),
    _row(
        12,
        "EMPTY_PHONE",
        "Empty phone list",
        "Не заданы адресаты phone_list",
        shows_balance=True,
        kind="recipient",
    ),
    _row(
        106,
        "MANY_PHONES",
        "Only one phone allowed",
        "Допускается только один адресат",
        shows_balance=True,
        kind="recipient",
    ),
    _row(
        10,
        "BAD_PHONE",
        "Error manual phone list",
        "Недопустимые символы в адресатах phone_list",
        shows_balance=True,
        kind="recipient",
    ),
    _row(
        103,
        "CODES_DIFFER",
        "Code and message differ",
        "Параметры code и message различаются",
        shows_balance=True,
        kind="code",
    ),
    _row(
        102,
        "BAD_CODE",
        "Bad code",
        "Код верификации должен состоять из 4-8 цифр",
        shows_balance=True,
        kind="code",
    ),
    _row(
        11,
        "EMPTY_MESSAGE",
        "Empty message text",
        "Не задан текст сообщения message",
        shows_balance=True,
        kind="code",
    ),
    _row(
        104,
        "BAD_VALID_PERIOD",
        "Bad valid_period",
        "Параметр valid_period должен быть от 30 до 36000",
        shows_balance=True,
    ),
    _row(
        23,
        "BAD_SENDER",
        "Invalid from phone",
        "Недозволительное имя отправителя",
        shows_balance=True,
    ),
    _row(
        109,
        "ZONE_CLOSED",
        "Zone is closed",
        "Направление закрыто",
        shows_balance=True,
        kind="recipient",
    ),
    _row(
        110,
        "UNREACHABLE",
        "Telegram unreachable",
        "Абонент недоступен в Telegram",
        shows_balance=True,
        kind="recipient",
    ),
    _row(108, "NO_ID", "Id is missing", "Не указан идентификатор", kind="request"),
    _row(
        107,
        "NOT_FOUND",
        "Message not found",
        "Сообщение с указанным ID отсутствует",
        kind="not_found",
        native_status=404,
    ),
    _row(
        24,
        "FLOOD",
        "Flood control",
        "Слишком частая отправка на этот номер",
        shows_balance=True,
        retryable=True,
        kind="limit",
        native_status=429,
    ),
    _row(
        13,
        "UNAVAILABLE",
        "Stop service",
        "Сервис временно недоступен",
        retryable=True,
        kind="unavailable",
        native_status=503,
    ),
    _row(
        19,
        "DUPLICATE",
        "Duplicate message",
        "Данное сообщение дублирует предыдущее",
        shows_balance=True,
        kind="duplicate",
        native_status=409,
    ),
    _row(
        3,
        "NO_FUNDS",
        "Insufficient funds",
        "На счёте недостаточно средств",
        shows_balance=True,
        kind="funds",
        native_status=402,
    ),
    _row(112, "CONFIRM_WRONG", "Wrong code", "Код не совпадает", kind="confirm"),
    _row(113, "CONFIRM_USED", "Code already used", "Код уже использован", kind="confirm"),
    _row(114, "CONFIRM_EXHAUSTED", "Too many tries", "Исчерпано число попыток", kind="confirm"),
)

BY_NAME = {row.name: row for row in TABLE} | {"OK": OK}
BY_NUMBER = {row.number: row for row in TABLE} | {0: OK}
PRECEDENCE = {row.name: place for place, row in enumerate(TABLE)}


class Refused(Exception):
    """A request that is not done, for a reason of the table; nothing was stored or charged."""

    def __init__(self, name: str, *, packet_id: int | None = None, why: str = "") -> None:
        super().__init__(name)
        self.error = BY_NAME[name]
        self.packet_id = packet_id
        """The first packet's id, with DUPLICATE (D14)."""
        self.balance: int | None = None
        """What the dialect may print where `error.shows_balance`; with error 3: the spendable."""
        self.why = why
        """The human reason for the request log; never shown on the wire, never a secret."""


class InDoubt(Exception):
    """A commit may or may not have happened: no answer may be given (D6)."""
