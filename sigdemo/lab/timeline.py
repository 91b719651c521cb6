"""From measurements to a picture: bars in per cent of one time axis that all lanes share, rows in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sigdemo.lab.clock import duration
from sigdemo.lab.facts import Facts, Lane, Work
from sigdemo.lab.kinds import Way
from sigdemo.lab.models import LabRun
from sigdemo.lab.source import code_of
from sigdemo.lab.verdict import Badge, badges_of, gil_words, lane_of, said

REQUEST_BOTTOM = 32  # pixels
ROW_HEIGHT, LABEL_DROP, BAR_TOP = 38, 18, 23
LATE = 0.8  # of the axis: a word that begins there would not fit any more
ROOM = 1.04  # how much longer the axis is than what happened
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
MOST_TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time. ``x`` and ``width`` are per cent of the axis; ``kind`` is its look."""

    kind: str
    x: str
    width: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One receiver's attempt, or its waiting: a label over its bars. Positions are pixels from the lane's top."""

    label: str
    thread: str
    bars: Sequence[Bar]
    word: str = ""
    word_x: str = "0"
    word_anchor: str = "start"
    label_y: int = 0
    bar_y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One lane as the page shows it: its drawing, its badges, and the code behind it."""

    lane: Lane
    height: int
    request: Bar | None
    answer_x: str
    rows: Sequence[Row]
    said: str
    badges: Sequence[Badge]
    code: str
    gil: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Lanes on one axis of so many ``seconds``; ``ticks`` are the places of its marks, with their labels."""

    name: str
    facts: Facts
    seconds: float
    ticks: Sequence[tuple[str, str]]
    pictures: Sequence[Picture]


def timeline_of(facts: Facts, crash: Facts | None = None) -> Timeline:
    """Return the drawing of a run; ``crash`` is the crash test that ended it."""
    axis = Axis(max(facts.end, 0.02) * ROOM)
    return Timeline(
        name="crash" if facts.run.crash_of_id else "lane",
        facts=facts,
        seconds=axis.seconds,
        ticks=axis.ticks(),
        pictures=tuple(_picture(lane, lane_of(crash, lane.way), facts.run, axis) for lane in facts.lanes),
    )


class Axis:
    """The time that all lanes share."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def at(self, moment: float) -> str:
        return f"{100 * min(max(moment, 0.0), self.seconds) / self.seconds:.4f}%"

    def bar(self, kind: str, start: float, end: float, title: str) -> Bar:
        return Bar(kind=kind, x=self.at(start), width=self.at(max(end - start, 0.0)), title=title)

    def ticks(self) -> tuple[tuple[str, str], ...]:
        """Return round marks, few enough to be read on a phone."""
        step = next((step for step in STEPS if self.seconds / step <= MOST_TICKS), STEPS[-1])
        count = int(self.seconds / step * 0.97) + 1  # a label at the very edge would be cut off
        return tuple((self.at(number * step), f"{number * step:g} s" if number else "0") for number in range(count))


def _picture(lane: Lane, crashed: Lane | None, run: LabRun, axis: Axis) -> Picture:
    answered = lane.answered_after
    rows = [_work_row(work, lane, axis) for work in lane.works]
    rows += [_waiting_row(seat, lane, axis) for seat in lane.waiting if lane.began]
    rows += [_never_row(seat) for seat in lane.never_called]
    tops = range(REQUEST_BOTTOM, REQUEST_BOTTOM + ROW_HEIGHT * len(rows), ROW_HEIGHT)
    placed = [replace(row, label_y=top + LABEL_DROP, bar_y=top + BAR_TOP) for row, top in zip(rows, tops, strict=True)]
    request = None
    if lane.began:
        end = lane.age if answered is None else answered
        title = f"The request took {duration(end)}" if answered is not None else "The request is not answered yet"
        request = axis.bar("request", 0.0, end, title)
    return Picture(
        lane=lane,
        height=REQUEST_BOTTOM + ROW_HEIGHT * len(rows) + 8,
        request=request,
        answer_x=axis.at(answered) if answered is not None else "",
        rows=tuple(placed),
        said=said(lane, crashed),
        badges=badges_of(lane, crashed, run.idle_pings),
        code=code_of(lane.way),
        gil=gil_words(run.gil) if lane.way in (Way.THREAD, Way.THREAD_JOIN) else "",
    )


def _work_row(work: Work, lane: Lane, axis: Axis) -> Row:
    bars = []
    if work.queued_from is not None:
        waited = f"Waited {duration(work.waited)} in the queue"
        bars.append(axis.bar("queued", work.queued_from, work.start, waited))
    known_end = work.end if work.end > work.start else axis.seconds
    worked = "Never ended" if work.is_lost else f"Worked {duration(work.worked or work.end - work.start)}"
    bars.append(axis.bar(_look(work), work.start, known_end, worked))
    again = f"attempt {work.attempt} · " if work.attempt > 1 or work.is_lost else ""
    whose = "same process" if work.same_process else "another process"
    word = "LOST" if work.is_lost else "failed" if work.outcome == "failed" else ""
    return Row(
        label=f"{work.seat} · {again}pid {work.pid} · {whose}",
        thread=work.thread,
        bars=tuple(bars),
        word=word,
        word_x=axis.at(known_end),
        word_anchor="start" if known_end < axis.seconds * LATE else "end",
    )


def _waiting_row(seat: int, lane: Lane, axis: Axis) -> Row:
    since = max([work.end for work in lane.works if work.seat == seat], default=lane.answered_after or 0.0)
    bar = axis.bar("queued", since, lane.age, "Waits")
    return Row(label=f"{seat} · waits, no process has it yet", thread="", bars=(bar,))


def _never_row(seat: int) -> Row:
    return Row(label=f"{seat} · never ran", thread="", bars=())


def _look(work: Work) -> str:
    if work.is_lost:
        return "lost"
    return {"failed": "failed", "cancelled": "failed", "": "working"}.get(work.outcome, "worked")
