"""What is vendored is what the lock says, and the catalogues are whole."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from kodgate.web.cabinet import assets, texts

FOLDER = Path(texts.__file__).parent
LOCK = assets.FOLDER / "vendored.txt"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "text": None,
            "plural": (1, 2), "_yes": (2, 3)}  # fmt: skip
JINJA = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}


def locked() -> list[list[str]]:
    lines = LOCK.read_text("ascii").splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("row", locked(), ids=lambda row: row[0])
def test_a_vendored_file_is_as_it_was_published(row: list[str]) -> None:
    assert hashlib.sha256((assets.FOLDER / row[0]).read_bytes()).hexdigest() == row[-1]


def test_every_foreign_file_is_in_the_lock() -> None:
    own = {"cabinet.css", "charts.js", "logo.svg", "vendored.txt"}
    found = {path.name for path in assets.FOLDER.iterdir()}
    assert {row[0] for row in locked()} <= found
    assert {name for name in found - own if ".min." in name} == {row[0] for row in locked()}


def _messages() -> set[str]:
    rows = extract_from_dir(
        str(FOLDER),
        [("**.py", "python"), ("**/templates/**.html", "jinja2")],
        {"**/templates/**.html": JINJA},
        keywords=KEYWORDS,
    )
    ours = (row for row in rows if "console" not in row[0])
    singles = {row[2] if isinstance(row[2], str) else row[2][0] for row in ours}
    return {text for text in singles if re.search(r"[А-Яа-я]", text)}


def test_every_text_has_its_english() -> None:
    known: set[str] = set()
    for path in texts.LOCALES.glob("en*.po"):
        with path.open("rb") as file:
            for message in read_po(file, locale="en"):
                if message.id and message.string:
                    known.add(message.id if isinstance(message.id, str) else message.id[0])
    assert not sorted(_messages() - known)


@pytest.mark.parametrize(
    ("num", "text"), [(1, "1 день"), (2, "2 дня"), (5, "5 дней"), (21, "21 день")]
)
def test_russian_counts_in_three_forms(num: int, text: str) -> None:
    assert texts.Writer("ru").plural("%(num)s день", "%(num)s дней", num) == text


@pytest.mark.parametrize(
    ("language", "text"),
    [("ru", "7\xa0492,80\xa0₽"), ("en", "₽7,492.80")],
)
def test_money_is_written_as_people_write_it(language: str, text: str) -> None:
    assert texts.Writer(language).money(74_928_000) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(3_400, "3,4 с"), (312_000, "5 мин 12 с"), (300_000, "5 мин"), (7_200_000, "2 ч")],
)
def test_a_duration_names_no_empty_parts(ms: int, text: str) -> None:
    assert texts.Writer("ru").duration(ms) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "UTC"),
        ("Europe/Moscow", "Europe/Moscow (UTC+3)"),
        ("Asia/Kolkata", "Asia/Kolkata (UTC+5:30)"),
        ("America/Caracas", "America/Caracas (UTC-4)"),
    ],
)
def test_a_zone_is_named_with_its_offset(zone: str, text: str) -> None:
    assert texts.Writer("ru", zone).zone_name() == text


def test_money_keeps_all_its_decimals() -> None:
    assert texts.Writer("ru").money(21_050).startswith("2,105")


def test_an_asset_is_looked_up_and_never_opened() -> None:
    found = assets.Assets()
    assert found.answer("../app.py").status_code == 404
    assert found.answer("cabinet.css").status_code == 200
