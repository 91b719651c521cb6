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
from tests.testapp.receivers import hand_off

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

MINUTES = float(os.environ.get("SOAK_MINUTES", "20")) if FULL else 0.06
RATE = 20  # deliveries per second
SAVED = 50  # of Django-Q's own tasks, results
CONFIGURED = {"TEST_Q_CLUSTER": f'{{"recycle": 20, "save_limit": {SAVED}}}'}
# what a process may grow in half of the time: in some seconds it only warms up
KIB, FILES, CONNECTIONS = (2_048, 4, 4) if FULL else (8_192, 24, 4)


@pytest.mark.fault(25, "a soak")
def test_a_steady_rate_makes_nothing_grow_but_the_record(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    with Cluster(tmp_path / "log", **CONFIGURED) as cluster:
        looks, sent = soak(cluster)
        wait_until(lambda: not are_under_way(), "the end of every delivery")
        family = cluster.family()
        log = cluster.log.read_text()
    wait_until(lambda: not any(map(is_alive, family)), "the end of every process")
    ledger = invariant()
    grown = {role: growth([look.memory[role] for look in looks if role in look.memory]) for role in looks[-1].memory}
    most = max(grown.values())
    record_property("minutes", MINUTES)
    record_property("deliveries", sent)
    record_property("workers recycled", log.count("recycled worker"))
    record_property("KiB the process grew that grew most", most)
    record_property("connections at most", max(look.connections for look in looks))
    assert ledger["states"] == {"SUCCESSFUL": sent}
    assert log.count("recycled worker") > 0
    assert most < KIB, grown
    for role in looks[-1].files:
        assert growth([look.files[role] for look in looks if role in look.files]) <= FILES, role
    assert growth([look.connections for look in looks]) <= CONNECTIONS
    for table in looks[-1].rows:
        bound = SAVED + 1 if table == "django_q_task" else looks[0].rows[table] + 10
        assert max(look.rows[table] for look in looks) <= bound, table


def soak(cluster: Cluster) -> tuple[list[Upkeep], int]:
    """Send at the rate, look forty times meanwhile; return the looks and how many deliveries were sent."""
    began, sent = time.monotonic(), 0
    looks: list[Upkeep] = []
    while (passed := time.monotonic() - began) < MINUTES * 60:
        hand_off(fails_at_first if sent % 10 == 0 else effect)
        if sent % RATE == 0:
            async_task("math.sqrt", sent)
        sent += 1
        if passed > len(looks) * MINUTES * 60 / 40:
            looks.append(upkeep(cluster))
        time.sleep(max(0.0, began + sent / RATE - time.monotonic()))
    return looks, sent
