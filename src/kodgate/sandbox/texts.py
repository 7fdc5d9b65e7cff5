"""The inbox's words in Russian and English."""

from __future__ import annotations

import re

LANGUAGES = ("ru", "en")

RU: dict[str, str] = {
    "title": "Входящие стенда",
    "lead": "Всё, что пришло на тестовые телефоны. Наружу ничего не уходит.",
    "live": "Обновляется само",
    "lost": "Связь прервана, переподключение",
    "still": "Обновите страницу, чтобы увидеть новое",
    "find": "Телефон",
    "show": "Показать",
    "all": "Все телефоны",
    "clear": "Очистить",
    "empty": "Кодов пока нет",
    "empty_hint": "Отправьте код на любой номер: он появится здесь сам. Номера с готовыми исходами"
    " перечислены ниже.",
    "empty_phone": "На этот номер ещё ничего не приходило.",
    "telegram": "Telegram",
    "sms": "SMS",
    "read": "Прочитать",
    "expire": "Пусть истечёт",
    "next": "Исход следующего кода",
    "as_usual": "как обычно",
    "set": "Задать",
    "planned": "Задано для следующего кода",
    "until": "до",
    "from": "от",
    "refunded": "деньги возвращены",
    "phones": "Тестовые телефоны",
    "phones_lead": "Совпадают точно. Любой другой номер получает код через 1 с, читает через 3 с.",
    "number": "Номер",
    "new": "Новое на",
    "language": "Язык",
    "other_language": "English",
    "skip": "К содержанию",
    "stale_form": "Страница устарела",
    "stale_form_hint": "Откройте её заново и повторите.",
    "back": "Назад ко входящим",
    "state:sent": "отправлено",
    "state:delivered": "доставлено",
    "state:read": "прочитано",
    "state:expired": "истекло, не доставлено",
    "state:undelivered": "не доставлено",
    "state:sms_delivered": "доставлено",
    "refusal:PHONE_NUMBER_NOT_AVAILABLE": "номера нет в Telegram",
    "refusal:BALANCE_NOT_ENOUGH": "кончились деньги в Telegram",
    "refusal:MESSAGE_ALREADY_SENT": "повтор уже отправленного",
    "refusal:rejected": "SMS отклонено оператором",
    "refusal:invalid": "SMS: неверный номер",
    "refusal:other": "отказ",
    "telegram:read": "прочитано через 3 с",
    "telegram:read_fast": "прочитано через 1 с",
    "telegram:unread": "доставлено, не прочитано",
    "telegram:absent": "номера нет в Telegram",
    "telegram:undelivered": "не доставлено, истекает",
    "telegram:late": "доставлено после истечения",
    "telegram:flood": "FLOOD_WAIT_3, затем прочитано",
    "telegram:slow": "каждый ответ через 20 с",
    "telegram:lost": "ответ на отправку потерян, прочитано",
    "telegram:custom": "свой сценарий",
    "sms:delivered": "доставлено",
    "sms:undeliverable": "не доставлено",
    "sms:rejected": "отклонено оператором",
    "sms:invalid": "неверный номер",
    "sms:silent": "отчёт не приходит",
    "sms:custom": "свой сценарий",
}

EN: dict[str, str] = {
    "title": "Sandbox inbox",
    "lead": "Everything that reached the test phones. Nothing leaves this machine.",
    "live": "Live",
    "lost": "Connection lost, reconnecting",
    "still": "Reload the page to see what is new",
    "find": "Phone",
    "show": "Show",
    "all": "All phones",
    "clear": "Clear",
    "empty": "No codes yet",
    "empty_hint": "Send a code to any number: it appears here by itself. Numbers with scripted"
    " outcomes are listed below.",
    "empty_phone": "Nothing has come to this number yet.",
    "telegram": "Telegram",
    "sms": "SMS",
    "read": "Read it",
    "expire": "Let it expire",
    "next": "Outcome of the next code",
    "as_usual": "as usual",
    "set": "Set",
    "planned": "Set for the next code",
    "until": "until",
    "from": "from",
    "refunded": "money returned",
    "phones": "Test phones",
    "phones_lead": "Matched exactly. Any other number gets its code after 1 s and reads it"
    " after 3 s.",
    "number": "Number",
    "new": "New on",
    "language": "Language",
    "other_language": "Русский",
    "skip": "Skip to content",
    "stale_form": "This page is out of date",
    "stale_form_hint": "Open it again and repeat.",
    "back": "Back to the inbox",
    "state:sent": "sent",
    "state:delivered": "delivered",
    "state:read": "read",
    "state:expired": "expired, not delivered",
    "state:undelivered": "not delivered",
    "state:sms_delivered": "delivered",
    "refusal:PHONE_NUMBER_NOT_AVAILABLE": "not on Telegram",
    "refusal:BALANCE_NOT_ENOUGH": "the Telegram balance is empty",
    "refusal:MESSAGE_ALREADY_SENT": "a repeat of what was sent",
    "refusal:rejected": "SMS rejected by the operator",
    "refusal:invalid": "SMS: invalid number",
    "refusal:other": "refused",
    "telegram:read": "read after 3 s",
    "telegram:read_fast": "read after 1 s",
    "telegram:unread": "delivered, never read",
    "telegram:absent": "not on Telegram",
    "telegram:undelivered": "never delivered, expires",
    "telegram:late": "delivered after it has expired",
    "telegram:flood": "FLOOD_WAIT_3, then read",
    "telegram:slow": "every answer after 20 s",
    "telegram:lost": "answer to the send lost, read",
    "telegram:custom": "a script of your own",
    "sms:delivered": "delivered",
    "sms:undeliverable": "undeliverable",
    "sms:rejected": "rejected by the operator",
    "sms:invalid": "invalid number",
    "sms:silent": "no receipt comes",
    "sms:custom": "a script of your own",
}

WORDS = {"ru": RU, "en": EN}

_RANGE = re.compile(r"\s*([A-Za-z]{2})[A-Za-z-]*\s*(?:;\s*q=([01](?:\.[0-9]{1,3})?)\s*)?")


def language(asked: str, accepted: str) -> str:
    """`asked`: the page's own choice; `accepted`: an Accept-Language header. Russian or English."""
    if asked in LANGUAGES:
        return asked
    best, best_weight = "en", 0.0
    for part in accepted[:200].split(","):
        found = _RANGE.fullmatch(part)
        if found is None or found[1].lower() not in LANGUAGES:
            continue
        weight = float(found[2] or 1)
        if weight > best_weight:
            best, best_weight = found[1].lower(), weight
    return best
