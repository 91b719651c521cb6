"""What ended lately, for those who watch: counts by minute, and the newest runs.

By hand and not by the ORM: a minute is counted as a range of an index. To group a million rows by their minute takes
five times as long, and Django cuts times to minutes on SQLite by a function in Python, row by row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from signals_app.ledger.damage import moment, readable
from signals_app.ledger.dialect import connection, execute, to_datetime
from signals_app.models import Delivery, State

HOUR = 3600.0  # seconds
NEWEST = 2_000  # runs of each state that percentiles and shares are taken from; more would take too long to read

_MINUTES = {
    "sqlite": """
    SELECT {earlier}, substr(datetime({earlier}, '+1 minute'), 1, 16) || ':00'
    UNION ALL SELECT until, datetime(until, '+1 minute') FROM minute WHERE until <= {now}""",
    "postgresql": """
    SELECT greatest(one, {earlier}), one + interval '1 minute'
    FROM generate_series(date_trunc('minute', {earlier}), {now}, interval '1 minute') one""",
}
_BY_MINUTE = """
WITH RECURSIVE minute(since, until) AS ({minutes})
SELECT since, final.state, (
    SELECT count(*) FROM {table} d
    WHERE d.state = final.state AND d.finished_at >= minute.since AND d.finished_at < minute.until
) FROM minute CROSS JOIN (SELECT 'SUCCESSFUL' state UNION SELECT 'FAILED' UNION SELECT 'CANCELLED') final"""
_NEWEST = (
    f"SELECT receiver, queue, {readable('due_at')}, {readable('started_at')}, finished_at FROM {{table}} "
    "WHERE state = %(state)s AND finished_at > {earlier} AND finished_at <= {now} "
    "ORDER BY finished_at DESC LIMIT %(limit)s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How many deliveries ended in one minute, by their state."""

    minute: datetime
    state: State
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One delivery that succeeded or failed. Times of its last attempt are in seconds, None where it never ran."""

    receiver: str
    queue: str
    state: State
    waited: float | None
    ran: float | None


def ended_by_minute(seconds: float = HOUR) -> list[Ended]:
    """Return the counts of the minutes in which something ended, within so many seconds until now."""
    db = connection()
    with execute(_BY_MINUTE.replace("{minutes}", _MINUTES[db.vendor]), ago=seconds) as cursor:
        rows = cursor.fetchall()
    return [
        Ended(minute=_minute(to_datetime(db, since)), state=State(state), count=count)
        for since, state, count in rows
        if count
    ]


def newest_runs(seconds: float = HOUR) -> list[Ran]:
    """Return the newest deliveries that succeeded, and that failed, within so many seconds: ``NEWEST`` of each."""
    found: list[Ran] = []
    for state in (State.SUCCESSFUL, State.FAILED):
        with execute(_NEWEST, state=state.value, ago=seconds, limit=NEWEST) as cursor:
            found += [_ran(state, *row) for row in cursor.fetchall()]
    return found


def handed_off_lately(seconds: float) -> int:
    """Return how many deliveries were handed off within so many seconds, by the clocks of their senders.

    Emissions begin with the time, so their index answers; one over ``enqueued_at`` would be written at every send.
    """
    since = UUID(int=int((time.time() - seconds) * 1000) << 80)
    return Delivery.objects.using(connection().alias).filter(emission__gte=since).count()


def _ran(state: State, receiver: str, queue: str, due_at: object, started_at: object, finished_at: object) -> Ran:
    waited = _seconds(due_at, started_at)
    return Ran(
        receiver=receiver,
        queue=queue,
        state=state,
        # a retry moves the due time past the start of the attempt before it
        waited=waited if waited is not None and waited >= 0 else None,
        ran=_seconds(started_at, finished_at),
    )


def _seconds(since: object, until: object) -> float | None:
    begin, end = moment(since), moment(until)
    return (end - begin).total_seconds() if begin and end else None


def _minute(moment: datetime) -> datetime:
    local = moment if timezone.is_naive(moment) else moment.astimezone(timezone.get_default_timezone())
    return local.replace(second=0, microsecond=0)
