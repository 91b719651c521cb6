"""What Django-Q does by itself still works through our broker: tasks, groups, chains, hooks, schedules."""

import os
import signal
import time
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Failure, OrmQ, Schedule, Task
from django_q.scheduler import scheduler
from django_q.tasks import (
    Chain,
    async_task,
    fetch,
    result,
    result_group,
    schedule,
)

from signals_app.models import State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def note(label: str) -> str:
    """A plain task."""
    Effect.objects.create(label=label, pid=os.getpid())
    return label


def note_result(task: Task) -> None:
    """A hook."""
    Effect.objects.create(label=f"hook of {task.result}", pid=os.getpid())


def fail(message: str) -> None:
    """A plain task that fails."""
    raise ValueError(message)


def hang(label: str) -> None:
    """A plain task that nothing interrupts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM])
    note(label)
    time.sleep(60)


NOTE = "tests.signals_app.cluster.test_django_q.note"
HOOK = "tests.signals_app.cluster.test_django_q.note_result"


def test_tasks_groups_chains_and_hooks_run_and_are_kept(cluster: Cluster) -> None:
    task = async_task(NOTE, "plain", hook=HOOK)
    bad = async_task("tests.signals_app.cluster.test_django_q.fail", "no luck", ack_failure=True)
    for number in (1, 4, 9):
        async_task("math.sqrt", number, group="roots")
    assert result(task, wait=30_000) == "plain"
    assert Effect.objects.get(label="plain").pid in cluster.family()
    assert sorted(result_group("roots", count=3, wait=30_000)) == [1.0, 2.0, 3.0]
    kept = fetch(bad, wait=30_000)
    assert (kept.success, "no luck" in kept.result, Failure.objects.count()) == (False, True, 1)
    wait_until(lambda: Effect.objects.filter(label="hook of plain").exists(), "the hook")
    wait_until(lambda: not OrmQ.objects.exists(), "the acknowledgement")
    chain, labels = Chain(), ["first", "second", "third"]
    for label in labels:
        chain.append(NOTE, label)
    chain.run()
    noted = Effect.objects.filter(label__in=labels).order_by("id").values_list("label", flat=True)
    wait_until(lambda: list(noted.all()) == labels, "the chain, in order")


def test_a_plain_task_that_nothing_interrupts_is_ended_with_its_worker(cluster: Cluster) -> None:
    async_task("tests.signals_app.cluster.test_django_q.hang", "hangs", timeout=1)
    wait_until(lambda: Effect.objects.exists(), "the start of the task")
    OrmQ.objects.all().delete()  # it would be given out again
    worker = Effect.objects.get().pid
    assert is_alive(worker)
    wait_until(lambda: not is_alive(worker), "the end of the worker")


def test_a_schedule_creates_its_task(cluster: Cluster) -> None:
    schedule(NOTE, "scheduled", schedule_type=Schedule.ONCE, next_run=timezone.now() - timedelta(seconds=1))
    scheduler(broker=get_broker())  # the cluster's sentinel does so every half minute
    wait_until(lambda: Effect.objects.filter(label="scheduled").exists(), "the scheduled task", seconds=60)
    assert not Schedule.objects.exists()
    wait_until(lambda: Task.objects.exists(), "its record, which the next test would find")


def test_tasks_are_not_starved_by_a_full_queue_of_deliveries_and_hints_leave_no_trace(cluster: Cluster) -> None:
    deliveries = [enqueue(receivers.work) for _ in range(300)]
    task = async_task("math.sqrt", 16)
    assert result(task, wait=30_000) == 4.0
    wait_for_end(deliveries)
    time.sleep(0.3)  # the monitor records a task after its end
    assert [kept.id for kept in Task.objects.all()] == [task]
    assert not OrmQ.objects.exists()


def test_hints_and_rows_of_garbage_stop_no_process_and_hold_up_no_delivery(cluster: Cluster) -> None:
    family = set(cluster.family())
    for queue in (None, 5, "", "nobody", "a\nb", {"queue": ["sigdemo"]}):
        async_task("signals_app.worker.loop.drain", queue, ack_failure=True)
    async_task("signals_app.worker.loop.drain", ack_failure=True)
    async_task("signals_app.worker.loop.drain", "sigdemo", "and", more=True, ack_failure=True)
    past = timezone.now() - timedelta(seconds=1)
    for payload in ("", "garbage", "a:b:c", "\ud7ff" * 100):
        OrmQ.objects.create(key="sigdemo", payload=payload, lock=past)

    delivery = enqueue(receivers.work)
    wait_for_end([delivery])
    assert delivery.state == State.SUCCESSFUL
    wait_until(lambda: not OrmQ.objects.exists(), "the end of every row")
    assert {task.attempt_count for task in Task.objects.all()} == {1}
    assert Failure.objects.count() == 2
    assert all("drain() " in failure.result for failure in Failure.objects.all())
    assert set(cluster.family()) == family
