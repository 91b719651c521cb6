"""What waits, for those who watch."""

from __future__ import annotations

from dataclasses import dataclass

from signals_app.ledger.damage import moment
from signals_app.ledger.dialect import PAUSED_RECEIVERS, RECEIVER_RUNS, execute
from signals_app.models import FIRST, State

# each step is one probe of an index: the ORM's DISTINCT would read all that waits
_LOT = """
WITH RECURSIVE lot(queue) AS (
    SELECT min(queue) FROM {table} WHERE state = 'READY'
    UNION ALL
    SELECT (SELECT min(d.queue) FROM {table} d WHERE d.state = 'READY' AND d.queue > lot.queue)
    FROM lot WHERE lot.queue IS NOT NULL
)"""
_QUEUES = _LOT + " SELECT queue FROM lot WHERE queue IS NOT NULL"

# the earliest of each band of priority, as claims look for it, for all queues at once
_LONGEST_DUE = (
    _LOT
    + """, band(queue, priority) AS (
    SELECT lot.queue, (SELECT max(d.priority) FROM {table} d
                       WHERE d.queue = lot.queue AND d.state = 'READY' AND d.parked = FALSE)
    FROM lot WHERE lot.queue IS NOT NULL
    UNION ALL
    SELECT band.queue, (SELECT max(d.priority) FROM {table} d WHERE d.queue = band.queue AND d.state = 'READY'
                        AND d.parked = FALSE AND d.priority < band.priority)
    FROM band WHERE band.priority IS NOT NULL
)
SELECT band.queue, min((
    SELECT d.due_at FROM {table} d WHERE d.queue = band.queue AND d.state = 'READY' AND d.parked = FALSE
    AND d.priority = band.priority AND d.due_at <= {now} """
    + f"AND d.due_at > {FIRST} AND d.{RECEIVER_RUNS}"
    + """ AND band.queue NOT IN (SELECT name FROM signals_app_pause WHERE kind = 'QUEUE')
    ORDER BY d.due_at LIMIT 1)), {now}
FROM band GROUP BY band.queue"""
)

_IS_PAUSED = f"(queue IN (SELECT name FROM signals_app_pause WHERE kind = 'QUEUE') OR receiver IN ({PAUSED_RECEIVERS}))"
# queries of one state each: only so do both databases read partial indexes, and nothing that is done
_STANDING = " UNION ALL ".join(
    f"SELECT state, queue, receiver, count(*), {due}, {unroutable} FROM {{table}} WHERE {where} "
    "GROUP BY state, queue, receiver"
    for where, due, unroutable in (
        (
            "state = 'READY'",
            f"sum(CASE WHEN due_at <= {{now}} AND NOT {_IS_PAUSED} THEN 1 ELSE 0 END)",
            "sum(CASE WHEN unroutable THEN 1 ELSE 0 END)",
        ),
        ("state = 'RUNNING'", "0", "0"),
        ("state = 'FAILED' AND finished_at IS NOT NULL", "0", "0"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many deliveries of one receiver in one queue are READY, RUNNING or FAILED.

    Of the READY ones, ``due`` could be claimed now and ``unroutable`` were not known to the last worker.
    """

    state: State
    queue: str
    receiver: str
    count: int
    due: int
    unroutable: int


def standing() -> list[Standing]:
    """Return the numbers of what waits, runs and has failed. Reads all of it, and nothing of what is done."""
    with execute(_STANDING) as cursor:
        rows = cursor.fetchall()
    return [
        Standing(
            state=State(state),
            queue=queue,
            receiver=receiver,
            count=int(count),
            due=int(due),
            unroutable=int(unroutable),
        )
        for state, queue, receiver, count, due, unroutable in rows
    ]


def queues_with_work() -> list[str]:
    """Return the queues in which anything waits, due or not, by name."""
    with execute(_QUEUES) as cursor:
        return [row[0] for row in cursor.fetchall()]


def oldest_waits() -> dict[str, float]:
    """Return, for each queue in which anything waits, for how many seconds the delivery that is due longest has.

    It is 0 where none is due; what is paused does not wait.
    """
    with execute(_LONGEST_DUE) as cursor:
        rows = [(queue, moment(first), moment(now)) for queue, first, now in cursor.fetchall()]
    return {queue: (now - first).total_seconds() if first and now else 0.0 for queue, first, now in rows}
