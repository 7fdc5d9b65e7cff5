"""Документация: the wire with the account's own address and login, and every error explained."""

from __future__ import annotations

from starlette.responses import Response

from kodgate.core import errors, results
from kodgate.web.cabinet import snippets
from kodgate.web.cabinet.snippets import Posting
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.cabinet.words import N_

SEND = "/http_in5.asp"
STATUS = "/http_out5.asp"

PARAMETERS = (
    ("http_username", N_("логин"), N_("обязателен, кроме test=-1")),
    (
        "http_password",
        N_("пароль для программ из раздела «Безопасность»"),
        N_("обязателен, кроме test=-1"),
    ),
    ("mode", N_("TELE: код уходит в Telegram"), N_("обязателен")),
    ("phone_list", N_("номер получателя, один"), N_("обязателен")),
    ("code", N_("код, от 4 до 8 цифр; пусто: создаст шлюз"), ""),
    ("to_sms", N_("1: не прочитанный в Telegram код переслать в SMS"), "0"),
    ("valid_period", N_("сколько секунд ждать прочтения, от 30 до 36000"), "300"),
    ("message_id", N_("свой ID сообщения; с проверкой уникальности повтор получит ошибку 19"), ""),
    ("packet_id", N_("свой ID пакета"), ""),
    ("format", N_("вид ответа: txt, xml или json"), "txt"),
    ("test", N_("1: проверить, не отправляя; -1: пример ответа без входа"), "0"),
)

CAUSES = {
    1: N_("Чаще всего вместо http_password стоит пароль кабинета."),
    3: N_("Нужна цена самого дорогого шага: при to_sms=1 деньги на SMS резервируются сразу."),
    5: N_("Включите отправку по HTTP в разделе «Безопасность»."),
    6: N_("Добавьте адрес в список разрешённых в разделе «Безопасность»."),
    13: N_("Повторите позже; запрос не сохранён и не оплачен."),
    19: N_("packet_id в ответе указывает первый пакет: запросите его статус."),
    23: N_("У счёта нет имени отправителя или шаблона SMS: обратитесь к оператору."),
    24: N_("Сработало ограничение кодов на один номер."),
    101: N_("Параметр mode не задан или неизвестен."),
    109: N_("Цены на этот номер в тарифе нет, или направление закрыто в разделе «Безопасность»."),
}
"""What to do, where the error's own text does not say it."""


async def show(visit: Visit) -> Response:
    base, login = visit.site.base(visit), visit.own.login
    who = {"http_username": login, "http_password": "..."}
    send = {**who, "mode": "TELE", "phone_list": "79123456789", "to_sms": "1"}
    status = {**who, "packet_id": "1000000"}
    return visit.page(
        "documentation.html",
        base=base,
        sending=snippets.all_of(Posting(base=base, path=SEND, parameters=send)),
        asking=snippets.all_of(Posting(base=base, path=STATUS, parameters=status)),
        parameters=PARAMETERS,
        causes=CAUSES,
        errors=sorted(errors.TABLE, key=lambda row: row.number),
        results=results.TABLE,
    )


PAGES = (Page(path="documentation", view=show),)
