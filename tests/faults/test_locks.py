"""Django-Q's processes share locks, and a lock dies with the process that holds it: the cluster gets over it."""

import time

import pytest
from django_q.models import OrmQ, Success
from django_q.tasks import async_task

from tests.cluster import Cluster, kill, wait_until
from tests.faults.harness import FULL, Fault, kill_lock_holder, run_one, signals_app
from tests.faults.sabotage import order_death

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# at full size with the default of STALL, for it is what decides
CLUSTER = {
    "FAULT_SABOTAGE": "die_in_timer_lock,impatient_guard_watch:3",
    "TEST_Q_CLUSTER": '{"timeout": 3, "retry": 5}',  # a plain task whose result was lost is run again that soon
} | ({} if FULL else signals_app(STALL=2))
WITHIN = 30.0  # seconds


@pytest.mark.short("sqlite")
@pytest.mark.fault(3, "idle holder of the queue's read lock killed")
def test_the_next_delivery_is_run_when_the_holder_of_the_read_lock_was_killed(fault: Fault, cluster: Cluster) -> None:
    kill_lock_holder(cluster)
    fault.note(s_until_the_next_delivery_had_run=run_one(seconds=WITHIN))
    # a worker on watch needs no lock; that the others are stuck is noticed when it comes back, and something is due
    wait_until(
        lambda: run_one(seconds=WITHIN) and "has claimed nothing" in cluster.log.read_text(), "the notice of the lock"
    )
    fault.note(s_until_another_had_run=run_one(seconds=WITHIN))
    fault.invariant()


@pytest.mark.fault(3, "a worker killed inside the timer lock")
def test_the_next_delivery_is_run_when_a_worker_was_killed_inside_the_timer_lock(
    fault: Fault, cluster: Cluster
) -> None:
    order = order_death(fault.journal)
    run_one(seconds=WITHIN)  # recorded before the death
    wait_until(lambda: not order.exists(), "the death of the worker")
    fault.note(s_until_the_next_delivery_had_run=run_one(seconds=WITHIN))
    wait_until(lambda: "has not looked after its workers" in cluster.log.read_text(), "the notice of the guard")
    run_one(seconds=WITHIN)
    assert len(cluster.living("worker")) == 2
    fault.invariant()


@pytest.mark.fault(3, "a monitor killed, with the lock of the results")
def test_results_of_plain_tasks_are_recorded_when_the_monitor_was_killed(fault: Fault, cluster: Cluster) -> None:
    began = time.monotonic()
    kill(*cluster.living("monitor"))
    task = async_task("math.sqrt", 16)
    wait_until(
        lambda: not OrmQ.objects.exists() and Success.objects.filter(id=task).exists(), "the result", seconds=120
    )
    fault.note(s_until_the_next_plain_task_was_on_the_record=time.monotonic() - began)
