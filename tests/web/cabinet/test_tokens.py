"""The stylesheet's tokens: one dark look, and nothing but colours and shadows in it."""

from __future__ import annotations

import re
from importlib import resources

CSS = (resources.files("kodgate.web.cabinet") / "static" / "cabinet.css").read_text("utf-8")
_BLOCK = re.compile(r"(:root[^{]*)\{([^}]*)\}")
_TOKEN = re.compile(r"([a-z0-9-]+):\s*([^;]+);")
_COLOUR = re.compile(r"#[0-9a-f]{3}(?:[0-9a-f]{3})?|dark|none")


def dark() -> list[dict[str, str]]:
    """What the choice of the person sets, and what the system's setting does."""
    return [dict(_TOKEN.findall(body)) for root, body in _BLOCK.findall(CSS) if "theme" in root]


def test_a_dark_system_and_the_dark_theme_look_the_same():
    system, chosen = dark()
    assert system == chosen


def test_the_dark_look_changes_colours_and_shadows_only():
    assert [text for text in dark()[0].values() if not _COLOUR.fullmatch(text)] == []
