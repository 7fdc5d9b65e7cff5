"""Fixtures that both databases' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import cluster as postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server."""
    yield from postgres.cluster()
