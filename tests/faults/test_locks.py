"""Django-Q's processes share locks, and a lock dies with the process that holds it: the cluster gets over it."""

import time
from pathlib import Path
from typing import Any

import pytest
from django_q.models import OrmQ, Success
from django_q.tasks import async_task

from signals_app.models import State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.conftest import FULL, Holds
from tests.faults.receivers.effects import effect
from tests.faults.sabotage import order_death
from tests.faults.victims import kill, living, reads_the_queue
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# at full size with the default of STALL, for it is what decides
CLUSTER = {
    "FAULT_SABOTAGE": "die_in_timer_lock,impatient_guard_watch:3",
    "TEST_Q_CLUSTER": '{"timeout": 3, "retry": 5}',  # a plain task whose result was lost is run again that soon
} | ({} if FULL else {"TEST_SIGNALS_APP": '{"STALL": 2}'})
WITHIN = 30.0  # seconds


@pytest.mark.short("sqlite")
@pytest.mark.fault(3, "idle holder of the queue's read lock killed")
def test_the_next_delivery_is_run_when_the_holder_of_the_read_lock_was_killed(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    (holder,) = wait_for_holder(cluster)
    kill(holder)
    record_property("s until the next delivery had run", seconds_to_run(attempts=1))
    assert "has claimed nothing" in cluster.log.read_text()
    invariant()


@pytest.mark.fault(3, "a worker killed inside the timer lock")
def test_the_next_delivery_is_run_when_a_worker_was_killed_inside_the_timer_lock(
    invariant: Holds, cluster: Cluster, journal_file: Path, record_property: Any
) -> None:
    order = order_death(journal_file)
    seconds_to_run(attempts=1)  # recorded before the death
    wait_until(lambda: not order.exists(), "the death of the worker")
    record_property("s until the next delivery had run", seconds_to_run(attempts=1))
    wait_until(lambda: "has not looked after its workers" in cluster.log.read_text(), "the notice of the guard")
    seconds_to_run(attempts=1)
    assert len(living(cluster, "worker")) == 2
    invariant()


@pytest.mark.fault(3, "a monitor killed, with the lock of the results")
def test_results_of_plain_tasks_are_recorded_when_the_monitor_was_killed(
    transactional_db: None, cluster: Cluster, record_property: Any
) -> None:
    began = time.monotonic()
    for pid in living(cluster, "monitor"):
        kill(pid)
    task = async_task("math.sqrt", 16)
    wait_until(
        lambda: not OrmQ.objects.exists() and Success.objects.filter(id=task).exists(), "the result", seconds=120
    )
    record_property("s until the next plain task was on the record", round(time.monotonic() - began, 1))


def seconds_to_run(*, attempts: int) -> float:
    """Return how long the next delivery takes to be run, at the first attempt."""
    began = time.monotonic()
    delivery = enqueue(effect)
    wait_for_end([delivery], seconds=WITHIN)
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, attempts)
    return round(time.monotonic() - began, 1)


def wait_for_holder(cluster: Cluster) -> list[int]:
    """Return the idle worker that holds the queue's read lock."""
    holders: list[int] = []

    def found() -> bool:
        holders[:] = [pid for pid in living(cluster, "worker") if reads_the_queue(pid)]
        return bool(holders)

    wait_until(found, "a worker that waits in the queue's pipe")
    return holders
