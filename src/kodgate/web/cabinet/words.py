"""What the gateway's own words are called in front of people. Russian; catalogues translate."""

from __future__ import annotations

from collections.abc import Iterable


def N_(text: str) -> str:  # noqa: N802  (gettext's own name: it marks a text to be translated)
    return text


STATES = {
    "queued": N_("в очереди"),
    "sent": N_("отправлено"),
    "delivered": N_("доставлено, не прочитано"),
    "confirmed": N_("доставлено"),
    "failed": N_("не доставлено"),
    "expired": N_("время вышло"),
}

TONES = {
    "queued": "wait",
    "sent": "wait",
    "delivered": "wait",
    "confirmed": "good",
    "failed": "bad",
    "expired": "bad",
}
"""How a state looks: always beside its word and sign, never alone."""

SIGNS = {"wait": "…", "good": "✓", "bad": "✕", "info": "i", "money": "₽"}

CHANNELS = {"telegram": "Telegram", "sms": "SMS"}


def channels(names: Iterable[str]) -> str:
    return ", ".join(CHANNELS.get(name, name) for name in names)


KINDS = {
    "charge": N_("списание"),
    "refund": N_("возврат"),
    "topup": N_("пополнение"),
    "adjustment": N_("корректировка"),
}

ROLES = {
    "owner": N_("владелец"),
    "developer": N_("разработчик"),
    "finance": N_("бухгалтер"),
    "support": N_("поддержка"),
    "operator": N_("оператор шлюза"),
}

ROLE_HINTS = {
    "owner": N_("всё, включая пользователей"),
    "developer": N_("сообщения, журнал запросов, тест и безопасность; без денег"),
    "finance": N_("сообщения и деньги; без кодов и настроек"),
    "support": N_("сообщения и журнал; номера и коды скрыты"),
}

REASONS = {
    "rejected": N_("поставщик не принял сообщение"),
    "closed": N_("направление закрыто"),
    "no_route": N_("нет маршрута на этот номер"),
    "unknown": N_("поставщик не ответил, чем кончилось"),
    "undelivered": N_("поставщик не смог доставить"),
    "unread": N_("не прочитано в срок"),
    "cancelled": N_("отменено: код уже введён или прочитан"),
    "discarded": N_("снято оператором шлюза"),
}

SOURCES = {
    "send": N_("ответ поставщика"),
    "prepare": N_("ответ поставщика"),
    "poll": N_("опрос поставщика"),
    "callback": N_("уведомление поставщика"),
    "receipt": N_("отчёт о доставке"),
    "deadline": N_("срок ожидания"),
    "confirm": N_("введённый код"),
}

AUDIT = {
    "sign_in": N_("вход"),
    "sign_in_failed": N_("неудачный вход"),
    "sign_out": N_("выход"),
    "reveal": N_("показаны номер и код"),
    "secret": N_("новый http_password"),
    "settings": N_("изменены настройки"),
    "password": N_("изменён пароль кабинета"),
    "totp_on": N_("включён второй фактор"),
    "totp_off": N_("выключен второй фактор"),
    "recovery": N_("вход по резервному коду"),
    "session": N_("завершён сеанс"),
    "user_created": N_("добавлен пользователь"),
    "user_role": N_("изменена роль"),
    "user_disabled": N_("пользователь отключён"),
    "user_enabled": N_("пользователь включён"),
    "user_password": N_("новый пароль пользователя"),
    "export": N_("выгрузка операций"),
    "view_as": N_("просмотр от имени клиента"),
    "test_send": N_("отправка со страницы теста"),
    "account_created": N_("открыт счёт"),
    "account_changed": N_("изменены условия счёта"),
    "account_blocked": N_("счёт заблокирован"),
    "account_unblocked": N_("счёт разблокирован"),
    "account_resumed": N_("возобновлён приём кодов"),
    "topup": N_("пополнение"),
    "adjustment": N_("корректировка"),
    "tariff_saved": N_("сохранён тариф"),
    "ledger_checked": N_("проверена книга"),
    "audit_checked": N_("проверен журнал действий"),
    "prefix_unblocked": N_("разблокирован префикс"),
    "channel_drained": N_("канал выведен из работы"),
    "channel_restored": N_("канал возвращён в работу"),
    "payment_proposed": N_("операция ждёт второго оператора"),
    "payment_approved": N_("операция проведена вторым оператором"),
    "payment_refused": N_("операция отклонена"),
    "route_saved": N_("сохранён маршрут SMS"),
    "route_enabled": N_("маршрут SMS включён"),
    "route_disabled": N_("маршрут SMS выключен"),
    "route_removed": N_("маршрут SMS удалён"),
    "route_tested": N_("проверена связь маршрута SMS"),
    "zone_routed": N_("зоне назначены маршруты SMS"),
    "message_retried": N_("повтор сообщений из очереди"),
    "message_discarded": N_("сообщение снято с возвратом"),
}

NOTES = {
    "saved": ("good", N_("Сохранено. Новые запросы уже идут по этим правилам.")),
    "wrong_password": ("bad", N_("Пароль кабинета не подошёл, ничего не изменено.")),
    "bad_value": ("bad", N_("Значение не подходит, ничего не изменено. Проверьте поле.")),
    "two_secrets": (
        "bad",
        N_("Уже действуют два пароля: дождитесь конца старого или выберите «закончить сразу»."),
    ),
    "prefix_unblocked": (
        "good",
        N_("Префикс снова открыт. Сутки защита его не проверяет."),
    ),
    "session_ended": ("good", N_("Сеанс завершён.")),
    "sessions_ended": ("good", N_("Все остальные сеансы завершены.")),
    "password_changed": ("good", N_("Пароль изменён, остальные сеансы завершены.")),
    "weak_password": ("bad", N_("Пароль должен быть от 12 до 128 знаков.")),
    "passwords_differ": ("bad", N_("Новый пароль и его повтор различаются.")),
    "totp_off": ("good", N_("Второй фактор выключен.")),
    "totp_wrong": ("bad", N_("Код из приложения не подошёл. Проверьте время на телефоне.")),
    "login_taken": ("bad", N_("Этот логин уже занят.")),
    "bad_login": (
        "bad",
        N_("Логин: от 2 до 64 знаков a-z 0-9 . _ -, первый знак буква или цифра."),
    ),
    "last_owner": ("bad", N_("Это единственный владелец: сначала назначьте другого.")),
    "user_saved": ("good", N_("Пользователь изменён, его сеансы завершены.")),
    "account_created": (
        "good",
        N_("Счёт открыт. Дайте ему http_password, владельца кабинета и деньги."),
    ),
    "account_blocked": (
        "good",
        N_("Счёт заблокирован: новые запросы получают ошибку 2, принятые коды идут до конца."),
    ),
    "account_unblocked": ("good", N_("Счёт снова работает.")),
    "account_resumed": ("good", N_("Коды этого счёта снова принимаются.")),
    "posted": ("good", N_("Проведено. Операция стоит первой в списке.")),
    "bad_payment": ("bad", N_("Нужны сумма больше нуля и номер документа. Ничего не проведено.")),
    "bad_adjustment": ("bad", N_("Нужны сумма, не равная нулю, и причина. Ничего не проведено.")),
    "same_document": ("bad", N_("По этому документу счёт уже пополнен. Ничего не проведено.")),
    "same_form": ("bad", N_("Эта форма уже отправлена: второй раз ничего не проведено.")),
    "tariff_saved": ("good", N_("Тариф сохранён. Принятые коды остаются по прежним ценам.")),
    "channel_drained": ("good", N_("Канал выводится из работы на всех узлах за несколько секунд.")),
    "channel_restored": ("good", N_("Канал возвращается в работу.")),
    "proposed": ("wait", N_("Ждёт второго оператора: баланс пока не изменился.")),
    "proposal_refused": ("good", N_("Операция отклонена, баланс не изменился.")),
    "not_waiting": ("wait", N_("Эта операция уже решена.")),
    "own_proposal": ("bad", N_("Свою операцию провести нельзя: это сделает другой оператор.")),
    "limit_needs_two": (
        "bad",
        N_(
            "Такой кредитный лимит один оператор не ставит. Его задают командой kodgate account"
            " set. Ничего не изменено."
        ),
    ),
    "route_saved": ("good", N_("Маршрут сохранён. Узлы подхватят его за несколько секунд.")),
    "route_enabled": ("good", N_("Маршрут включён: соединения поднимаются.")),
    "route_disabled": ("good", N_("Маршрут выключен: начатое доводится, соединения закрываются.")),
    "route_removed": ("good", N_("Маршрут удалён, зоны его больше не используют.")),
    "zone_routed": ("good", N_("Зоне назначены маршруты. Новые коды уже идут по ним.")),
    "retried": ("good", N_("Повтор назначен на сейчас.")),
    "nothing_to_retry": ("wait", N_("Повторять нечего: всё уже идёт своим ходом.")),
    "discarded": ("good", N_("Сообщение снято, деньги возвращены клиенту.")),
    "bad_discard": (
        "bad",
        N_("Нужны причина и номер пакета, набранный в точности. Ничего не снято."),
    ),
    "not_stuck": ("wait", N_("Сообщение уже не застряло: оно завершилось само.")),
    "discard_refused": (
        "bad",
        N_(
            "Правила денег не дали его снять: книга этого счёта нарушена. Ничего не изменено;"
            " проверьте книгу на странице «Сверка книги»."
        ),
    ),
    "signed_out": ("good", N_("Вы вышли из кабинета.")),
}
"""What a page says after a form: chosen by its key, so that a cookie holds no free text."""
