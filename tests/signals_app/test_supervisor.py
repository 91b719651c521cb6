"""A cluster that dies or stands still comes back by itself; nothing of the old one is left."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, is_alive, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def own_cluster(transactional_db: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, that notices quickly when it stands still."""
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"STALL": 2}') as running:
        yield running


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_a_supervisor_that_goes_takes_its_cluster_along(own_cluster: Cluster, end: signal.Signals) -> None:
    family = own_cluster.family()
    own_cluster.stop(end)
    wait_until(lambda: not any(map(is_alive, family)), "the end of the cluster")
