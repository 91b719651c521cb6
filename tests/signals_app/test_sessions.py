"""A worker's database connections: each process of a cluster has its own."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from signals_app.models import State
from signals_app.sessions import leave_pools
from tests.cluster import Cluster, wait_for_end
from tests.testapp.receivers import hand_off, work


def test_a_process_that_forks_keeps_its_connections_instead_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled: dict[str, Any] = {"OPTIONS": {"pool": True, "application_name": "site"}, "CONN_MAX_AGE": 0}
    monkeypatch.setitem(connections.settings, "pooled", pooled)
    before = {alias: dict(given) for alias, given in connections.settings.items() if alias != "pooled"}
    leave_pools()
    assert pooled == {
        "OPTIONS": {"application_name": "site"},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
    assert {alias: given for alias, given in connections.settings.items() if alias != "pooled"} == before


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_the_processes_of_a_cluster_do_not_share_what_is_in_a_pool(tmp_path: Path) -> None:
    pool = {"TEST_POOL": "true"} if connection.vendor == "postgresql" else {}  # SQLite has none
    with Cluster(tmp_path / "log", **pool):
        deliveries = [hand_off(work) for _ in range(50)]
        wait_for_end(deliveries)
    assert {(delivery.state, delivery.attempts) for delivery in deliveries} == {(State.SUCCESSFUL, 1)}
