"""What is due and what waits. Pushers ask before they wake a worker (``cluster/broker.py``), and so do supervisors.

How a pusher waits for a change is the database's own: see ``sql.ChangeListener``.
"""

from __future__ import annotations

from signals_app.ledger.damage import seconds
from signals_app.ledger.sql import connection, database, rows
from signals_app.models import LAST, Delivery, State

# Band by band of priority, as claims and {due} go, so that one index serves all three. What is paused is not due:
# nobody may claim it, so nobody is woken for it.
_FIRST = (
    "{bands}, first(due_at) AS (SELECT min((SELECT d.due_at FROM {table} d WHERE d.queue = %(queue)s "
    "AND d.state = 'READY' AND d.parked = FALSE AND d.priority = band.priority "
    f"AND d.due_at < {LAST} ORDER BY d.due_at LIMIT 1)) FROM band) "
    "SELECT due_at <= {now}, CASE WHEN due_at > {now} THEN due_at END, {now} FROM first"
)
_READY = "SELECT count(*) FROM {table} WHERE queue = %(queue)s AND state = 'READY'"


def due(queue: str, *, limit: int) -> list[int]:
    """Return the ids of up to ``limit`` deliveries that could run now, in the order of claims."""
    return [one for (one,) in rows("{due}", queue=queue, limit=limit)]


def seconds_to_first(queue: str) -> float | None:
    """Return in how many seconds the first delivery will be due, or None when none waits.

    0 says that one is, though its receiver may be paused.
    """
    ((is_due, later, now),) = rows(_FIRST, queue=queue)
    return 0.0 if is_due else seconds(now, later)


def wake(queue: str) -> None:
    """Have the pusher of a queue look once this transaction is committed; senders of deliveries do so anyway."""
    database(connection()).wake(queue)


def count_ready(queue: str) -> int:
    """Return how many deliveries wait in a queue, due or not: the size that ``qinfo`` shows."""
    ((count,),) = rows(_READY, queue=queue)
    return int(count)


def awaits(receiver: str) -> bool:
    """Tell whether a delivery waits for a receiver, known or not."""
    return Delivery.objects.using(connection().alias).filter(state=State.READY, receiver=receiver).exists()
