"""What the record knows of each signal and receiver: what waits and runs now, and what ended within the last day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from signals_app import ledger
from signals_app.models import FINAL_STATES, Delivery, State

DAY = timedelta(days=1)
COUNTED = 50_000  # ended deliveries of each state that are counted, the newest; a million takes seconds on SQLite


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Deliveries by state. ``runs`` are the attempts, good and bad, of those that ended."""

    waiting: int = 0
    running: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    runs: int = 0

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Counts()
_FIELD_OF = {
    State.READY: "waiting",
    State.RUNNING: "running",
    State.SUCCESSFUL: "successful",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts by signal name and receiver key; ``since`` is a day ago, or later where that would be too many."""

    since: datetime
    is_whole_day: bool
    by_edge: Mapping[tuple[str, str], Counts]

    def of(self, signal: str, receiver: str) -> Counts:
        """Return the counts of one edge."""
        return self.by_edge.get((signal, receiver), _NONE)


def tally(now: datetime | None = None) -> Tally:
    """Count in four queries, whatever there is."""
    rows = Delivery.objects.using(ledger.connection().alias)
    day_ago = (now or timezone.now()) - DAY
    cuts = [_cut(rows.filter(state=state, finished_at__gte=day_ago)) for state in FINAL_STATES]
    since = max((cut for cut in cuts if cut), default=day_ago)
    by_edge: dict[tuple[str, str], Counts] = {}
    for signal, receiver, state, count, runs in _grouped(rows, since):
        counts = by_edge.get((signal, receiver), _NONE)
        ended = runs if state in FINAL_STATES else 0
        by_edge[signal, receiver] = replace(counts, runs=counts.runs + ended, **{_FIELD_OF[State(state)]: count})
    return Tally(since=since, is_whole_day=since == day_ago, by_edge=by_edge)


def _cut(ended: QuerySet[Delivery]) -> datetime | None:
    """Return when the last delivery ended that is one too many."""
    return ended.order_by("-finished_at").values_list("finished_at", flat=True)[COUNTED : COUNTED + 1].first()


def _grouped(rows: QuerySet[Delivery], since: datetime) -> QuerySet[Delivery, tuple[str, str, str, int, int]]:
    """Return signal, receiver, state, count and attempts, state by state: OR or IN would read the whole table."""
    of_state = [rows.filter(state=state, finished_at__gte=since) for state in FINAL_STATES]
    of_state += [rows.filter(state=state) for state in (State.READY, State.RUNNING)]
    first, *others = (
        some.order_by().values_list("signal", "receiver", "state").annotate(count=Count("pk"), runs=Sum("attempts"))
        for some in of_state
    )
    return first.union(*others, all=True)
