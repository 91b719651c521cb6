"""The figures of those who watch: what waits, runs, and has ended in the last hour.

By hand and not by the ORM: everything is compared with the database's clock. Each is one pass over a partial index, so
that what has piled up as finished costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signals_app.ledger.damage import moment, readable
from signals_app.ledger.dialect import PAUSED_RECEIVERS, execute
from signals_app.ledger.lately import HOUR, Ended, ended_by_minute
from signals_app.ledger.pauses import pauses
from signals_app.models import Pause, PauseKind, State

LONG = 60.0  # seconds after which a run is a long one

# The index of claims answers, without the rows: of a paused receiver what waits is parked, all but what is just now
# handed off. Only while a receiver is paused the rows are read too.
_HELD_UP = "parked"
_HELD_UP_BY_RECEIVER = f"(parked OR receiver IN ({PAUSED_RECEIVERS}))"
_WAITING = f"""
SELECT queue, count(*), sum(CASE WHEN due_at <= {{{{now}}}} AND NOT {{held_up}} THEN 1 ELSE 0 END),
    sum(CASE WHEN {{held_up}} THEN 1 ELSE 0 END),
    min(CASE WHEN NOT {{held_up}} THEN {readable("due_at")} END), {{{{now}}}}
FROM {{{{table}}}} WHERE state = 'READY' GROUP BY queue"""
_RETRYING = "SELECT queue FROM {table} WHERE state = 'READY' AND attempts > 0"
_UNROUTABLE = "SELECT queue FROM {table} WHERE state = 'READY' AND unroutable AND unroutable = {yes}"
_RUNNING = (
    "SELECT queue, count(*), sum(CASE WHEN started_at < {earlier} THEN 1 ELSE 0 END) "
    "FROM {table} WHERE state = 'RUNNING' GROUP BY queue"
)
_FAILED = "SELECT count(*) FROM {table} WHERE state = 'FAILED' AND finished_at > {earlier}"
_LOST = "SELECT count(*) FROM signals_app_attempt WHERE outcome = 'LOST' AND finished_at > {earlier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """One queue. Of the deliveries that wait (READY), ``due`` could be claimed now, ``paused`` are of a pause."""

    name: str
    waiting: int = 0
    due: int = 0
    paused: int = 0
    retrying: int = 0  # of those that wait, the ones that have been attempted
    unroutable: int = 0
    oldest_wait: float = 0.0  # seconds since the due time of the one that has been due longest
    running: int = 0
    long_running: int = 0  # for longer than ``LONG``
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All queues, and what ended in the last hour by minute; so old are the ``lost`` attempts, too."""

    queues: tuple[QueueFigures, ...]
    pauses: tuple[Pause, ...]
    ended: tuple[Ended, ...]
    lost: int

    def total(self, name: str) -> int:
        """Return the sum of a figure over all queues."""
        return sum(getattr(queue, name) for queue in self.queues)

    @property
    def oldest_wait(self) -> float:
        """Seconds that the delivery that is due longest has waited; 0 when none is due."""
        return max((queue.oldest_wait for queue in self.queues), default=0.0)

    @property
    def succeeded(self) -> int:
        """How many deliveries became SUCCESSFUL in the last hour."""
        return self._ended(State.SUCCESSFUL)

    @property
    def failed(self) -> int:
        """How many deliveries became FAILED in the last hour."""
        return self._ended(State.FAILED)

    @property
    def cancelled(self) -> int:
        """How many deliveries became CANCELLED in the last hour."""
        return self._ended(State.CANCELLED)

    def _ended(self, state: State) -> int:
        return sum(one.count for one in self.ended if one.state == state)


def figures() -> Figures:
    """Return the figures of this moment: seven queries, however many queues there are."""
    paused = tuple(pauses())
    return Figures(
        queues=tuple(_queues(paused)),
        pauses=paused,
        ended=tuple(ended_by_minute()),
        lost=_count(_LOST, ago=HOUR),
    )


def failed_lately() -> int:
    """Return how many deliveries have FAILED in the last hour."""
    return _count(_FAILED, ago=HOUR)


def _queues(pauses: Sequence[Pause]) -> list[QueueFigures]:
    paused = {pause.name for pause in pauses if pause.kind == PauseKind.QUEUE}
    is_by_row = any(pause.kind == PauseKind.RECEIVER for pause in pauses)
    waiting = _by_queue(_WAITING.format(held_up=_HELD_UP_BY_RECEIVER if is_by_row else _HELD_UP))
    running = _by_queue(_RUNNING, ago=LONG)
    retrying, unroutable = _queues_of(_RETRYING), _queues_of(_UNROUTABLE)
    found = []
    for name in sorted(waiting.keys() | running.keys() | paused):
        count, due, held_up, first, now = waiting.get(name, (0, 0, 0, None, None))
        runs, long_runs = running.get(name, (0, 0))
        is_paused = name in paused
        since, until = moment(first), moment(now)
        wait = (until - since).total_seconds() if since and until and not is_paused else 0.0
        found.append(
            QueueFigures(
                name=name,
                waiting=count,
                due=0 if is_paused else due,
                paused=count if is_paused else held_up,
                retrying=retrying[name],
                unroutable=unroutable[name],
                oldest_wait=max(0.0, wait),
                running=runs,
                long_running=long_runs,
                is_paused=is_paused,
            )
        )
    return found


def _by_queue(query: str, **params: object) -> dict[str, tuple[Any, ...]]:
    with execute(query, **params) as cursor:
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _queues_of(query: str) -> Counter[str]:
    """Count here: asked to group, SQLite prefers an index in the order of queues to the few rows of a smaller one."""
    with execute(query) as cursor:
        return Counter(row[0] for row in cursor.fetchall())


def _count(query: str, **params: object) -> int:
    with execute(query, **params) as cursor:
        return int(cursor.fetchone()[0])
