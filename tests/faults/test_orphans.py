"""A cluster whose head is killed: no process of it lives on, and a new one takes its place."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from signals_app.models import State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults.conftest import Holds
from tests.faults.receivers.effects import effect
from tests.faults.victims import kill, living, reads_the_queue
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

WITHIN = 10.0  # seconds


@pytest.mark.short("sqlite")
@pytest.mark.fault(4, "the head of a cluster killed, its supervisor standing still")
@pytest.mark.parametrize("victim", ["main", "sentinel"])
def test_no_orphan_lives_on(invariant: Holds, cluster: Cluster, record_property: Any, victim: str) -> None:
    family = cluster.family()
    doomed = family if victim == "main" else family[1:]
    assert len(doomed) >= 5  # sentinel, two workers, monitor, pusher
    kill(cluster.pid, number=signal.SIGSTOP)  # it would end them all, and is not to
    try:
        began = time.monotonic()
        kill(*living(cluster, victim))
        wait_until(lambda: not any(map(is_alive, doomed)), "the end of the orphans", seconds=WITHIN)
        record_property(f"s until every process below {victim} had ended", round(time.monotonic() - began, 2))
    finally:
        kill(cluster.pid, number=signal.SIGCONT)
    delivery = enqueue(effect)
    wait_for_end([delivery])
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    assert not any(map(is_alive, family))
    invariant()


@pytest.mark.fault(4, "the supervisor of a cluster that stands still killed")
def test_a_cluster_that_nobody_watches_and_that_cannot_stop_ends_all_the_same(
    transactional_db: None, tmp_path: Path, record_property: Any
) -> None:
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"STOP_WITHIN": 2}') as cluster:
        family = cluster.family()
        wait_until(lambda: any(map(reads_the_queue, living(cluster, "worker"))), "a worker that holds the lock")
        kill(*filter(reads_the_queue, living(cluster, "worker")))  # the others wait for its lock, and for no signal
        began = time.monotonic()
        cluster.stop(signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, family)), "the end of the cluster", seconds=WITHIN)
        record_property("s until it had ended", round(time.monotonic() - began, 2))
        assert time.monotonic() - began > 2
