"""PostgreSQL crashes and comes back, again and again: what it had promised is kept, by it and by us."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, connection, transaction

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


@pytest.mark.fault(8, "PostgreSQL restarted with -m immediate")
def test_a_server_that_crashes_again_and_again_loses_nothing_and_repeats_nothing(
    own_server: Server, invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    restarts, chance = size(2, 10), random.Random(8)
    answered: list[int] = []
    refused = 0
    with Cluster(tmp_path / "log") as cluster:
        family = cluster.family()
        for _ in range(restarts):
            refused += hand_off_for(chance.uniform(0.5, 1.5), answered)
            own_server.stop("immediate")
            refused += hand_off_for(chance.uniform(0, 1), answered)
            own_server.start()
        refused += hand_off_for(0.5, answered)
        wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "the end", seconds=120)
        assert cluster.family()[:2] == family[:2]  # main and sentinel
    ledger = invariant()
    record_property("restarts", restarts)
    record_property("deliveries", len(answered))
    record_property("hand-offs refused", refused)
    record_property("errors on the record", ledger["failed_attempts"].get("ERROR", 0))
    record_property("lost attempts", ledger["failed_attempts"].get("LOST", 0))
    assert set(ledger["states"]) == {"SUCCESSFUL"}
    assert set(answered) <= set(Delivery.objects.values_list("id", flat=True))


def hand_off_for(seconds: float, answered: list[int]) -> int:
    """Hand off for some time, as a web server would; note what was committed, and return how often it was refused."""
    end, refused = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            with transaction.atomic():
                delivery = enqueue(effect, before=0.02, after=0.02)
            answered.append(delivery.id)
        except Error:
            refused += 1
            connection.close()
        time.sleep(0.02)
    return refused
