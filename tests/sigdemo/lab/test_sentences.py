"""The sentence of each lane says what was measured, whatever that is."""

import pytest

from sigdemo.lab.facts import facts_of
from sigdemo.lab.kinds import Outcome, Way
from sigdemo.lab.sentences import sentence
from tests.sigdemo.lab.runs import PID, Measured, planned

pytestmark = pytest.mark.django_db


def test_a_request_that_waited() -> None:
    measured = Measured(Way.SIGNAL, answered=0.512).work(0.002, 0.5)

    assert sentence(measured.lane()) == (
        "The request waited for the work: the answer left after 512 ms, the work had ended after 502 ms."
    )


def test_a_request_that_was_answered_first() -> None:
    measured = Measured(Way.QUEUED, answered=0.004).work(0.01, 0.5, queued_from=0.002, pid=PID + 1)

    assert sentence(measured.lane()) == "The request was answered after 4.0 ms, before the work began."


def test_a_request_that_was_answered_while_threads_worked() -> None:
    measured = Measured(Way.THREAD, answered=0.1).work(0.01, 0.5)

    assert sentence(measured.lane()) == "The request was answered after 100 ms, while the work went on until 510 ms."


def test_the_same_way_can_lead_to_another_sentence() -> None:
    """It is derived from the figures, not from the way: here a queued receiver was quicker than its request."""
    measured = Measured(Way.QUEUED, answered=0.9).work(0.1, 0.5, queued_from=0.002)

    assert sentence(measured.lane()).startswith("The request waited for the work")


def test_work_that_waits_for_a_worker() -> None:
    assert sentence(Measured(Way.QUEUED, answered=0.004).lane()) == (
        "The request was answered after 4.0 ms, before the work began; the work waits in the database for a worker."
    )


def test_work_that_goes_on() -> None:
    measured = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome="")

    assert sentence(measured.lane()) == "The request was answered after 4.0 ms, and the work goes on."


def test_a_failure_that_kept_others_from_running() -> None:
    measured = Measured(Way.SIGNAL, answered=0.51, fan_out=3, error="LabFailure: told to")
    measured.work(0.002, 0.5, outcome=Outcome.FAILED)

    assert sentence(measured.lane()).endswith("; the visitor got an error, and 2 receivers behind it never ran.")


def test_a_failure_that_nobody_saw() -> None:
    measured = Measured(Way.THREAD, answered=0.004).work(0.01, 0.5, outcome=Outcome.FAILED)

    assert sentence(measured.lane()).endswith(
        "; it failed, but the visitor got a good answer: only the server's log knows."
    )


def test_a_failure_that_was_made_good() -> None:
    measured = Measured(Way.QUEUED, answered=0.004)
    measured.work(0.01, 0.1, outcome=Outcome.FAILED, queued_from=0.002).work(0.5, 0.1, attempt=2, queued_from=0.002)

    assert sentence(measured.lane()).endswith("; attempt 1 failed, the next one succeeded.")


def test_a_failure_that_is_final() -> None:
    measured = Measured(Way.QUEUED, answered=0.004)
    for attempt in (1, 2, 3):
        measured.work(attempt / 10, 0.05, attempt=attempt, outcome=Outcome.FAILED, queued_from=0.002)

    assert measured.lane().is_over
    assert sentence(measured.lane()).endswith("; it failed 3 times, and each failure is on record.")


def test_a_failure_that_is_tried_again() -> None:
    measured = Measured(Way.QUEUED, answered=0.004).work(0.01, 0.1, outcome=Outcome.FAILED, queued_from=0.002)

    assert not measured.lane().is_over
    assert sentence(measured.lane()).endswith("; attempt 1 failed, and the queue tries again.")


def test_a_thread_that_was_lost() -> None:
    measured = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome=Outcome.LOST, lost_after=0.6)

    assert measured.lane().is_over
    assert sentence(measured.lane()) == (
        f"The request was answered after 4.0 ms; the process with pid {PID} died at the work, and nobody does it again."
    )


def test_a_worker_that_was_lost_and_replaced() -> None:
    measured = Measured(Way.QUEUED, answered=0.004)
    measured.work(0.01, None, outcome=Outcome.LOST, lost_after=0.6, queued_from=0.002, pid=71)
    measured.work(0.9, 0.5, attempt=2, queued_from=0.002, pid=72)

    assert sentence(measured.lane()).endswith(
        "; the worker with pid 71 died at it, and the one with pid 72 did it again."
    )


def test_workers_that_were_all_lost() -> None:
    measured = Measured(Way.QUEUED, answered=0.004)
    for attempt in (1, 2, 3):
        measured.work(attempt / 10, None, attempt=attempt, outcome=Outcome.LOST, lost_after=0.05, queued_from=0.002)

    assert measured.lane().is_over
    assert sentence(measured.lane()).endswith(f"the process with pid {PID} died at the work, and nobody does it again.")


def test_lanes_that_have_not_come_so_far() -> None:
    assert sentence(Measured(Way.INLINE, answered=None).lane()) == "The request is still waiting for the work."


def test_a_lane_that_was_not_run() -> None:
    [lane] = facts_of(planned(Way.INLINE)).lanes
    assert sentence(lane) == "It was not run."
