"""The lab in a terminal: runs the lanes in the calling process and draws them with characters."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from sigdemo.lab import limits, requests
from sigdemo.lab.clock import Moment, duration
from sigdemo.lab.facts import Facts, Lane, Work, facts_of
from sigdemo.lab.kinds import Plan
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.lab.sentences import sentence

WIDTH = 60  # characters of the axis
LOOK_EVERY = 0.05  # seconds
REQUEST, QUEUED, WORKING, LOST, ANSWER = "=-#x>"
HEADS = ("way", "answer after", "waited", "worked", "total", "pid", "thread", "outcome")


def run(plan: Plan, *, timeout: float, report: Callable[[LabLane], None]) -> Facts:
    """Run a plan's lanes one after another here; wait up to ``timeout`` seconds for each one's work.

    ``report`` is told of each lane before it begins. Nobody is asked for a slot: a terminal is the operator's.
    """
    new = limits.write(plan)
    for lane in new.lanes.select_related("run").order_by("position"):
        report(lane)
        since = Moment.now()
        requests.begin(lane, since)
        error = requests.send(lane)
        requests.answered(lane, since, error=error)
        _wait(new, lane, timeout)
    return facts_of(new)


def _wait(new: LabRun, lane: LabLane, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if any(one.is_over for one in facts_of(new).lanes if one.row.pk == lane.pk):
            return
        time.sleep(LOOK_EVERY)


def chart(facts: Facts) -> Iterator[str]:
    """Yield the timeline, line by line."""
    seconds = max(facts.end, 0.001)
    yield f"{'':24}0{duration(seconds):>{WIDTH - 1}}"
    for lane in facts.lanes:
        yield f"{lane.way.label:<16}{'request':<8}{_request(lane, seconds)}"
        for work in lane.works:
            yield f"{'':16}{f'{work.seat}.{work.attempt}':<8}{_bars(work, seconds)}"
        for seat in lane.waiting:
            yield f"{'':16}{seat:<8}waits for a worker"
        for seat in lane.never_called:
            yield f"{'':16}{seat:<8}never ran"
        yield f"{'':16}{sentence(lane)}"
    yield f"{REQUEST} request   {ANSWER} answer leaves   {QUEUED} in the queue   {WORKING} working   {LOST} never ended"


def table(facts: Facts) -> Iterator[str]:
    """Yield the figures, line by line."""
    rows = [HEADS, *(_row(lane, work) for lane in facts.lanes for work in lane.works)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def as_json(facts: Facts) -> dict[str, Any]:
    """Return the figures, in seconds, for a program to read."""
    return {
        "run": str(facts.run.public_id),
        "kind": facts.run.kind,
        "seconds": facts.run.seconds,
        "fan_out": facts.run.fan_out,
        "lanes": [_lane(lane) for lane in facts.lanes],
    }


def _lane(lane: Lane) -> dict[str, Any]:
    works = [
        {
            "receiver": work.seat,
            "attempt": work.attempt,
            "start": work.start,
            "waited": work.waited,
            "worked": work.worked,
            "pid": work.pid,
            "thread": work.thread,
            "same_process": work.same_process,
            "outcome": work.result,
        }
        for work in lane.works
    ]
    return {
        "way": lane.way.value,
        "answered_after": lane.answered_after,
        "pid": lane.row.pid,
        "over": lane.is_over,
        "sentence": sentence(lane),
        "works": works,
    }


def _row(lane: Lane, work: Work) -> tuple[str, ...]:
    return (
        f"{lane.way.label} {work.seat}.{work.attempt}",
        "" if lane.answered_after is None else duration(lane.answered_after),
        duration(work.waited),
        "" if work.worked is None else duration(work.worked),
        "" if work.worked is None else duration(work.end),
        str(work.pid),
        work.thread,
        work.result,
    )


def _request(lane: Lane, seconds: float) -> str:
    return _stretch(REQUEST, 0.0, lane.answered_after or 0.0, seconds) + ANSWER


def _bars(work: Work, seconds: float) -> str:
    begin = work.start if work.queued_from is None else work.queued_from
    queued = _stretch(QUEUED, begin, work.start, seconds)
    look = LOST if work.is_lost else WORKING
    return f"{' ' * _column(begin, seconds)}{queued}{_stretch(look, work.start, work.end, seconds) or look}"


def _stretch(sign: str, start: float, end: float, seconds: float) -> str:
    return sign * (_column(end, seconds) - _column(start, seconds))


def _column(moment: float, seconds: float) -> int:
    return round(WIDTH * moment / seconds)
