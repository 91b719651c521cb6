"""Signs of life reach the process that watches, from every process forked after it."""

import multiprocessing
import os
from collections.abc import Callable

import pytest

from signals_app.processes.liveness import SLOTS, Pulse


@pytest.fixture
def one() -> Pulse:
    pulse = Pulse()
    pulse.begin()
    return pulse


def in_a_child(act: Callable[[], None]) -> int:
    """Act in a forked process; return its pid once it has ended."""
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join()
    assert child.exitcode == 0
    return child.pid or 0


def test_a_task_given_out_waits_until_a_worker_takes_any(one: Pulse) -> None:
    assert not one.waits_for_worker
    in_a_child(one.give)
    assert one.waits_for_worker
    in_a_child(one.take)
    assert not one.waits_for_worker


def test_a_task_that_ended_waits_until_the_monitor_deals_with_any(one: Pulse) -> None:
    assert not one.monitor_owes(0)
    in_a_child(one.end)
    assert one.waits_for_monitor
    assert one.monitor_owes(0)
    assert not one.monitor_owes(60)
    before = one.recorded_at
    in_a_child(one.record)
    assert one.recorded_at > before
    assert not one.waits_for_monitor


def test_a_worker_is_at_work_from_taking_a_task_to_its_end(one: Pulse) -> None:
    one.take()
    assert one.working() == [os.getpid()]
    one.end()
    assert one.working() == []


def test_a_worker_that_died_at_work_left_its_pid(one: Pulse) -> None:
    died = in_a_child(one.take)
    assert one.working() == [died]


def test_a_worker_at_its_task_is_known_by_its_beats(one: Pulse) -> None:
    one.beat(7)
    assert one.beats_for(os.getpid(), within=60) is None, "it is at no task"
    one.take()
    assert one.beats_for(os.getpid(), within=60) == 7
    assert one.beats_for(os.getpid(), within=0) is None
    assert one.beats_for(os.getppid(), within=60) is None


def test_the_guard_has_no_moment_while_it_may_wait_for_the_database(one: Pulse) -> None:
    before = one.guarded_at
    with one.guarding():
        assert one.guarded_at is None
    assert one.guarded_at is not None
    assert before is not None
    assert one.guarded_at > before


def test_a_new_cluster_begins_with_nothing_known_of_the_old_one(one: Pulse) -> None:
    one.give()
    one.take()
    one.end()
    one.give()
    one.stop_claiming()
    one.take()
    one.begin()
    assert (one.may_claim, one.working(), one.waits_for_worker, one.waits_for_monitor) == (True, [], False, False)


def test_workers_whose_pids_fall_on_one_slot_are_told_apart(one: Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = os.getpid(), os.getpid() + SLOTS
    one.take()
    one.beat(7)

    def take_and_beat() -> None:
        monkeypatch.setattr(os, "getpid", lambda: second)
        one.take()
        one.beat(8)

    in_a_child(take_and_beat)
    assert sorted(one.working()) == [first, second]
    assert [one.beats_for(pid, within=60) for pid in (first, second)] == [7, 8]
    one.end()
    assert one.working() == [second], "a cluster whose workers seem idle is taken to stand still"
    one.take()
    assert sorted(one.working()) == [first, second]
