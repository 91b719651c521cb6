"""What tells the supervisor that its cluster does nothing any more."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from django.db import connection, connections
from django.test import override_settings

from signals_app import ledger
from signals_app.cluster import supervisor
from signals_app.cluster.supervisor import StallDetector
from signals_app.conf import conf
from signals_app.processes.liveness import liveness
from tests.testapp.receivers import enqueue, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Let the second look be too late already, and know nothing of earlier clusters."""
    liveness.begin()
    with override_settings(SIGNALS_APP={"STALL": 1e-9}):
        yield
    liveness.begin()
    liveness.claim_succeeded()


def watched(workers: int = 2) -> StallDetector:
    return StallDetector(conf.queue, leader=os.getpgrp(), workers=workers, guard_cycle=0)


def second_look(one: StallDetector) -> str:
    assert one.reason() is None, "the first look cannot know for how long"
    return one.reason() or ""


def a_round_of_life() -> None:
    """Take a task, end it, and deal with its result."""
    liveness.task_started()
    liveness.task_ended()
    liveness.result_recorded()


UNTAKEN = "has claimed nothing for 0 s while work is due"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([], ""),
        ([lambda: enqueue(nothing)], UNTAKEN),
        ([liveness.task_queued], UNTAKEN),  # a plain task
        ([lambda: enqueue(nothing), liveness.task_started], UNTAKEN),  # there is another worker
        ([liveness.task_started, liveness.task_ended], "has recorded no result of a task for 0 s"),
        ([liveness.claim_failed], ""),  # nothing is due
    ],
    ids=["nothing to do", "due work", "a plain task", "one is busy", "a result", "a failed claim"],
)
def test_a_cluster_stalls_where_nobody_takes_what_waits(steps: list[Callable[[], object]], reason: str) -> None:
    for step in steps:
        step()
    assert second_look(watched()) == reason


def test_claims_that_all_fail_are_a_stall() -> None:
    liveness.claim_failed()
    enqueue(nothing)
    liveness.task_started()
    one = watched(workers=1)
    assert second_look(one) == "has had every claim fail for 0 s"
    liveness.claim_succeeded()
    assert one.reason() is None, "all workers are busy"


def test_a_worker_that_died_at_its_task_or_is_of_another_cluster_is_not_busy() -> None:
    pid = os.fork()
    if not pid:
        liveness.task_started()
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie
    assert liveness.working() == [pid]
    assert watched().working() == []
    os.waitpid(pid, 0)
    liveness.task_started()
    assert watched().working() == [os.getpid()]
    assert StallDetector(conf.queue, leader=1, workers=2).working() == []


def _be_one_of_the_staff(*, leaves: bool) -> None:
    """Fork a process that joins the cluster and ends."""
    pid = os.fork()
    if not pid:
        liveness.join()
        if leaves:
            liveness.leave(os.getpid())
        os._exit(0)
    os.waitpid(pid, 0)


def test_a_cluster_in_which_a_process_was_killed_is_given_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STALL_AFTER_DEATH", 1e-9)
    enqueue(nothing)
    with override_settings(SIGNALS_APP={"STALL": 600}):
        _be_one_of_the_staff(leaves=True)  # a worker that is recycled is not missed
        one = watched()
        assert (second_look(one), one.is_in_doubt) == ("", False)
        _be_one_of_the_staff(leaves=False)
        one = watched()
        assert (second_look(one), one.is_in_doubt) == (UNTAKEN, True)
        a_round_of_life()
        assert not one.is_in_doubt
        assert second_look(one) == "", "whoever takes a task has the lock of the queue"


def test_a_guard_that_makes_no_round_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    assert second_look(watched()) == ""
    monkeypatch.setattr(supervisor, "GUARD_ROUND", 0)
    assert second_look(watched()) == "has not looked after its workers for 0 s"
    with liveness.guarding():
        assert second_look(watched()) == ""


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_no_stall(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(nothing)
    one = watched()
    assert one.reason() is None
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "due", lambda queue, limit: connections["default"].cursor().execute("SELECT nonsense"))
        assert one.reason() is None
    assert f"The supervisor of {conf.queue} cannot reach the database" in caplog.text
    assert second_look(one) == UNTAKEN


@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_waits_for_the_write_lock_of_sqlite_does_not_stall() -> None:
    enqueue(nothing)
    one = watched()
    assert one.reason() is None
    with closing(connection.copy()) as receiver, receiver.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
        assert (one.reason() is None) == (connection.vendor == "sqlite")
    one.reason()
    assert one.reason() == UNTAKEN


def test_a_cluster_is_idle_since_its_last_task_and_result() -> None:
    one = watched()
    one.idle_seconds()
    first = one._idle._since
    one.idle_seconds()
    assert one._idle._since == first
    for step in (liveness.task_started, liveness.task_ended, liveness.result_recorded):
        step()
        one.idle_seconds()
    assert one._idle._since > first
