"""The picture's bars are the table's figures."""

import pytest

from sigdemo.lab.facts import facts_of
from sigdemo.lab.kinds import Outcome, Way
from sigdemo.lab.timeline import Axis, Bar, Timeline, timeline_of
from tests.sigdemo.lab.runs import PID, Measured, planned

pytestmark = pytest.mark.django_db


def seconds(bar: Bar, timeline: Timeline) -> float:
    return float(bar.width.rstrip("%")) / 100 * timeline.seconds


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    measured = Measured(Way.QUEUED, answered=0.004).work(0.2, 0.5, queued_from=0.002, pid=PID + 1)
    timeline = timeline_of(facts_of(measured.run))
    [picture] = timeline.pictures
    [row] = picture.rows
    queued, worked = row.bars
    assert picture.request is not None
    assert seconds(picture.request, timeline) == pytest.approx(0.004, rel=0.01)
    assert (queued.kind, worked.kind) == ("queued", "worked")
    assert seconds(queued, timeline) == pytest.approx(0.198, rel=0.01)
    assert seconds(worked, timeline) == pytest.approx(0.5, rel=0.01)
    assert float(worked.x[:-1]) / 100 * timeline.seconds == pytest.approx(0.2, rel=0.01)
    assert row.label == f"1 · pid {PID + 1} · another process"
    [picture] = timeline_of(facts_of(planned(Way.INLINE))).pictures
    assert (picture.request, list(picture.rows)) == (None, [])


@pytest.mark.parametrize("lost_after", [0.6, None])
def test_what_never_ended_is_hatched_to_its_known_end_or_the_edge(lost_after: float | None) -> None:
    measured = Measured(Way.THREAD, answered=0.004).work(0.1, None, outcome=Outcome.LOST, lost_after=lost_after)
    timeline = timeline_of(facts_of(measured.run))
    [row] = timeline.pictures[0].rows
    [bar] = row.bars
    assert (bar.kind, bar.title, row.word) == ("lost", "Never ended", "LOST")
    assert row.label == f"1 · attempt 1 · pid {PID} · same process"
    if lost_after:
        assert seconds(bar, timeline) == pytest.approx(lost_after, rel=0.01)
    else:
        assert float(bar.x[:-1]) + float(bar.width[:-1]) == pytest.approx(100, abs=0.01)
        assert row.word_anchor == "end"


def test_an_attempt_waits_from_the_end_of_the_one_before() -> None:
    measured = Measured(Way.QUEUED, answered=0.004)
    measured.work(0.1, 0.2, outcome=Outcome.FAILED, queued_from=0.0).work(0.9, 0.2, attempt=2, queued_from=0.0)
    first, second = measured.lane().works
    assert first.waited == pytest.approx(0.1, abs=1e-3)
    assert second.waited == pytest.approx(0.6, abs=1e-3)


def test_receivers_that_wait_are_drawn_from_the_answer_until_now() -> None:
    timeline = timeline_of(facts_of(Measured(Way.QUEUED, answered=0.5, fan_out=2).run))
    rows = timeline.pictures[0].rows
    assert [row.label for row in rows] == ["1 · waits, no process has it yet", "2 · waits, no process has it yet"]
    assert seconds(rows[0].bars[0], timeline) == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("length", [0.02, 0.5, 3.0, 41.0, 130.0])
def test_an_axis_has_few_round_marks(length: float) -> None:
    ticks = Axis(length).ticks()
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == ("0.0000%", "0")
    assert all(float(place[:-1]) <= 97.1 for place, _ in ticks)
