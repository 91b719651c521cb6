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


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([], ""),
        ([lambda: enqueue(nothing)], "has claimed nothing for 0 s while work is due"),
        ([liveness.task_queued], "has claimed nothing for 0 s while work is due"),  # a plain task
        ([liveness.task_started, liveness.task_ended], "has recorded no result of a task for 0 s"),
    ],
    ids=["nothing to do", "due work", "a plain task", "a result"],
)
def test_a_cluster_stands_still_where_nobody_takes_what_waits(steps: list[Callable[[], object]], reason: str) -> None:
    for step in steps:
        step()
    assert second_look(watched()) == reason


def test_a_cluster_whose_workers_are_all_busy_does_not_stand_still() -> None:
    enqueue(nothing)
    liveness.task_started()
    assert second_look(watched(workers=1)) == ""
    assert "has claimed nothing" in second_look(watched(workers=2))


def test_claims_that_all_fail_are_a_standstill() -> None:
    liveness.claim_failed()
    one = watched(workers=1)
    assert second_look(one) == "", "nothing is due"
    enqueue(nothing)
    liveness.task_started()
    assert "has had every claim fail for 0 s" in second_look(one)
    liveness.claim_succeeded()
    assert "every claim" not in second_look(one)


def test_a_worker_that_died_at_its_task_is_not_busy() -> None:
    enqueue(nothing)
    pid = os.fork()
    if not pid:
        liveness.task_started()
        os._exit(0)
    assert liveness.working() in ([], [pid])
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie
    assert liveness.working() == [pid]
    assert watched().working() == []
    os.waitpid(pid, 0)


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
        assert second_look(watched()) == ""
        _be_one_of_the_staff(leaves=False)
        one = watched()
        assert second_look(one) == "has claimed nothing for 0 s while work is due"
        liveness.task_started()
        liveness.task_ended()
        liveness.result_recorded()
        assert not one.is_in_doubt
        assert second_look(one) == "", "whoever takes a task has the lock of the queue"


def test_a_worker_that_was_recycled_is_not_missed() -> None:
    one = watched()
    _be_one_of_the_staff(leaves=True)
    one.reason()
    assert not one.is_in_doubt


def test_a_worker_of_another_cluster_is_not_ours() -> None:
    liveness.task_started()
    assert watched().working() == [os.getpid()]
    assert StallDetector(conf.queue, leader=1, workers=2).working() == []


def test_taking_anything_is_life() -> None:
    enqueue(nothing)
    one = watched()
    assert one.reason() is None
    liveness.task_started()
    liveness.task_ended()
    liveness.result_recorded()
    assert one.reason() is None


def test_a_guard_that_goes_round_no_more_is_a_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    assert second_look(watched()) == ""
    monkeypatch.setattr(supervisor, "GUARD_ROUND", 0)
    assert second_look(watched()) == "has not looked after its workers for 0 s"
    with liveness.guarding():
        assert second_look(watched()) == ""


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_no_standstill_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(nothing)
    one = watched()
    assert one.reason() is None
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "due", lambda queue, limit: connections["default"].cursor().execute("SELECT nonsense"))
        assert one.reason() is None
    assert f"The supervisor of {conf.queue} cannot reach the database" in caplog.text
    assert one.reason() is None
    assert one.reason() is not None


@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_waits_for_the_write_lock_of_sqlite_does_not_stand_still() -> None:
    enqueue(nothing)
    one = watched()
    assert one.reason() is None
    with closing(connection.copy()) as receiver, receiver.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
        assert (one.reason() is None) == (connection.vendor == "sqlite")
    one.reason()
    assert "has claimed nothing" in (one.reason() or "")


def test_a_cluster_is_idle_since_its_last_task_and_result() -> None:
    one = watched()
    assert one.idle_seconds() == pytest.approx(0, abs=0.5)
    first = one._idle._since
    assert one.idle_seconds() > 0
    assert one._idle._since == first
    liveness.task_started()
    assert one.idle_seconds() == pytest.approx(0, abs=0.5)
    liveness.task_ended()
    one.idle_seconds()
    liveness.result_recorded()
    one.idle_seconds()
    assert one._idle._since > first
