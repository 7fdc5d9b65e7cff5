"""One hall a test; alice's people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.web.cabinet.kit import Hall, Person, hall


@pytest.fixture
async def open_hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with hall(tmp_path) as found:
        yield found


@pytest.fixture
async def owner(open_hall: Hall) -> AsyncIterator[Person]:
    async with open_hall.person("owner") as person:
        yield person


@pytest.fixture
async def support(open_hall: Hall) -> AsyncIterator[Person]:
    async with open_hall.person("support") as person:
        yield person
