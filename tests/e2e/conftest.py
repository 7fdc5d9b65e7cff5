"""The real processes, started as the README says, on ports of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller

pytestmark = pytest.mark.e2e


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A started gateway whose business time runs ten times faster."""
    running = Gateway(tmp_path / "data", time_scale=10)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def alice(gateway: Gateway) -> Caller:
    """A customer with the demo account."""
    return Caller(gateway)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The demo account of a gateway that the tests of one file share, ten times faster."""
    running = Gateway(tmp_path_factory.mktemp("shared") / "data", time_scale=10)
    running.start()
    yield Caller(running)
    running.kill()
