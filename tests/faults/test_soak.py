"""A steady rate for a long while, with workers that are replaced all the time: nothing grows but the record."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django_q.tasks import async_task

from tests.cluster import Cluster, is_alive, wait_until
from tests.faults.conftest import FULL, Holds
from tests.faults.receivers.effects import effect, fails_at_first
from tests.faults.test_storm import are_under_way
from tests.faults.upkeep import Upkeep, growth, upkeep
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

MINUTES = float(os.environ.get("SOAK_MINUTES", "20")) if FULL else 0.06
RATE = 20  # deliveries per second
DELIVERIES = round(MINUTES * 60 * RATE)  # on a machine that cannot keep the rate they take longer
SAVED = 50  # of Django-Q's own tasks, results
RECYCLE = 20 if FULL else 8  # tasks until a worker is replaced; a slow machine gives few hints in some seconds
CONFIGURED = {"TEST_Q_CLUSTER": f'{{"recycle": {RECYCLE}, "save_limit": {SAVED}}}'}
# what a process may grow in half of the time: in some seconds it only warms up
KIB, FILES, CONNECTIONS = (2_048, 4, 4) if FULL else (8_192, 24, 4)


@pytest.mark.fault(25, "a soak")
def test_a_steady_rate_makes_nothing_grow_but_the_record(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    with Cluster(tmp_path / "log", **CONFIGURED) as cluster:
        looks = soak(cluster)
        wait_until(lambda: not are_under_way(), "the end of every delivery")
        family = cluster.family()
        log = cluster.log.read_text()
    wait_until(lambda: not any(map(is_alive, family)), "the end of every process")
    ledger = invariant()
    grown = {role: growth([look.memory[role] for look in looks if role in look.memory]) for role in looks[-1].memory}
    most = max(grown.values())
    record_property("minutes", MINUTES)
    record_property("deliveries", DELIVERIES)
    record_property("workers recycled", log.count("recycled worker"))
    record_property("KiB the process grew that grew most", most)
    record_property("connections at most", max(look.connections for look in looks))
    assert ledger["states"] == {"SUCCESSFUL": DELIVERIES}
    assert log.count("recycled worker") > 0
    assert most < KIB, grown
    for role in looks[-1].files:
        assert growth([look.files[role] for look in looks if role in look.files]) <= FILES, role
    assert growth([look.connections for look in looks]) <= CONNECTIONS
    for table in looks[-1].rows:
        bound = SAVED + 1 if table == "django_q_task" else looks[0].rows[table] + 10
        assert max(look.rows[table] for look in looks) <= bound, table


def soak(cluster: Cluster) -> list[Upkeep]:
    """Send at the rate, and look forty times meanwhile."""
    began = time.monotonic()
    looks: list[Upkeep] = []
    for sent in range(DELIVERIES):
        enqueue(fails_at_first if sent % 10 == 0 else effect)
        if sent % RATE == 0:
            async_task("math.sqrt", sent)
        if sent >= len(looks) * DELIVERIES / 40:
            looks.append(upkeep(cluster))
        time.sleep(max(0.0, began + (sent + 1) / RATE - time.monotonic()))
    return looks
