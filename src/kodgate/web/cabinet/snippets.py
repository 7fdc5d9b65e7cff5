"""A request as people paste it: curl, Python, PHP, 1C. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from urllib.parse import urlencode, urlsplit

Parameters = Mapping[str, str]


def curl(base: str, path: str, parameters: Parameters) -> str:
    lines = [f"curl {shlex.quote(base + path)}"]
    lines += [f"--data-urlencode {shlex.quote(f'{n}={v}')}" for n, v in parameters.items()]
    return " \\\n  ".join(lines)


def python(base: str, path: str, parameters: Parameters) -> str:
    rows = "\n".join(f"    {name!r}: {value!r}," for name, value in parameters.items())
    return f"""from urllib.parse import urlencode
from urllib.request import urlopen

parameters = {{
{rows}
}}
with urlopen({base + path!r}, urlencode(parameters).encode()) as answer:
    print(answer.read().decode())"""


def php(base: str, path: str, parameters: Parameters) -> str:
    rows = "\n".join(f"    {_php(name)} => {_php(value)}," for name, value in parameters.items())
    return f"""<?php
$parameters = [
{rows}
];
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => 'Content-Type: application/x-www-form-urlencoded',
    'content' => http_build_query($parameters),
]]);
echo file_get_contents({_php(base + path)}, false, $context);"""


def _php(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def one_c(base: str, path: str, parameters: Parameters) -> str:
    """1C:Enterprise 8.3; written with care, but no 1C has run it here."""
    address = urlsplit(base)
    port = address.port or (443 if address.scheme == "https" else 80)
    secure = "Новый ЗащищенноеСоединениеOpenSSL()" if address.scheme == "https" else "Неопределено"
    body = urlencode(parameters).replace('"', '""')
    return f"""Соединение = Новый HTTPСоединение("{address.hostname}", {port}, , , , 10, {secure});
Запрос = Новый HTTPЗапрос("{path}");
Запрос.Заголовки.Вставить("Content-Type", "application/x-www-form-urlencoded");
Запрос.УстановитьТелоИзСтроки("{body}");
Ответ = Соединение.ОтправитьДляОбработки(Запрос);
Сообщить(Ответ.ПолучитьТелоКакСтроку("UTF-8"));"""


WRITERS: dict[str, Callable[[str, str, Parameters], str]] = {
    "curl": curl,
    "Python": python,
    "PHP": php,
    "1C": one_c,
}


def all_of(base: str, path: str, parameters: Parameters) -> dict[str, str]:
    return {name: write(base, path, parameters) for name, write in WRITERS.items()}
