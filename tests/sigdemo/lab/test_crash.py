"""The crash test kills real processes at their work, its own and no others."""

import os
from pathlib import Path

import pytest

from sigdemo.lab import crash, limits
from sigdemo.lab.facts import facts_of
from sigdemo.lab.kinds import Death, Kind, Outcome, Plan, Way
from signals_app.models import Attempt, Delivery, State
from signals_app.models import Outcome as Failure
from tests.cluster import descendants


@pytest.mark.database
@pytest.mark.parametrize("death", list(Death))
def test_the_threads_work_is_lost_and_the_queues_is_done_again(
    death: Death, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_RUN_DB", "1")
    run = limits.write(Plan(kind=Kind.WAIT, seconds=1.5, fan_out=1, ways=(Way.THREAD, Way.QUEUED), death=death))
    crash.run(run)

    threaded, queued = facts_of(run).lanes
    [lost] = threaded.works
    assert lost.is_lost
    assert lost.worked is None
    assert lost.same_process
    assert lost.thread == "lab-1"
    assert (threaded.row.answered_after or 9) < 1.0

    first, second = queued.works
    assert (first.outcome, second.outcome) == (Outcome.LOST, Outcome.DONE)
    assert (first.attempt, second.attempt) == (1, 2)
    assert len({lost.pid, first.pid, second.pid, os.getpid()}) == 4
    assert queued.row.pid == os.getpid()
    assert (second.worked or 0) >= 1.5
    assert facts_of(run).is_over

    delivery = Delivery.objects.get()
    assert (delivery.queue, delivery.state, delivery.attempts) == ("lab-crash", State.SUCCESSFUL, 2)
    assert Attempt.objects.get().outcome == Failure.LOST
    assert not any(Path(f"/proc/{work.pid}").exists() for work in (lost, first, second))
    assert descendants(os.getpid()) == []


def test_a_process_that_does_not_work_is_reported(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_RUN_DB", "1")
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    run = limits.write(Plan(kind=Kind.WAIT, seconds=1, fan_out=1, ways=(Way.THREAD, Way.QUEUED), death=Death.SIGKILL))

    with pytest.raises(crash.CrashTestFailed, match=r"The sandbox process \d+ ended with 1 by itself\."):
        crash.run(run)
    assert descendants(os.getpid()) == []
