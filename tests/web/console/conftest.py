"""One office a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.web.console.kit import Office, Person, office


@pytest.fixture
async def open_office(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as found:
        yield found


@pytest.fixture
async def olga(open_office: Office) -> AsyncIterator[Person]:
    async with open_office.person("olga") as person:
        yield person
