"""Every text of the console has its English, and every English text is of use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from kodgate.web.cabinet import texts
from kodgate.web.cabinet.console import system

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
