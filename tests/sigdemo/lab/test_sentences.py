"""The sentence of each lane says what was measured, whatever that is."""

from typing import Any

import pytest

from sigdemo.lab.facts import facts_of
from sigdemo.lab.kinds import Outcome, Way
from sigdemo.lab.sentences import sentence
from tests.sigdemo.lab.runs import PID, Measured, planned

pytestmark = pytest.mark.django_db

QUEUED: dict[str, Any] = {"queued_from": 0.002}
FAILED: dict[str, Any] = {"worked": 0.1, "outcome": Outcome.FAILED}
LOST: dict[str, Any] = {"worked": None, "outcome": Outcome.LOST, "lost_after": 0.05}
AT_ONCE = 0.004
ANSWERED = "The request was answered after 4.0 ms"


def said(way: Way, answered: float | None, *works: dict[str, Any], is_over: bool = True, **more: Any) -> str:
    """Return the sentence of a lane whose receivers worked so."""
    measured = Measured(way, answered=answered, **more)
    for work in works:
        measured.work(**work)
    assert measured.lane().is_over is is_over
    return sentence(measured.lane())


def test_when_the_request_was_answered_is_told_by_the_figures_and_not_by_the_way() -> None:
    assert said(Way.SIGNAL, 0.512, {"start": 0.002, "worked": 0.5}) == (
        "The request waited for the work: the answer left after 512 ms, the work had ended after 502 ms."
    )
    quicker = said(Way.QUEUED, 0.9, {"start": 0.1, "worked": 0.5, **QUEUED})
    assert quicker.startswith("The request waited for the work")
    late = {"start": 0.01, "worked": 0.5, "pid": PID + 1, **QUEUED}
    assert said(Way.QUEUED, AT_ONCE, late) == f"{ANSWERED}, before the work began."
    assert said(Way.THREAD, 0.1, {"start": 0.01, "worked": 0.5}) == (
        "The request was answered after 100 ms, while the work went on until 510 ms."
    )


def test_what_is_not_over() -> None:
    assert said(Way.INLINE, None, is_over=False) == "The request is still waiting for the work."
    assert said(Way.QUEUED, AT_ONCE, is_over=False) == (
        f"{ANSWERED}, before the work began; the work waits in the database for a worker."
    )
    running = {"start": 0.01, "worked": None, "outcome": ""}
    assert said(Way.THREAD, AT_ONCE, running, is_over=False) == f"{ANSWERED}, and the work goes on."
    [lane] = facts_of(planned(Way.INLINE)).lanes
    assert sentence(lane) == "It was not run."


def test_what_failed() -> None:
    stopped = said(Way.SIGNAL, 0.51, {"start": 0.002, **FAILED}, fan_out=3, error="LabFailure: told to")
    assert stopped.endswith("; the visitor got an error, and 2 receivers behind it never ran.")
    unseen = said(Way.THREAD, AT_ONCE, {"start": 0.01, **FAILED})
    assert unseen.endswith("; it failed, but the visitor got a good answer: only the server's log knows.")
    failures = [{"start": attempt / 2, "attempt": attempt, **FAILED, **QUEUED} for attempt in (1, 2, 3)]
    again = {"start": 1.0, "worked": 0.1, "attempt": 2, **QUEUED}
    assert said(Way.QUEUED, AT_ONCE, failures[0], again).endswith("; attempt 1 failed, the next one succeeded.")
    assert said(Way.QUEUED, AT_ONCE, failures[0], is_over=False).endswith(
        "; attempt 1 failed, and the queue tries again."
    )
    assert said(Way.QUEUED, AT_ONCE, *failures).endswith("; it failed 3 times, and each failure is on record.")


def test_what_was_lost() -> None:
    nobody = f"; the process with pid {PID} died at the work, and nobody does it again."
    assert said(Way.THREAD, AT_ONCE, {"start": 0.01, **LOST}) == f"{ANSWERED}{nobody}"
    replaced = [{"start": 0.01, "pid": 71, **LOST, **QUEUED}]
    replaced += [{"start": 0.9, "worked": 0.5, "attempt": 2, "pid": 72, **QUEUED}]
    assert said(Way.QUEUED, AT_ONCE, *replaced).endswith(
        "; the worker with pid 71 died at it, and the one with pid 72 did it again."
    )
    all_lost = [{"start": attempt / 10, "attempt": attempt, **LOST, **QUEUED} for attempt in (1, 2, 3)]
    assert said(Way.QUEUED, AT_ONCE, *all_lost).endswith(nobody[1:])
