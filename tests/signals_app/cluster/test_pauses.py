"""A real cluster beside what is paused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Delivery, PauseKind, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue, nothing, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

STALL = 1.0  # seconds


@pytest.fixture
def own_cluster(transactional_db: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, that notices quickly when it stands still."""
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP=f'{{"STALL": {STALL}}}') as running:
        yield running


def test_paused_work_waits_no_cluster_is_restarted_for_it_and_it_runs_when_resumed(own_cluster: Cluster) -> None:
    family = own_cluster.family()
    ledger.pause(PauseKind.QUEUE, conf.queue)
    waiting = [enqueue(work, label="queue") for _ in range(3)]
    time.sleep(3 * STALL)  # what is looked for is that nothing happens
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.READY, 0)}
    assert own_cluster.family() == family

    ledger.pause(PauseKind.RECEIVER, work.key)
    ledger.resume(PauseKind.QUEUE, conf.queue)
    wait_for_end([enqueue(nothing)])
    wait_until(lambda: Delivery.objects.filter(parked=True).count() == 3, "the parking of what is paused")
    assert not Effect.objects.exists()

    ledger.resume(PauseKind.RECEIVER, work.key)
    wait_for_end(waiting)
    assert Effect.objects.count() == 3
    assert own_cluster.family() == family
    assert "CRITICAL" not in own_cluster.log.read_text()
