"""A browser in front of the real processes: Chromium driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.browser.person import PASSWORD, Browser

TIME_SCALE = 20.0
NAMES = ("chromium", "chromium-browser", "google-chrome")


def _chromium() -> str | None:
    given = os.environ.get("KODGATE_DEMO_CHROMIUM")
    return given or next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`kodgate up`, business time twenty times faster."""
    environ = {"KODGATE_DEMO_PASSWORD": PASSWORD}
    data = tmp_path_factory.mktemp("browser") / "data"
    gateway = Gateway(data, time_scale=TIME_SCALE, environ=environ)
    gateway.start()
    yield gateway
    gateway.kill()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Ended with each file: while Playwright is open its event loop counts as running, and no
    asynchronous test of another file could start one."""
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = Browser(playwright, path)
        yield browser
        browser.close()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path
