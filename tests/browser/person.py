"""A person at a browser, who notices what the browser complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "correct horse battery"
AXE = Path(__file__).parent / "vendored" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
JUDGE = """only => axe.run(document, {runOnly: only, resultTypes: ['violations']}).then(found =>
  found.violations.flatMap(one => one.nodes.map(node =>
    `${one.id}: ${node.target} ${node.failureSummary}`)))"""
WAIT_MS = 15_000

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    def __init__(self, playwright: Any, path: str) -> None:
        self._chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))

    def close(self) -> None:
        self._chromium.close()

    @contextmanager
    def person(self, base: str, login: str = "demo", **look: Any) -> Iterator[Person]:
        """Signed in; at the end nothing may have been complained of."""
        context = self._chromium.new_context(
            locale=look.pop("locale", "ru-RU"), bypass_csp=look.pop("bypass_csp", False), **look
        )
        context.set_default_timeout(WAIT_MS)
        try:
            person = Person(context.new_page(), base)
            person.sign_in(login)
            yield person
            assert person.complaints == []
        finally:
            context.close()


class Person:
    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def sign_in(self, login: str, password: str = PASSWORD) -> None:
        self.go("sign-in")
        self.page.fill("#login", login)
        self.page.fill("#password", password)
        self.page.locator("form.card button").click()
        self.page.wait_for_url(lambda url: not url.endswith("sign-in"))

    def go(self, path: str = "") -> None:
        self.page.goto(f"{self.base}/cabinet/{path}")

    def text(self, selector: str = "main") -> str:
        return " ".join(self.page.locator(selector).inner_text().split())

    def speak(self, language: str) -> None:
        self._remember(kodgate_language=language)

    def look(self, *, theme: str, language: str, width: int) -> None:
        self._remember(kodgate_theme=theme, kodgate_language=language)
        self.page.set_viewport_size({"width": width, "height": 800})

    def _remember(self, **cookies: str) -> None:
        self.page.context.add_cookies(
            [{"name": name, "value": value, "url": self.base} for name, value in cookies.items()]
        )

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    def learn_axe(self) -> None:
        """To be called once a page."""
        self.page.evaluate(AXE.read_text("utf-8"))

    def axe(self) -> list[str]:
        """What WCAG 2.2 A and AA say against the page."""
        found: list[str] = self.page.evaluate(JUDGE, {"type": "tag", "values": TAGS})
        return found
