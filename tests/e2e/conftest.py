"""The real processes, started as the README says, on ports of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.gateway import Gateway
from tests.e2e.caller import Caller
from tests.store.cluster import Cluster, cluster

pytestmark = pytest.mark.e2e

ON_POSTGRES = os.environ.get("KODGATE_TEST_DATABASE") == "postgresql"
"""KODGATE_TEST_DATABASE=postgresql: every gateway works on a PostgreSQL database of its own."""


@pytest.fixture(scope="session")
def databases() -> Iterator[Cluster | None]:
    """A server that gives databases; None: each gateway has its file."""
    if ON_POSTGRES:
        yield from cluster()
    else:
        yield None


@pytest.fixture(scope="module", autouse=True)
def database_of_the_file(databases: Cluster | None) -> Iterator[None]:
    with fresh_database(databases):
        yield


@pytest.fixture(autouse=True)
def database_of_the_test(databases: Cluster | None) -> Iterator[None]:
    with fresh_database(databases):
        yield


@contextmanager
def fresh_database(databases: Cluster | None) -> Iterator[None]:
    """For the gateways that are made within."""
    with pytest.MonkeyPatch.context() as patch:
        if databases is not None:
            patch.setenv("KODGATE_DATABASE", databases.fresh())
        yield


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
