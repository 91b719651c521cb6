"""Reading what is due, for pushers and supervisors. How one waits for a change is the database's: see ``sql``."""

from __future__ import annotations

from signals_app.ledger.damage import seconds
from signals_app.ledger.sql import rows
from signals_app.models import LAST

# Both go band by band of priority, as claims do, so that one index serves all three. What is paused is not due: nobody
# may claim it, so nobody is woken for it.
_DUE = "{due}"
_NEXT_DUE = (
    "{bands} SELECT min((SELECT d.due_at FROM {table} d WHERE d.queue = %(queue)s AND d.state = 'READY' "
    "AND d.parked = FALSE AND d.priority = band.priority AND d.due_at > {now} "
    f"AND d.due_at < {LAST} ORDER BY d.due_at LIMIT 1)), {{now}} FROM band"
)
_READY = "SELECT count(*) FROM {table} WHERE queue = %(queue)s AND state = 'READY'"


def due(queue: str, *, limit: int) -> list[int]:
    """Return the ids of up to ``limit`` deliveries that could run now, in the order of claims."""
    return [one for (one,) in rows(_DUE, queue=queue, limit=limit)]


def seconds_to_next(queue: str) -> float | None:
    """Return in how many seconds the next delivery will be due, or None when none waits for later."""
    ((first, now),) = rows(_NEXT_DUE, queue=queue)
    return seconds(now, first)


def count_ready(queue: str) -> int:
    """Return how many deliveries wait in a queue, due or not."""
    ((count,),) = rows(_READY, queue=queue)
    return int(count)
