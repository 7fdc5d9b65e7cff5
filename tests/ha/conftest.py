"""Clusters and nodes for the tests of failover: `make ha`, never part of `make test`.

`HA_FAILOVERS=20` sets how often the leader is killed, `HA_KILLS=10` how often a node is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from deploy.local.cluster import Cluster, Missing, programs
from deploy.local.nodes import Nodes
from tests.store import cluster as postgres

FAILOVERS = int(os.environ.get("HA_FAILOVERS", "2"))
KILLS = int(os.environ.get("HA_KILLS", "4"))


class Site(NamedTuple):
    """Two members under Patroni, and two nodes over them."""

    cluster: Cluster
    nodes: Nodes


def _site(folder: Path, *, synchronous: bool) -> Iterator[Site]:
    try:
        programs()
    except Missing as missing:
        pytest.skip(str(missing))
    cluster = Cluster(folder=folder, synchronous=synchronous)
    nodes = Nodes(folder=folder, database=cluster.url)
    try:
        cluster.start(wires=nodes.reserve())
        nodes.start()
        yield Site(cluster, nodes)
    finally:
        nodes.stop()
        cluster.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a synchronous standby, as in production."""
    yield from _site(tmp_path_factory.mktemp("ha"), synchronous=True)


@pytest.fixture
def asynchronous(tmp_path: Path) -> Iterator[Site]:
    """With a standby that nobody waits for."""
    yield from _site(tmp_path, synchronous=False)


@pytest.fixture(scope="session")
def one_postgres() -> Iterator[postgres.Cluster]:
    """A PostgreSQL without a standby."""
    yield from postgres.cluster()


@pytest.fixture
def three(one_postgres: postgres.Cluster, tmp_path: Path) -> Iterator[Nodes]:
    """Three nodes with all roles on one PostgreSQL."""
    nodes = Nodes(
        folder=tmp_path,
        database=one_postgres.fresh(),
        roles=("http,deliver,smpp,web",) * 3,
    )
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()
