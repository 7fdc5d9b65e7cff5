"""What is wrong with a form, in the reader's language: the rules themselves speak English, for
commands and files name the same mistakes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kodgate.web.cabinet.texts import Writer

RULES = (
    "%(field)s: 1 to 32 of a-z, 0-9, - and _",
    "%(field)s: at most %(size)s printable ASCII characters",
    "%(field)s: must not be empty",
    "%(field)s: must be a number",
    "%(field)s: must be between %(low)s and %(high)s",
    "%(field)s: must be one of %(choices)s",
    "%(field)s: %(text)s is not 1 to 15 digits",
    "%(field)s: %(text)s is not a status",
    "%(field)s: %(text)s is not a status and a word",
    "%(field)s: give it or password_file, not both",
    "%(field)s: needs tls",
    "%(field)s: there is a route of this name",
    "a tariff's name is 1 to 32 of a-z, 0-9, - and _",
    "the date is YYYY-MM-DD, or YYYY-MM-DDTHH:MM, in UTC",
    "there is no such date",
    "line %(line)s: %(what)s",
    "no rows",
    "expected the columns %(columns)s",
    "field larger than field limit (%(size)s)",
    "not an amount of money",
    "the amount is too large",
    "bad prefix %(prefix)s",
    "bad zone %(zone)s of prefix %(prefix)s",
    "bad zone %(zone)s",
    "prefix %(prefix)s is in two zones",
    "zone %(zone)s, channel %(channel)s has two prices",
    "the price of zone %(zone)s, channel %(channel)s must be above zero",
    "the cost of zone %(zone)s, channel %(channel)s must not be negative",
)
"""With marks for what a mistake is about; the first that fits is meant. In Russian they stand in
`ru.mistakes.po`."""

_MARK = re.compile(r"%\\?\((\w+)\\?\)s")
_PATTERNS = tuple(
    (re.compile(_MARK.sub(r"(?P<\1>.+?)", re.escape(rule)), re.DOTALL), rule) for rule in RULES
)


def told(w: Writer, mistake: str, labels: Mapping[str, str]) -> str:
    """`labels`: what the form calls its fields. A mistake that no rule knows stays as it is."""
    for pattern, rule in _PATTERNS:
        found = pattern.fullmatch(mistake)
        if found is not None:
            values = found.groupdict()
            if "field" in values:
                values["field"] = _label(w, values["field"], labels)
            if "what" in values:
                values["what"] = told(w, values["what"], labels)
            return w.text(rule, **values)
    return mistake


def _label(w: Writer, field: str, labels: Mapping[str, str]) -> str:
    """`errors: 0x400` is a part of the field `errors`."""
    name, colon, rest = field.partition(": ")
    return f"{w.text(labels.get(name, name))}{colon}{rest}"
