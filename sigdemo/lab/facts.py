"""What a run's measurements say: the one set of figures behind picture, table, sentence and terminal.

All times are seconds from the moment the lane's request came in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from sigdemo.lab.kinds import ATTEMPTS, BY_A_WORKER, IN_THE_REQUEST, Outcome, Way
from sigdemo.lab.models import LabLane, LabRun, LabSpan
from signals_app.processes.identity import is_dead

GIVEN_UP = 180.0  # seconds after which work on another host that has not ended is taken to be lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt of one receiver. ``worked`` is None where it has not ended; ``end`` is how far it is known."""

    seat: int
    attempt: int
    queued_from: float | None
    start: float
    worked: float | None
    end: float
    outcome: str
    error: str
    pid: int
    thread: str
    same_process: bool
    same_thread: bool

    @property
    def waited(self) -> float:
        """How long nobody worked for it: since it was ready to be done, else since the request came in."""
        return max(0.0, self.start - (self.queued_from or 0.0))

    @property
    def is_lost(self) -> bool:
        """Whether its process ended before it did."""
        return self.outcome == Outcome.LOST

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return not self.outcome

    @property
    def ended_well(self) -> bool:
        return self.outcome == Outcome.DONE

    @property
    def result(self) -> str:
        return Outcome(self.outcome).label if self.outcome else "working"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way, as far as it has come. ``waiting`` are receivers whose next attempt has not begun."""

    row: LabLane
    way: Way
    age: float
    works: Sequence[Work]
    waiting: Sequence[int]
    never_called: Sequence[int]

    @property
    def unbegun(self) -> list[tuple[int, str]]:
        """The receivers without an attempt to show, each with the reason."""
        waits = [(seat, "waiting" if self.began else "not run") for seat in self.waiting]
        return waits + [(seat, "never ran") for seat in self.never_called]

    @property
    def answered_after(self) -> float | None:
        return self.row.answered_after

    @property
    def began(self) -> bool:
        return self.row.started_at is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.answered_after is not None and not self.waiting and not any(work.is_running for work in self.works)

    @property
    def state(self) -> str:
        """``idle``, ``running`` or ``over``."""
        return "over" if self.is_over else "running" if self.began else "idle"

    @property
    def end(self) -> float:
        """The last moment that anything of it is known."""
        ends = [work.end for work in self.works]
        if not self.is_over and self.began:
            ends.append(self.age)
        return max([self.answered_after or 0.0, *ends])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run with all its lanes."""

    run: LabRun
    lanes: Sequence[Lane]

    @property
    def is_over(self) -> bool:
        return all(lane.is_over for lane in self.lanes)

    @property
    def began(self) -> bool:
        return any(lane.began for lane in self.lanes)

    @property
    def end(self) -> float:
        return max([lane.end for lane in self.lanes], default=0.0)


def facts_of(run: LabRun) -> Facts:
    """Return what was measured of a run so far: three queries."""
    rows = LabLane.objects.filter(run=run).prefetch_related("spans").order_by("position")
    now = timezone.now()
    return Facts(run=run, lanes=tuple(_lane(row, run, now) for row in rows))


def _lane(row: LabLane, run: LabRun, now: datetime) -> Lane:
    row.run = run
    way = Way(row.way)
    works = _works(row, now) if row.started_at else []
    open_seats = [seat for seat in row.seats() if _may_go_on(way, [work for work in works if work.seat == seat])]
    given_up = row.answered_after is not None and (way in IN_THE_REQUEST or _is_gone(row))
    return Lane(
        row=row,
        way=way,
        age=(now - row.started_at).total_seconds() if row.started_at else 0.0,
        works=tuple(works),
        waiting=() if given_up else tuple(open_seats),
        never_called=tuple(open_seats) if given_up else (),
    )


def _works(row: LabLane, now: datetime) -> list[Work]:
    works: list[Work] = []
    for span in row.spans.all():
        earlier = works[-1] if works and works[-1].seat == span.seat else None
        works.append(_work(span, row, now, earlier))
    return works


def _work(span: LabSpan, row: LabLane, now: datetime, earlier: Work | None) -> Work:
    zero = row.started_at or span.started_at
    queued_from = None
    if span.enqueued_at:
        queued_from = earlier.end if earlier else max(0.0, (span.enqueued_at - zero).total_seconds())
    start = max(0.0, (span.started_at - zero).total_seconds())
    outcome = span.outcome or (Outcome.LOST.value if _is_lost(span, now) else "")
    known = span.seconds if span.seconds is not None else span.lost_after
    return Work(
        seat=span.seat,
        attempt=span.attempt,
        queued_from=queued_from,
        start=start,
        worked=span.seconds,
        end=start + (known if known is not None else 0.0 if outcome else (now - span.started_at).total_seconds()),
        outcome=outcome,
        error=span.error,
        pid=span.pid,
        thread=span.thread,
        same_process=(span.host, span.pid) == (row.host, row.pid),
        same_thread=(span.host, span.pid, span.thread) == (row.host, row.pid, row.thread),
    )


def _is_lost(span: LabSpan, now: datetime) -> bool:
    return is_dead(span.owner) or (now - span.started_at).total_seconds() > GIVEN_UP


def _is_gone(row: LabLane) -> bool:
    """Tell whether a lane's threads were never started and never will be: its process has had its time."""
    return (
        row.way == Way.THREAD
        and row.started_at is not None
        and (timezone.now() - row.started_at).total_seconds() > GIVEN_UP
    )


def _may_go_on(way: Way, works: Sequence[Work]) -> bool:
    """Tell whether a receiver's next attempt is still to begin."""
    if not works:
        return True
    last = works[-1]
    went_badly = last.is_lost or last.outcome == Outcome.FAILED
    return way in BY_A_WORKER and went_badly and last.attempt < ATTEMPTS
