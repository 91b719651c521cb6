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


def test_what_one_process_notes_the_others_see(one: Liveness) -> None:
    in_a_child(one.task_queued)
    assert one.has_unstarted_task
    died = in_a_child(one.task_started)
    assert not one.has_unstarted_task
    assert one.working() == [died], "a worker that died at work leaves its pid"
    assert not one.has_unrecorded_result()
    in_a_child(one.task_ended)
    assert one.has_unrecorded_result()
    assert not one.has_unrecorded_result(older_than=60)
    in_a_child(one.result_recorded)
    assert not one.has_unrecorded_result()
    one.task_queued()
    one.may_claim = False
    one.begin()
    assert (one.may_claim, one.working(), one.has_unstarted_task) == (True, [], False), "a new cluster begins"


def test_a_worker_at_its_task_is_known_by_its_beats(one: Liveness) -> None:
    one.beat(7)
    assert one.beats_for(os.getpid(), within=60) is None, "it is at no task"
    one.task_started()
    assert one.beats_for(os.getpid(), within=60) == 7
    assert one.beats_for(os.getpid(), within=0) is None
    assert one.beats_for(os.getppid(), within=60) is None


def test_what_a_worker_ran_last_is_known_after_its_end_and_that_of_its_cluster(one: Liveness) -> None:
    assert one.run_of(os.getpid()) == 0
    one.task_started()
    one.run(7)
    one.task_ended()
    one.begin()
    assert (one.run_of(os.getpid()), one.run_of(os.getppid())) == (7, 0)
    one.run(0)
    assert one.run_of(os.getpid()) == 0


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
    assert one.working() == [second], "a cluster whose workers seem idle is taken to stall"
    one.task_started()
    assert sorted(one.working()) == [first, second]
