"""Runs of the lab as the tests need them: planned, or with measurements made up to the millisecond."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from sigdemo.lab import limits
from sigdemo.lab.facts import Lane, facts_of
from sigdemo.lab.kinds import Kind, Outcome, Plan, Way
from sigdemo.lab.models import LabLane, LabRun, LabSpan
from signals_app.processes.identity import current_process

PID = 4_000_000  # of no process


def plan(*ways: Way, kind: Kind = Kind.WAIT, seconds: float = 0.1, fan_out: int = 1) -> Plan:
    return Plan(kind=kind, seconds=seconds, fan_out=fan_out, ways=ways or tuple(Way))


def planned(*ways: Way, **setting: Any) -> LabRun:
    """Write a run that nobody has begun, with a slot."""
    return limits.write(plan(*ways, **setting), slot=1)


class Measured:
    """One lane whose request came in two seconds ago; ``work`` adds spans to it."""

    def __init__(
        self, way: Way, *, answered: float | None, fan_out: int = 1, error: str = "", run: LabRun | None = None
    ) -> None:
        self.run = run or limits.write(plan(way, seconds=0.5, fan_out=fan_out))
        self.way = way
        self.zero: datetime = timezone.now() - timedelta(seconds=2)
        self.run.lanes.filter(way=way).update(
            started_at=self.zero, answered_after=answered, error=error, host="here", pid=PID, thread="web"
        )

    def work(
        self,
        start: float,
        worked: float | None,
        *,
        outcome: str = Outcome.DONE,
        queued_from: float | None = None,
        pid: int = PID,
        **more: Any,
    ) -> "Measured":
        LabSpan.objects.create(
            lane=LabLane.objects.get(run=self.run, way=self.way),
            enqueued_at=None if queued_from is None else self.zero + timedelta(seconds=queued_from),
            started_at=self.zero + timedelta(seconds=start),
            seconds=worked,
            outcome=outcome,
            owner=str(current_process()),
            host="here",
            pid=pid,
            thread="web" if pid == PID else "MainThread",
            **{"seat": 1, "attempt": 1} | more,
        )
        return self

    def lane(self) -> Lane:
        [lane] = facts_of(self.run).lanes
        return lane
