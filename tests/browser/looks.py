"""Twelve looks at a page: two languages, light and dark, on three widths.

A page is loaded once a language; theme and width change as a person's machine changes them.
`KODGATE_TEST_LOOKS=folder` keeps a picture of every look, for human eyes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.person import Person

LANGUAGES = ("ru", "en")
WIDTHS = (1280, 390, 320)
THEMES = ("light", "dark")

_RUSSIAN = re.compile(r"[А-Яа-яЁё][А-Яа-яЁё ]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """Somebody who goes from page to page and notes what is wrong with them."""

    person: Person
    language: str
    names: frozenset[str] = frozenset()
    """Russian words that are data: the names of people and shops."""
    found: list[str] = field(default_factory=list)

    def open(self, address: str, status: int = 200, *, name: str = "") -> None:
        """Looks at the page of an address, `/console/queue`; `name` where one is not enough."""
        answer = self.person.page.goto(f"{self.person.base}{address}")
        assert answer.status == status, f"{address}: {answer.status}"
        if status >= 400:
            self.person.complaints.clear()  # the browser does say so
        self.see(name or address)

    def see(self, name: str) -> None:
        """Looks at the page that is open: six looks in this language."""
        person = self.person
        person.learn_axe()
        for width in WIDTHS:
            person.page.set_viewport_size({"width": width, "height": 800})
            if person.overflow() > 0:
                self._note(name, f"{person.overflow()} px wider than {width}")
            for theme in THEMES:
                self._judge(name, width, theme)
        self._read(name)
        for text in person.complaints:
            self._note(name, text)
        person.complaints.clear()

    def _judge(self, name: str, width: int, theme: str) -> None:
        self.person.page.emulate_media(color_scheme=theme)
        for violation in self.person.axe():
            self._note(name, f"{width} {theme}: {violation}")
        _keep(self.person, f"{name} {width} {theme} {self.language}")

    def _read(self, name: str) -> None:
        """In English no Russian word may be left, outside programs and names."""
        if self.language == "en":
            for word in _RUSSIAN.findall(self.person.page.evaluate(TEXT)):
                if word.strip() not in self.names:
                    self._note(name, f"not translated: {word.strip()}")

    def _note(self, name: str, what: str) -> None:
        self.found.append(f"{name}: {what}")


TEXT = """() => {
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll('pre, textarea, script, [lang=ru]').forEach(one => one.remove());
  return document.title + ' ' + copy.textContent;
}"""
"""All words of a page, those of closed parts included."""


def _keep(person: Person, name: str) -> None:
    folder = os.environ.get("KODGATE_TEST_LOOKS")
    if folder:
        file = Path(folder) / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
        person.page.screenshot(path=str(file), full_page=True)
