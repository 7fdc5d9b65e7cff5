"""Pages say what the code does, and their links lead somewhere."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import xml.dom.minidom
from pathlib import Path

import pytest
from tests.docs.tree import FENCE, ROOT, anchors, docs_tool, page, pages

from kodgate import config
from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings
from kodgate.core.types import Event, State

LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_generated_blocks_are_what_the_code_says() -> None:
    old = docs_tool().stale()
    assert not old, f"run `make docs`: {[path.name for path in old]}"


def test_generated_files_are_what_the_code_says() -> None:
    assert not docs_tool().stale_files(), "run `make docs`"


def test_the_example_of_settings_changes_nothing() -> None:
    path = ROOT / "config.example.toml"
    assert config.load(path, {}) == config.load(None, {})


def test_the_example_of_settings_is_right_where_it_is_used() -> None:
    text = page("config.example.toml")
    lines = [re.sub(r'^# (?=\w+ = (?!""))', "", line) for line in text.splitlines()]
    values = tomllib.loads("\n".join(lines))
    assert config.Config.model_validate(values) == config.load(None, {})


def test_every_block_of_the_tool_stands_on_a_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    missing = [name for name in docs_tool().BLOCKS if f"<!-- generated: {name} -->" not in text]
    assert not missing


def test_a_stale_block_is_found_and_renewed(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("a\n<!-- generated: limits -->\nold\n<!-- end -->\nb\n")
    (new,) = docs_tool().stale(tmp_path).values()
    assert "old" not in new
    assert "Digits of a code" in new
    assert new.startswith("a\n") and new.endswith("\nb\n")


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_resolve(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(other.read_text(encoding="utf-8")), f"no heading {target}"


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = page("docs/README.md")
    folder = ROOT / "docs"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.md")} - {"README.md"}
    assert not [name for name in sorted(names) if f"({name})" not in index]


@pytest.mark.parametrize("error", errors.TABLE, ids=lambda error: error.name)
def test_every_error_says_what_to_do(error: errors.ErrorCode) -> None:
    text = page("docs/reference/errors.md")
    match = re.search(rf"^### {error.number} {error.name}\n(.+)", text, re.MULTILINE)
    assert match is not None and len(match[1]) > 20


def test_errors_are_explained_in_the_order_of_their_precedence() -> None:
    numbers = re.findall(r"^### ([0-9]+) ", page("docs/reference/errors.md"), re.MULTILINE)
    assert [int(number) for number in numbers] == [error.number for error in errors.TABLE]


def test_every_result_state_and_event_is_documented() -> None:
    text = page("docs/reference/results.md") + page("docs/reference/states.md")
    words = [f"`{row.word}`" for row in results.TABLE]
    words += [f"| {word.value} |" for word in (*State, *Event)]
    assert not [word for word in words if word not in text]


def test_every_setting_of_an_account_has_its_line() -> None:
    text = page("docs/reference/account-settings.md")
    fields = dataclasses.fields(AccountSettings)
    assert not [field.name for field in fields if f"| `{field.name}` |" not in text]


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_json_and_xml_examples_are_well_formed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for body in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        json.loads(body)
    for body in re.findall(r"^```xml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        xml.dom.minidom.parseString(body.encode())
