"""The crash test kills real processes at their work, its own and no others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sigdemo.lab import crash, limits
from sigdemo.lab.facts import facts_of
from sigdemo.lab.forms import CRASH_SECONDS, crash_plan
from sigdemo.lab.kinds import Death, Outcome
from sigdemo.lab.management.commands.lab_sandbox import ABANDONED, EXIT_STATUS
from signals_app.models import Attempt, Delivery, State
from signals_app.models import Outcome as Failure
from tests.cluster import ROOT, descendants


@pytest.mark.database
@pytest.mark.parametrize("death", list(Death))
def test_the_threads_work_is_lost_and_the_queues_is_done_again(
    death: Death, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_RUN_DB", "1")
    run = limits.write(crash_plan(death))
    crash.run(run)
    threaded, queued = facts_of(run).lanes
    [lost], [first, second] = threaded.works, queued.works
    assert (lost.is_lost, lost.worked, lost.same_process, lost.thread) == (True, None, True, "lab-1")
    assert 0 < (threaded.row.answered_after or 0) < lost.end
    assert [(work.attempt, work.outcome) for work in (first, second)] == [(1, Outcome.LOST), (2, Outcome.DONE)]
    assert len({lost.pid, first.pid, second.pid, os.getpid()}) == 4
    assert queued.row.pid == os.getpid()
    assert (second.worked or 0) >= CRASH_SECONDS
    assert facts_of(run).is_over
    delivery = Delivery.objects.get()
    assert (delivery.queue, delivery.state, delivery.attempts) == ("lab-crash", State.SUCCESSFUL, 2)
    assert Attempt.objects.get().outcome == Failure.LOST
    assert not any(Path(f"/proc/{work.pid}").exists() for work in (lost, first, second))
    assert descendants(os.getpid()) == []


def test_a_process_that_does_not_work_is_reported(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_RUN_DB", "1")
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    run = limits.write(crash_plan(Death.SIGKILL))
    with pytest.raises(crash.CrashTestFailed, match=r"The sandbox process \d+ ended with 1 by itself\."):
        crash.run(run)
    assert descendants(os.getpid()) == []


@pytest.mark.parametrize(("word", "status"), [(b"exit\n", EXIT_STATUS), (b"", ABANDONED)])
def test_a_worker_ends_at_a_word_or_with_its_starter(word: bytes, status: int, transactional_db: None) -> None:
    command = [sys.executable, "manage.py", "lab_sandbox", "--settings", "tests.settings", "--queue", "lab-crash"]
    environment = os.environ | {"TEST_RUN_DB": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, input=word, timeout=30, check=False)
    assert ended.returncode == status
