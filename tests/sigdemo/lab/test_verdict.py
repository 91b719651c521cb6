"""The verdict says what was measured, whatever that is; a badge is of what was measured in this run."""

from typing import Any

import pytest

from sigdemo.lab import limits
from sigdemo.lab.facts import Facts, facts_of
from sigdemo.lab.forms import ShowForm
from sigdemo.lab.kinds import Outcome, Way
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.lab.verdict import badges_of, gil_words, guess_of, lane_of, said, verdict
from tests.sigdemo.lab.runs import Measured, planned

pytestmark = pytest.mark.django_db

QUEUED: dict[str, Any] = {"queued_from": 0.002}
FAILED: dict[str, Any] = {"worked": 0.1, "outcome": Outcome.FAILED}
LOST: dict[str, Any] = {"worked": None, "outcome": Outcome.LOST, "lost_after": 0.05}
DONE: dict[str, Any] = {"start": 0.01, "worked": 0.5}
AGAIN: dict[str, Any] = {"start": 1.0, "worked": 0.1, "attempt": 2, "pid": 72, **QUEUED}
AT_ONCE = 0.004


def of(way: Way, answered: float | None, *works: dict[str, Any], **more: Any) -> Measured:
    measured = Measured(way, answered=answered, **more)
    for work in works:
        measured.work(**work)
    return measured


def shown(guess: str = "") -> tuple[Facts, Facts]:
    """Return what *Show me* measures where everything goes as it should."""
    form = ShowForm({"guess": guess})
    assert form.is_valid()
    run = limits.write(form.plan())
    Measured(Way.SIGNAL, answered=0.507, run=run).work(**DONE | {"start": 0.002})
    Measured(Way.THREAD, answered=0.028, run=run).work(**DONE | {"start": 0.02})
    Measured(Way.QUEUED, answered=0.005, run=run).work(**DONE, **QUEUED, pid=71)
    Measured(Way.THREAD, answered=0.009, run=run.crash).work(**{"start": 0.01, **LOST})
    Measured(Way.QUEUED, answered=0.001, run=run.crash).work(**{"start": 0.5, "pid": 71, **LOST, **QUEUED}).work(
        **AGAIN
    )
    return facts_of(LabRun.objects.get(pk=run.pk)), facts_of(run.crash)


def test_the_verdict_is_one_line_of_the_measured_figures() -> None:
    facts, crash = shown()
    assert verdict(facts, crash) == (
        "Signal: you waited 507 ms. Thread: 28.0 ms, and lost when the process died. Queue: 5.0 ms, and it survived."
    )
    assert verdict(facts) == "Signal: you waited 507 ms. Thread: 28.0 ms. Queue: 5.0 ms."
    assert verdict(facts_of(planned(Way.INLINE))) == ""


def test_badges_are_of_what_was_measured() -> None:
    facts, crash = shown()
    LabRun.objects.update(idle_pings=[2.0] * 50)
    LabLane.objects.filter(way=Way.THREAD).update(pings=[38.0] * 50)
    LabLane.objects.filter(way=Way.SIGNAL).update(pings=[2.0] * 50)
    LabLane.objects.filter(way=Way.QUEUED).update(pings=[38.0] * 49)
    facts = facts_of(LabRun.objects.get(pk=facts.run.pk))

    def words(way: Way, crashed: Facts | None = crash) -> list[tuple[str, str]]:
        lane = lane_of(facts, way)
        assert lane
        return [(one.look, one.word) for one in badges_of(lane, lane_of(crashed, way), facts.run.idle_pings)]

    quick, good, bad = ("successful", "the request does not wait"), "successful", "failed"
    assert words(Way.SIGNAL) == [(bad, "the request waits"), (good, "slows nobody else (×1.0)")]  # noqa: RUF001
    slow = (bad, "slows other visitors ×19.0")  # noqa: RUF001
    assert words(Way.THREAD) == [quick, (bad, "lost in a crash"), (bad, "is not retried"), slow]
    assert words(Way.THREAD, None) == [quick, slow]
    assert words(Way.QUEUED) == [quick, (good, "survives a crash"), (good, "is retried")]  # 49 pings say nothing


def test_a_guess_is_held_against_the_figures() -> None:
    assert guess_of(shown("signal")[0]) == "Your guess: whoever sends the signal. You were right."
    assert guess_of(shown("nobody")[0]) == "Your guess: nobody. Measured: whoever sends the signal."
    assert guess_of(shown()[0]) == ""


def test_who_waits_is_told_by_the_figures_and_not_by_the_way() -> None:
    assert said(of(Way.SIGNAL, 0.512, DONE).lane()) == "Signal: you waited 512 ms."
    assert said(of(Way.QUEUED, 0.9, DONE | QUEUED).lane()) == "Queue: you waited 900 ms."
    assert said(of(Way.SIGNAL, 0.1, DONE).lane()) == "Signal: 100 ms."
    assert said(of(Way.INLINE, None).lane()) == "Inline call: the visitor still waits."
    stopped = of(Way.SIGNAL, 0.11, {"start": 0.002, **FAILED}, fan_out=3, error="LabFailure: told to").lane()
    assert said(stopped) == "Signal: you waited 110 ms for an error, and 2 receivers behind it never ran."


THRICE = [{"start": number / 2, "attempt": number, **FAILED, **QUEUED} for number in (1, 2, 3)]
BECAME = [
    (Way.THREAD, [DONE | {"worked": None, "outcome": ""}], ", and the work goes on"),
    (Way.THREAD, [{"start": 0.01, **FAILED}], ", and only the server log knows it failed"),
    (Way.QUEUED, [], ", and the work waits in the database for a worker"),
    (Way.QUEUED, [THRICE[0], AGAIN], ", failed at attempt 1 and was done at attempt 2"),
    (Way.QUEUED, THRICE[:1], ", failed, and is tried again"),
    (Way.QUEUED, THRICE, ", and failed 3 times, on record"),
    (Way.QUEUED, [{"start": 0.1, **LOST, **QUEUED}], ", its worker died, and it waits for another"),
]


@pytest.mark.parametrize(("way", "works", "words"), BECAME)
def test_what_became_of_the_work(way: Way, works: list[dict[str, Any]], words: str) -> None:
    assert said(of(way, AT_ONCE, *works).lane()) == f"{way.label}: 4.0 ms{words}."


def test_what_threads_do_to_each_other_is_told_by_the_process_that_ran_them() -> None:
    assert gil_words(False) == "The GIL is disabled here: threads of one process run Python side by side."
    assert gil_words(True).startswith("The GIL is enabled here: threads of one process take turns")
    assert gil_words(None).startswith("This Python always has its GIL")
