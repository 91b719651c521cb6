"""Signs of life reach the process that watches, from every process forked after it."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue

import pytest

from signals_app.processes.liveness import SLOTS, Liveness


@pytest.fixture
def one() -> Liveness:
    liveness = RawValue(Liveness)
    liveness.begin()
    return liveness


def in_a_child(act: Callable[[], None]) -> int:
    """Act in a forked process; return its pid once it has ended."""
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join()
    assert child.exitcode == 0
    return child.pid or 0


def test_a_task_given_out_waits_until_a_worker_takes_any(one: Liveness) -> None:
    assert not one.has_unstarted_task
    in_a_child(one.task_queued)
    assert one.has_unstarted_task
    in_a_child(one.task_started)
    assert not one.has_unstarted_task


def test_a_task_that_ended_waits_until_the_monitor_deals_with_any(one: Liveness) -> None:
    assert not one.has_unrecorded_result()
    in_a_child(one.task_ended)
    assert one.has_unrecorded_result()
    assert not one.has_unrecorded_result(older_than=60)
    before = one.result_recorded_at
    in_a_child(one.result_recorded)
    assert one.result_recorded_at > before
    assert not one.has_unrecorded_result()


def test_a_worker_is_at_work_from_taking_a_task_to_its_end(one: Liveness) -> None:
    one.task_started()
    assert one.working() == [os.getpid()]
    one.task_ended()
    assert one.working() == []


def test_a_worker_that_died_at_work_left_its_pid(one: Liveness) -> None:
    died = in_a_child(one.task_started)
    assert one.working() == [died]


def test_a_worker_at_its_task_is_known_by_its_beats(one: Liveness) -> None:
    one.beat(7)
    assert one.beats_for(os.getpid(), within=60) is None, "it is at no task"
    one.task_started()
    assert one.beats_for(os.getpid(), within=60) == 7
    assert one.beats_for(os.getpid(), within=0) is None
    assert one.beats_for(os.getppid(), within=60) is None


def test_the_guard_has_no_moment_while_it_may_wait_for_the_database(one: Liveness) -> None:
    before = one.guarded_at
    with one.guarding():
        assert one.guarded_at is None
    assert one.guarded_at is not None
    assert before is not None
    assert one.guarded_at > before


def test_a_new_cluster_begins_with_nothing_known_of_the_old_one(one: Liveness) -> None:
    one.task_queued()
    one.task_started()
    one.task_ended()
    one.task_queued()
    one.may_claim = False
    one.task_started()
    one.begin()
    assert (one.may_claim, one.working(), one.has_unstarted_task, one.has_unrecorded_result()) == (
        True,
        [],
        False,
        False,
    )


def test_workers_whose_pids_fall_on_one_slot_are_told_apart(one: Liveness, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = os.getpid(), os.getpid() + SLOTS
    one.task_started()
    one.beat(7)

    def take_and_beat() -> None:
        monkeypatch.setattr(os, "getpid", lambda: second)
        one.task_started()
        one.beat(8)

    in_a_child(take_and_beat)
    assert sorted(one.working()) == [first, second]
    assert [one.beats_for(pid, within=60) for pid in (first, second)] == [7, 8]
    one.task_ended()
    assert one.working() == [second], "a cluster whose workers seem idle is taken to stand still"
    one.task_started()
    assert sorted(one.working()) == [first, second]
