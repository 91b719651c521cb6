"""Several clusters on one database share its work, and nothing of it twice."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from signals_app.models import FINAL_STATES, Delivery
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, is_alive, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect, fails_at_first
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


@pytest.mark.fault(15, "two and then four clusters on one PostgreSQL")
def test_clusters_share_the_work_of_one_database(invariant: Holds, tmp_path: Path, record_property: Any) -> None:
    deliveries = size(100, 2_500)
    clusters = [Cluster(tmp_path / f"log-{number}") for number in range(4)]
    with ExitStack() as stack, ThreadPoolExecutor(len(clusters)) as pool:
        for cluster in clusters:
            stack.callback(cluster.kill)
        for joining in clusters[:2], clusters[2:]:
            list(pool.map(Cluster.start, joining))
            hand_off_many(deliveries)
            wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "every end", seconds=300)
        shares = shares_of(clusters)
        families = [pid for cluster in clusters for pid in cluster.family()]
        list(pool.map(Cluster.stop, clusters))
    wait_until(lambda: not any(map(is_alive, families)), "the end of every process")
    ledger = invariant()
    record_property("deliveries", 2 * deliveries)
    record_property("of them by each cluster", "+".join(map(str, shares)))
    assert ledger["states"] == {"SUCCESSFUL": 2 * deliveries}
    assert ledger["failed_attempts"] == {"ERROR": 2 * deliveries // 10}
    assert all(shares)


def hand_off_many(deliveries: int) -> None:
    """Hand off, every tenth time to a receiver that fails once."""
    with transaction.atomic():
        for number in range(deliveries):
            enqueue(fails_at_first if number % 10 == 0 else effect)


def shares_of(clusters: list[Cluster]) -> list[int]:
    """Return how many deliveries each cluster ended."""
    owners = map(ProcessIdentity.parse, Delivery.objects.values_list("owner", flat=True))
    pids = [owner.pid for owner in owners if owner]
    return [sum(pid in family for pid in pids) for family in (cluster.family() for cluster in clusters)]
