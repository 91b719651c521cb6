"""A cluster that is asked to stop, or whose head is killed: what runs is finished or runs again, no process stays."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.conftest import FULL, Holds
from tests.faults.receivers.effects import effect
from tests.faults.receivers.slow import takes_long_outside
from tests.faults.victims import kill, living, reads_the_queue, running
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


ASKED = [
    (signal.SIGTERM, "everybody"),  # as systemd's KillMode=control-group does
    (signal.SIGTERM, "main"),
    (signal.SIGINT, "everybody"),
    (signal.SIGINT, "supervisor"),
    (signal.SIGTERM, "supervisor"),
    (signal.SIGINT, "main"),
    (signal.SIGTERM, "group"),
    (signal.SIGINT, "group"),
]


def asked(cluster: Cluster, whom: str) -> list[int]:
    """Return the pids that get the signal; the group is that of the cluster's processes, the supervisor apart."""
    family = cluster.family()
    return {"supervisor": [cluster.pid], "main": family[:1], "group": family, "everybody": [cluster.pid, *family]}[whom]


@pytest.mark.short("sqlite")
@pytest.mark.fault(6, "asked to stop with long work running")
@pytest.mark.parametrize(("number", "whom"), ASKED if FULL else ASKED[:1])
def test_a_stop_finishes_what_runs_and_claims_no_more(
    invariant: Holds,
    tmp_path: Path,
    journal_file: Path,
    record_property: Any,
    number: signal.Signals,
    whom: str,
) -> None:
    with Cluster(tmp_path / "log") as cluster:
        long = [enqueue(takes_long_outside, seconds=2) for _ in range(2)]
        wait_until(lambda: len(running(cluster)) == 2, "two workers at work")
        family = cluster.family()
        with transaction.atomic():  # quickly, before the workers ask for more
            waiting = [enqueue(takes_long_outside) for _ in range(20)]
        began = time.monotonic()
        kill(*asked(cluster, whom), number=number)
        wait_until(lambda: not any(map(is_alive, family)), "the end of the processes")
        record_property(f"s from {number.name} to {whom} to the end", round(time.monotonic() - began, 1))
        wait_for_end(long, seconds=1)
        claimed_late = {one for one, pid in journal.runners(journal_file) if pid in family} - {one.id for one in long}
        assert not claimed_late
        if whom in ("main", "group"):  # the supervisor was not asked, and starts another cluster
            wait_for_end(waiting)
        else:
            wait_until(lambda: not is_alive(cluster.pid), "the end of the supervisor")
            assert cluster.stop() == 0
            assert set(Delivery.objects.exclude(state=State.SUCCESSFUL).values_list("state", "attempts")) == {
                (State.READY, 0)
            }
            assert Delivery.objects.filter(state=State.READY).count() == len(waiting)
            cluster.start()
            wait_for_end(waiting)
    ledger = invariant()
    assert (ledger["attempts"], ledger["failed_attempts"]) == (len(long) + len(waiting), {})


@pytest.mark.fault(6, "asked to stop where a lock died with its holder")
def test_a_cluster_that_cannot_stop_ends_when_nothing_runs(
    transactional_db: None, tmp_path: Path, record_property: Any
) -> None:
    with Cluster(tmp_path / "log") as cluster:
        family = cluster.family()
        wait_until(lambda: any(map(reads_the_queue, living(cluster, "worker"))), "a worker that holds the lock")
        kill(*filter(reads_the_queue, living(cluster, "worker")))
        began = time.monotonic()
        assert cluster.stop() == 0
        record_property("s to the end", round(time.monotonic() - began, 1))
        assert not any(map(is_alive, family))
    assert "runs nothing and does not stop" in cluster.log.read_text()


@pytest.mark.fault(6, "asked to stop with work running that does not end in time")
def test_a_stop_ends_within_its_time_and_what_ran_runs_again(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    limit = 2.0
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP=f'{{"STOP_WITHIN": {limit}}}') as cluster:
        delivery = enqueue(takes_long_outside, seconds=50, attempts=1)
        wait_until(lambda: running(cluster), "a worker at work")
        family, began = cluster.family(), time.monotonic()
        assert cluster.stop() == 0
        took = time.monotonic() - began
        assert not any(map(is_alive, family))
        record_property(f"s to the end, with STOP_WITHIN {limit:g}", round(took, 1))
        assert limit <= took < limit + 10
        cluster.start()
        wait_for_end([delivery])
    invariant()
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 2)
    assert delivery.failed_attempts.get().outcome == Outcome.LOST


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
