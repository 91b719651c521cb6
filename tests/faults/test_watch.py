"""The worker on watch takes new work by itself; it may be killed, stopped or cut off, and the others go on."""

from __future__ import annotations

import re
import signal

import pytest
from django.db import connection, transaction
from django_q.models import Success
from django_q.tasks import async_task

from signals_app.worker.watch import WATCH
from tests.cluster import Cluster, kill, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.harness import Fault, enqueue_many, run_one, size
from tests.faults.receivers import effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
COUNTED = '"broker_class": "tests.faults.sabotage.CountedHints"'
CLUSTER = {"TEST_Q_CLUSTER": f"{{{COUNTED}}}"}


def hints(cluster: Cluster) -> int:
    """Return how many hints and tasks were given out."""
    return sum(map(int, re.findall(r"gave (\d+) hints", cluster.log.read_text())))


def runner(fault: Fault) -> int:
    """Return the worker that takes a delivery which is sent now."""
    delivery = enqueue(effect)
    wait_for_end([delivery])
    (pid,) = {pid for number, pid in journal.runners(fault.journal) if number == delivery.id}
    return pid


def watcher(cluster: Cluster, fault: Fault) -> int:
    """Return the worker that is on watch: one that runs five deliveries in a row, and nobody had a hint."""
    found = list[int]()

    def is_found() -> bool:
        before = hints(cluster)
        found[:] = {runner(fault) for _ in range(5)}
        return len(found) == 1 and hints(cluster) == before

    wait_until(is_found, "a worker on watch", seconds=60)
    return found[0]


@pytest.mark.short
@pytest.mark.fault(28, "the worker on watch killed again and again: another is on watch, and nothing is lost")
def test_a_watcher_that_is_killed_is_followed_by_another(fault: Fault, cluster: Cluster) -> None:
    killed = set[int]()
    for _ in range(size(3, 30)):
        pid = watcher(cluster, fault)
        killed.add(pid)
        kill(pid)
        wait_for_end(enqueue_many(5))
    assert watcher(cluster, fault) not in killed
    fault.note(watchers_killed=len(killed))
    fault.invariant()


@pytest.mark.fault(28, "the worker on watch stopped, and woken when others have done its work")
def test_what_a_stopped_watcher_does_not_take_the_others_do(fault: Fault, cluster: Cluster) -> None:
    for _ in range(size(1, 10)):
        pid = watcher(cluster, fault)
        kill(pid, number=signal.SIGSTOP)
        try:
            wait_for_end(enqueue_many(20))
            assert watcher(cluster, fault) != pid
        finally:
            kill(pid, number=signal.SIGCONT)
        wait_for_end(enqueue_many(20))
    fault.invariant()


@pytest.mark.database("postgresql")
@pytest.mark.fault(28, "the sessions of a cluster ended while a worker is on watch")
def test_a_watcher_that_is_cut_off_comes_back(fault: Fault, cluster: Cluster) -> None:
    for _ in range(size(2, 20)):
        watcher(cluster, fault)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        wait_for_end(enqueue_many(5))
    watcher(cluster, fault)
    fault.invariant()


@pytest.mark.short("sqlite")
@pytest.mark.fault(28, "a single worker on watch, called off by plain tasks and by a stop")
def test_plain_tasks_and_a_stop_call_a_watcher_off(fault: Fault) -> None:
    with fault.cluster(TEST_Q_CLUSTER='{"workers": 1}') as cluster:
        for number in range(1, size(4, 40)):
            run_one()
            async_task("math.sqrt", 16)
            wait_until(lambda: Success.objects.count() == number, "the end of a plain task")  # noqa: B023
        assert cluster.stop() == 0
    assert "did not stop" not in cluster.log.read_text()


@pytest.mark.short("sqlite")
@pytest.mark.fault(28, "workers on watch recycled: what they do without hints counts as tasks do")
def test_a_watcher_is_recycled_like_any_worker(fault: Fault) -> None:
    with fault.cluster(TEST_Q_CLUSTER='{"workers": 1, "recycle": 5}') as cluster:
        for _ in range(size(30, 300)):
            run_one()
        log = cluster.log.read_text()
    assert log.count("ready for work at") > size(1, 10)


@pytest.mark.short("sqlite")
@pytest.mark.fault(28, "a plain task behind a delivery, where one worker serves both")
def test_a_watcher_leaves_no_task_behind_it(fault: Fault) -> None:
    with fault.cluster(TEST_Q_CLUSTER='{"workers": 1}'):
        run_one()
        with transaction.atomic():  # so that both come in one look
            enqueue(effect)
            async_task("math.sqrt", 16)
        wait_until(lambda: Success.objects.exists(), "the end of a plain task", seconds=0.8 * WATCH)
