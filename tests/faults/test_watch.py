"""The worker on watch takes new work by itself; it may be killed, stopped or cut off, and the others go on."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_q.models import Success
from django_q.tasks import async_task

from signals_app.models import State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
CLUSTER = {"TEST_Q_CLUSTER": '{"broker_class": "tests.faults.brokers.CountedHints"}'}


def hints(cluster: Cluster) -> int:
    """Return how many hints and tasks were given out."""
    return sum(map(int, re.findall(r"gave (\d+) hints", cluster.log.read_text())))


def runner(journal_file: Path) -> int:
    """Return the worker that takes a delivery which is sent now."""
    delivery = enqueue(effect)
    wait_for_end([delivery])
    assert delivery.state == State.SUCCESSFUL
    (pid,) = {pid for number, pid in journal.runners(journal_file) if number == delivery.id}
    return pid


def watcher(cluster: Cluster, journal_file: Path) -> int:
    """Return the worker that is on watch: one that runs five deliveries in a row, and nobody had a hint."""
    found = list[int]()

    def is_found() -> bool:
        before = hints(cluster)
        pids = {runner(journal_file) for _ in range(5)}
        found[:] = pids
        return len(pids) == 1 and hints(cluster) == before

    wait_until(is_found, "a worker on watch", seconds=60)
    return found[0]


@pytest.mark.short
@pytest.mark.fault(28, "the worker on watch killed again and again: another is on watch, and nothing is lost")
def test_a_watcher_that_is_killed_is_followed_by_another(
    invariant: Holds, cluster: Cluster, journal_file: Path, record_property: Any
) -> None:
    killed = set[int]()
    for _ in range(size(3, 30)):
        pid = watcher(cluster, journal_file)
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        wait_for_end([enqueue(effect) for _ in range(5)])
    assert watcher(cluster, journal_file) not in killed
    record_property("watchers killed", len(killed))
    invariant()


@pytest.mark.fault(28, "the worker on watch stopped, and woken when others have done its work")
def test_what_a_stopped_watcher_does_not_take_the_others_do(
    invariant: Holds, cluster: Cluster, journal_file: Path
) -> None:
    for _ in range(size(1, 10)):
        pid = watcher(cluster, journal_file)
        os.kill(pid, signal.SIGSTOP)
        try:
            sent = [enqueue(effect) for _ in range(20)]
            wait_for_end(sent)
            assert watcher(cluster, journal_file) != pid
        finally:
            os.kill(pid, signal.SIGCONT)
        assert {state.state for state in sent} == {State.SUCCESSFUL}
        wait_for_end([enqueue(effect) for _ in range(20)])
    invariant()


@pytest.mark.database("postgresql")
@pytest.mark.fault(28, "the sessions of a cluster ended while its worker is on watch")
def test_a_watcher_that_is_cut_off_comes_back(invariant: Holds, cluster: Cluster, journal_file: Path) -> None:
    for _ in range(size(2, 20)):
        watcher(cluster, journal_file)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        wait_for_end([enqueue(effect) for _ in range(5)])
    watcher(cluster, journal_file)
    invariant()


@pytest.mark.short("sqlite")
@pytest.mark.fault(28, "a single worker on watch, called off by plain tasks and by a stop")
def test_plain_tasks_and_a_stop_call_a_watcher_off(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log", TEST_Q_CLUSTER='{"workers": 1}') as cluster:
        for number in range(1, size(4, 40)):
            wait_for_end([enqueue(effect)])
            async_task("math.sqrt", 16)
            wait_until(lambda: Success.objects.count() == number, "the end of a plain task")  # noqa: B023
        assert cluster.stop() == 0
    assert "did not stop" not in cluster.log.read_text()


@pytest.mark.short("sqlite")
@pytest.mark.fault(28, "workers on watch recycled: what they do without hints counts as tasks do")
def test_a_watcher_is_recycled_like_any_worker(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log", TEST_Q_CLUSTER='{"workers": 1, "recycle": 5}') as cluster:
        for _ in range(size(30, 300)):
            wait_for_end([enqueue(effect)])
        log = cluster.log.read_text()
    assert log.count("ready for work at") > size(4, 40)
