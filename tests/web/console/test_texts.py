"""Every text of the console has its English, and every English text is of use."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from kodgate.channels.smpp import route
from kodgate.core import money, tariff_csv, tariffs
from kodgate.web.cabinet import texts
from kodgate.web.cabinet.console import mistakes, route_form, routes, system
from kodgate.web.cabinet.console import tariffs as tariffs_page

FOLDER = Path(texts.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "text": None}
JINJA = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}


def said() -> set[str]:
    rows = extract_from_dir(
        str(FOLDER),
        [("console/**.py", "python"), ("templates/console/**.html", "jinja2")],
        {"templates/console/**.html": JINJA},
        keywords=KEYWORDS,
    )
    singles = {row[2] if isinstance(row[2], str) else row[2][0] for row in rows}
    return {text for text in singles if re.search(r"[А-Яа-я]", text)}


def known(pattern: str) -> set[str]:
    found: set[str] = set()
    for path in texts.LOCALES.glob(pattern):
        with path.open("rb") as file:
            for message in read_po(file, locale="en"):
                if message.id and message.string:
                    found.add(message.id if isinstance(message.id, str) else message.id[0])
    return found


def test_every_text_has_its_english():
    assert not sorted(said() - known("en*.po"))


def test_no_english_is_kept_for_a_text_that_is_gone():
    assert not sorted(known("en.console.po") - said())


def findings() -> set[str]:
    """What an examination says, in English, for `kodgate doctor` says it too."""
    found: set[str] = set()
    for file in (FOLDER.parent / "findings.py", FOLDER / "console" / "system.py"):
        nodes = [*ast.walk(ast.parse(file.read_text("utf-8")))]
        docs = {node.value for node in nodes if isinstance(node, ast.Expr)}
        texts = [node for node in nodes if isinstance(node, ast.Constant) and node not in docs]
        found |= {node.value for node in texts if isinstance(node.value, str)}
    wanted = {text for text in found if re.search(r"[a-z] [a-z(%]|%\(.*[a-z]$", text)}
    return {one for one in wanted if not one.startswith("kodgate ")} - system.WHATS.keys()


def test_every_finding_has_its_russian():
    assert not sorted(findings() - known("ru*.po"))


CHECKED = (route, route_form, routes, money, tariff_csv, tariffs, tariffs_page)
"""What looks at the forms of routes and tariffs."""
OF_FILES = re.compile(
    r"not JSON|not a JSON object|unknown: |missing: |.*must be (a list|an object|7$)"
)
"""Mistakes that a file of a command can have, and no form."""


def refusals(module: ModuleType) -> set[str]:
    """What it raises ValueError with, a digit in place of every value."""
    nodes = ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8")))
    calls = [node.exc for node in nodes if isinstance(node, ast.Raise)]
    texts = [
        call.args[0]
        for call in calls
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "ValueError" and call.args
    ]
    found = {_with_digits(text) for text in texts}
    return {text for text in found if not OF_FILES.match(text)}


def _with_digits(text: ast.expr) -> str:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)


@pytest.mark.parametrize("module", CHECKED, ids=lambda module: module.__name__)
def test_every_mistake_in_a_form_is_told_in_russian(module: ModuleType):
    found, w = refusals(module), texts.Writer("ru")
    assert found
    english = {text for text in found if not re.search(r"[а-я]", mistakes.told(w, text, {}))}
    assert not sorted(english)


def test_a_mistake_is_told_in_english_by_the_names_of_the_form():
    said = mistakes.told(texts.Writer("en"), "port: must be a number", route_form.LABELS)
    assert said == "Port: must be a number"


def test_no_russian_is_kept_for_a_mistake_that_is_gone():
    assert known("ru.mistakes.po") == set(mistakes.RULES)
