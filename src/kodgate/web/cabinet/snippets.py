"""A request as people paste it: curl, Python, PHP, 1C, C#. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What is posted where."""

    base: str
    """`https://host:port`."""
    path: str
    parameters: Mapping[str, str]
    as_json: bool = False

    @property
    def url(self) -> str:
        return self.base + self.path

    @property
    def type(self) -> str:
        return JSON if self.as_json else FORM

    @property
    def body(self) -> str:
        if self.as_json:
            return json.dumps(dict(self.parameters), ensure_ascii=False)
        return urlencode(self.parameters)


def curl(posting: Posting) -> str:
    lines = [f"curl {shlex.quote(posting.url)}"]
    if posting.as_json:
        lines += [f"-H {shlex.quote(f'Content-Type: {JSON}')}", f"-d {shlex.quote(posting.body)}"]
    else:
        given = posting.parameters.items()
        lines += [f"--data-urlencode {shlex.quote(f'{n}={v}')}" for n, v in given]
    return " \\\n  ".join(lines)


def python(posting: Posting) -> str:
    rows = "\n".join(f"    {n!r}: {v!r}," for n, v in posting.parameters.items())
    module = "import json" if posting.as_json else "from urllib.parse import urlencode"
    body = "json.dumps(parameters)" if posting.as_json else "urlencode(parameters)"
    return f"""{module}
from urllib.request import Request, urlopen

parameters = {{
{rows}
}}
headers = {{"Content-Type": "{posting.type}"}}
request = Request({posting.url!r}, {body}.encode(), headers)
with urlopen(request) as answer:
    print(answer.read().decode())"""


def php(posting: Posting) -> str:
    rows = "\n".join(f"    {_php(n)} => {_php(v)}," for n, v in posting.parameters.items())
    body = "json_encode" if posting.as_json else "http_build_query"
    return f"""<?php
$parameters = [
{rows}
];
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => 'Content-Type: {posting.type}',
    'content' => {body}($parameters),
]]);
echo file_get_contents({_php(posting.url)}, false, $context);"""


def _php(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def one_c(posting: Posting) -> str:
    """1C:Enterprise 8.3; written with care, but no 1C has run it here."""
    address = urlsplit(posting.base)
    port = address.port or (443 if address.scheme == "https" else 80)
    secure = "Новый ЗащищенноеСоединениеOpenSSL()" if address.scheme == "https" else "Неопределено"
    body = posting.body.replace('"', '""')
    return f"""Соединение = Новый HTTPСоединение("{address.hostname}", {port}, , , , 10, {secure});
Запрос = Новый HTTPЗапрос("{posting.path}");
Запрос.Заголовки.Вставить("Content-Type", "{posting.type}");
Запрос.УстановитьТелоИзСтроки("{body}");
Ответ = Соединение.ОтправитьДляОбработки(Запрос);
Сообщить(Ответ.ПолучитьТелоКакСтроку("UTF-8"));"""


def c_sharp(posting: Posting) -> str:
    """.NET 6 and later; written with care, but no .NET has run it here."""
    texts = (json.dumps(text, ensure_ascii=False) for text in (posting.body, posting.type))
    return f"""using System.Text;

using var client = new HttpClient();
var body = new StringContent({", Encoding.UTF8, ".join(texts)});
var answer = await client.PostAsync({json.dumps(posting.url)}, body);
Console.WriteLine(await answer.Content.ReadAsStringAsync());"""


WRITERS: dict[str, Callable[[Posting], str]] = {
    "curl": curl,
    "Python": python,
    "PHP": php,
    "1C": one_c,
    "C#": c_sharp,
}


def all_of(posting: Posting) -> dict[str, str]:
    return {name: write(posting) for name, write in WRITERS.items()}
