"""What receivers and queues did in the last hour: how much, how much of it failed, and how long it waited and ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signals_app import ledger
from signals_app.ledger import Ran
from signals_app.models import State
from signals_app.overview.percentiles import Percentiles, percentiles

_UNKNOWN = Percentiles()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Of one receiver or queue, within the hour, by the newest deliveries that ended."""

    name: str
    count: int = 0
    failed: int = 0
    waited: Percentiles = _UNKNOWN
    ran: Percentiles = _UNKNOWN

    @property
    def failed_share(self) -> float:
        """From 0 to 1."""
        return self.failed / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """``is_sample`` where more ended than was read."""

    receivers: tuple[Runs, ...]
    queues: dict[str, Runs]
    is_sample: bool


def runs_of_last_hour() -> LastHour:
    """Return what ended within the hour, by receiver (the busiest first) and by queue."""
    rows = ledger.newest_runs()
    receivers = sorted(_grouped(rows, lambda row: row.receiver), key=lambda runs: (-runs.count, runs.name))
    return LastHour(
        receivers=tuple(receivers),
        queues={runs.name: runs for runs in _grouped(rows, lambda row: row.queue)},
        is_sample=any(sum(row.state == state for row in rows) >= ledger.NEWEST for state in _STATES),
    )


_STATES = (State.SUCCESSFUL, State.FAILED)


def _grouped(rows: Iterable[Ran], name: Callable[[Ran], str]) -> list[Runs]:
    groups: defaultdict[str, list[Ran]] = defaultdict(list)
    for row in rows:
        groups[name(row)].append(row)
    return [
        Runs(
            name=name,
            count=len(group),
            failed=sum(row.state == State.FAILED for row in group),
            waited=percentiles(row.waited for row in group),
            ran=percentiles(row.ran for row in group),
        )
        for name, group in groups.items()
    ]
