"""How much waits, runs and has failed, by queue and receiver, and what has recently ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from signals_app.ledger.damage import readable, seconds
from signals_app.ledger.pauses import pauses
from signals_app.ledger.sql import BANDS, PAUSED_RECEIVERS, RECEIVER_RUNS, connection, distinct, rows
from signals_app.models import FINAL_STATES, FIRST, Batch, Delivery, Pause, PauseKind, State

HOUR = 3600.0  # seconds
LONG = 60.0  # seconds after which a run is a long one
RECENT = 300.0  # seconds in which attempts tell whether a receiver is failing
MANY = 10_000  # deliveries that come before another, of which no more are counted
NEWEST = 2_000  # runs of each state that percentiles and shares are taken from; more would take too long to read


def _waiting(held_up: str, paused: str = "FALSE") -> str:
    is_due = f"CASE WHEN due_at <= {{now}} AND NOT {held_up} THEN 1 ELSE 0 END"
    return f"""
SELECT queue, 'all', count(*), sum({is_due}), sum(CASE WHEN {held_up} THEN 1 ELSE 0 END),
    min(CASE WHEN NOT {held_up} THEN {readable("due_at")} END), {{now}}
FROM {{table}} WHERE state = 'READY' GROUP BY queue
UNION ALL SELECT queue, class, count(*), sum(due), 0, NULL, {{now}} FROM (
    SELECT queue, 'unroutable' AS class, {is_due} AS due
    FROM {{table}} WHERE state = 'READY' AND unroutable AND unroutable = {{yes}} AND NOT {held_up}
    UNION ALL SELECT queue, 'retrying', {is_due}
    FROM {{table}} WHERE state = 'READY' AND attempts > 0 AND NOT unroutable AND NOT {held_up}
    UNION ALL SELECT queue, 'behind', 0
    FROM {{table}} WHERE state = 'READY' AND behind AND behind = {{yes}} AND NOT {paused}
) few GROUP BY queue, class"""


# What waits, by queue, and how much of it no worker knows or has been attempted: one statement, so that the numbers
# add up. The index of claims answers the first part, without the rows: what waits for a paused receiver is parked, all
# but what was enqueued just now. Only while a receiver is paused are the rows read too. The rest is few, and indexed.
_WAITING = _waiting("parked")
_IS_PAUSED_RECEIVERS = f"receiver IN ({PAUSED_RECEIVERS})"
_WAITING_BY_ROW = _waiting(f"(parked OR {_IS_PAUSED_RECEIVERS})", f"({_IS_PAUSED_RECEIVERS})")
_LONG_UNROUTABLE = (  # a look puts off its due time, so only its age tells
    "SELECT receiver FROM {table} WHERE state = 'READY' AND unroutable AND unroutable = {yes} "
    "AND enqueued_at < {earlier}"
)
_RUNNING = (
    "SELECT queue, count(*), sum(CASE WHEN started_at < {earlier} THEN 1 ELSE 0 END) "
    "FROM {table} WHERE state = 'RUNNING' GROUP BY queue"
)

# The same by receiver, for which the rows have to be read. One query for each state: only so do both databases use
# partial indexes and read nothing that is done.
_IS_PAUSED = f"(queue IN (SELECT name FROM signals_app_pause WHERE kind = 'QUEUE') OR receiver IN ({PAUSED_RECEIVERS}))"
_BY_RECEIVER = f"""
SELECT state, queue, receiver, count(*),
    sum(CASE WHEN due_at <= {{now}} AND NOT behind AND NOT {_IS_PAUSED} THEN 1 ELSE 0 END),
    sum(CASE WHEN unroutable THEN 1 ELSE 0 END), sum(CASE WHEN behind THEN 1 ELSE 0 END),
    sum(CASE WHEN booked AND due_at > {{now}} THEN 1 ELSE 0 END)
FROM {{table}} WHERE state = 'READY' GROUP BY state, queue, receiver
UNION ALL SELECT state, queue, receiver, count(*), 0, 0, 0, 0
FROM {{table}} WHERE state = 'RUNNING' GROUP BY state, queue, receiver
UNION ALL SELECT state, queue, receiver, count(*), 0, 0, 0, 0
FROM {{table}} WHERE state = 'FAILED' AND finished_at IS NOT NULL GROUP BY state, queue, receiver"""

_LOT = distinct("queue", "state = 'READY'")
_QUEUES = _LOT + " SELECT queue FROM lot WHERE queue IS NOT NULL"

# the earliest of each band of priority, as claims look for it, for all queues at once
_LONGEST_DUE = f"""{_LOT}, band(queue, priority) AS (
    SELECT lot.queue, (SELECT max(d.priority) FROM {{table}} d
                       WHERE d.queue = lot.queue AND d.state = 'READY' AND d.parked = FALSE)
    FROM lot WHERE lot.queue IS NOT NULL
    UNION ALL
    SELECT band.queue, (SELECT max(d.priority) FROM {{table}} d WHERE d.queue = band.queue AND d.state = 'READY'
                        AND d.parked = FALSE AND d.priority < band.priority)
    FROM band WHERE band.priority IS NOT NULL
)
SELECT band.queue, min((
    SELECT d.due_at FROM {{table}} d WHERE d.queue = band.queue AND d.state = 'READY' AND d.parked = FALSE
    AND d.priority = band.priority AND d.due_at <= {{now}} AND d.due_at > {FIRST} AND d.{RECEIVER_RUNS}
    AND band.queue NOT IN (SELECT name FROM signals_app_pause WHERE kind = 'QUEUE') ORDER BY d.due_at LIMIT 1)), {{now}}
FROM band GROUP BY band.queue"""

# in each band from the delivery's own up, in the order of the index of claims, so that the limit ends it
_AHEAD = f"""{BANDS}, mine(priority, due_at) AS (SELECT priority, due_at FROM {{table}} WHERE id = %(id)s)
SELECT sum((SELECT count(*) FROM (
    SELECT 1 FROM {{table}} d WHERE d.queue = %(queue)s AND d.state = 'READY' AND d.parked = FALSE
    AND d.priority = band.priority
    AND d.due_at <= CASE WHEN band.priority > mine.priority THEN {{now}} ELSE mine.due_at END
    AND (band.priority > mine.priority OR d.due_at < mine.due_at OR d.id < %(id)s)
    ORDER BY d.due_at, d.id LIMIT %(limit)s
) few)) FROM band CROSS JOIN mine WHERE band.priority >= mine.priority"""

_ENDED = " UNION ALL ".join(  # each state is one range of an index
    f"SELECT '{state}', count(*) FROM {{table}} WHERE state = '{state}' AND finished_at > {{earlier}}"
    for state in FINAL_STATES
)
_NEWEST = (
    f"SELECT receiver, queue, {readable('due_at')}, {readable('started_at')}, {readable('finished_at')} FROM {{table}} "
    "WHERE state = %(state)s AND finished_at > {earlier} AND finished_at <= {now} "
    "ORDER BY finished_at DESC LIMIT %(limit)s"
)
_PACE = (
    f"SELECT count(*), min({readable('finished_at')}), {{now}} FROM (SELECT queue, finished_at FROM {{table}} "
    "WHERE state = 'SUCCESSFUL' AND finished_at > {earlier} AND finished_at <= {now} "
    "ORDER BY finished_at DESC LIMIT %(limit)s) newest WHERE queue = %(queue)s"
)
# coalesce() keeps SQLite from the index of outcomes, which has those of all times
_ERRORS = "finished_at > {earlier} AND coalesce(outcome, '') IN ('ERROR', 'TIMEOUT', 'LOST')"
# By receiver; what succeeded is read only while anything fails, for the rows have to be read
_RECENT_ATTEMPTS = f"""
SELECT receiver, count(*), sum(failed), sum(lasts) FROM (
    SELECT d.receiver, 1 AS failed,
    CASE WHEN d.state IN ('SUCCESSFUL', 'CANCELLED', 'MERGED') THEN 0 ELSE 1 END AS lasts
    FROM (SELECT delivery_id FROM signals_app_attempt WHERE {_ERRORS}) a JOIN {{table}} d ON d.id = a.delivery_id
    UNION ALL SELECT receiver, 0, 0 FROM {{table}} WHERE state = 'SUCCESSFUL' AND finished_at > {{earlier}}
    AND EXISTS (SELECT 1 FROM signals_app_attempt WHERE {_ERRORS})
) one GROUP BY receiver HAVING sum(failed) > 0"""
_BLOCKED = (
    "SELECT DISTINCT f.lane FROM {table} f WHERE f.state = 'FAILED' AND f.blocks_lane AND f.blocks_lane = {yes} AND "
    "EXISTS (SELECT 1 FROM {table} d WHERE d.lane = f.lane AND d.state = 'READY' AND d.behind AND d.behind = {yes}) "
    "LIMIT %(limit)s"
)
_LOST = "SELECT count(*) FROM signals_app_attempt WHERE outcome = 'LOST' AND finished_at > {earlier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One queue. Each delivery that waits (READY) is in one of six classes, the first here that fits.

    ``paused``: its queue or its receiver is. ``behind``: others of its lane come first. ``unroutable``: the last worker
    did not know its receiver. ``retrying``: it has been attempted. ``scheduled``: it is due later.
    ``due``: it could be claimed now.
    """

    name: str
    waiting: int = 0
    due: int = 0
    scheduled: int = 0
    retrying: int = 0
    paused: int = 0
    behind: int = 0
    unroutable: int = 0
    oldest_wait: float = 0.0  # seconds since the due time of the one that has been due longest
    running: int = 0
    long_running: int = 0  # for longer than ``LONG``
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStats:
    """How many deliveries of one receiver in one queue are READY, RUNNING or FAILED.

    Of the READY ones, ``due`` could be claimed now, ``unroutable`` were not known to the last worker, ``behind`` wait
    for others of their lanes, and ``booked`` for their turns by a rate.
    """

    state: State
    queue: str
    receiver: str
    count: int
    due: int
    unroutable: int
    behind: int
    booked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One delivery that succeeded or failed. Times of its last attempt are in seconds, None where it never ran."""

    receiver: str
    queue: str
    state: State
    waited: float | None
    ran: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentAttempts:
    """Attempts of a receiver in the last ``RECENT`` seconds, some failed. A retry that it asked for is no failure.

    ``lasting`` are the failed ones whose delivery has neither succeeded since nor been cancelled or merged.
    """

    receiver: str
    count: int
    failed: int
    lasting: int

    @property
    def share(self) -> float:
        """The share of attempts that failed, from 0 to 1."""
        return self.failed / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """All queues, and how many deliveries ended and attempts were ``lost`` in the last hour."""

    queues: tuple[QueueStats, ...]
    pauses: tuple[Pause, ...]
    succeeded: int
    failed: int
    cancelled: int
    merged: int
    lost: int

    def total(self, name: str) -> int:
        """Return the sum of a figure over all queues."""
        return sum(getattr(queue, name) for queue in self.queues)

    @property
    def oldest_wait(self) -> float:
        """For how many seconds the delivery that has been due longest has waited; 0 when none is due."""
        return max((queue.oldest_wait for queue in self.queues), default=0.0)


def current_stats() -> Stats:
    """Return the numbers of this moment: five queries, however many queues there are."""
    paused, ended = tuple(pauses()), recently_ended()
    ((lost,),) = rows(_LOST, ago=HOUR)
    return Stats(
        queues=tuple(_queues(paused)),
        pauses=paused,
        succeeded=ended[State.SUCCESSFUL],
        failed=ended[State.FAILED],
        cancelled=ended[State.CANCELLED],
        merged=ended[State.MERGED],
        lost=lost,
    )


def _queues(pauses: Sequence[Pause]) -> list[QueueStats]:
    paused = {pause.name for pause in pauses if pause.kind == PauseKind.QUEUE}
    is_by_row = any(pause.kind == PauseKind.RECEIVER for pause in pauses)
    waiting = {(name, kind): numbers for name, kind, *numbers in rows(_WAITING_BY_ROW if is_by_row else _WAITING)}
    running = {name: numbers for name, *numbers in rows(_RUNNING, ago=LONG)}
    found, nothing = [], (0, 0, 0, None, None)
    for name in sorted({name for name, _ in waiting} | running.keys() | paused):
        count, due, held_up, first, now = waiting.get((name, "all"), nothing)
        (unroutable, due_unroutable, *_), (retrying, due_retrying, *_) = (
            waiting.get((name, kind), nothing) for kind in ("unroutable", "retrying")
        )
        behind, *_ = waiting.get((name, "behind"), nothing)
        due -= due_unroutable + due_retrying
        if is_paused := name in paused:
            due, held_up, behind, unroutable, retrying, first = 0, count, 0, 0, 0, None
        runs, long_runs = running.get(name, (0, 0))
        found.append(
            QueueStats(
                name=name,
                waiting=count,
                due=due,
                scheduled=count - due - held_up - unroutable - retrying,
                retrying=retrying,
                paused=held_up - behind,
                behind=behind,
                unroutable=unroutable,
                oldest_wait=max(0.0, seconds(first, now) or 0.0),
                running=runs,
                long_running=long_runs,
                is_paused=is_paused,
            )
        )
    return found


def receiver_stats() -> list[ReceiverStats]:
    """Return the numbers of what waits, runs and has failed. Reads all of it, and nothing of what is done."""
    return [
        ReceiverStats(
            state=State(state),
            queue=queue,
            receiver=receiver,
            count=count,
            due=int(due),
            unroutable=int(unroutable),
            behind=int(behind),
            booked=int(booked),
        )
        for state, queue, receiver, count, due, unroutable, behind, booked in rows(_BY_RECEIVER)
    ]


def blocked_lanes(*, limit: int) -> list[str]:
    """Return lanes in which deliveries wait behind one that FAILED and blocks them."""
    return [lane for (lane,) in rows(_BLOCKED, limit=limit)]


def open_batches() -> int:
    """Return how many batches have open members, or may get some."""
    return Batch.objects.using(connection().alias).filter(settled_at__isnull=True).count()


def queues_with_work() -> list[str]:
    """Return the queues in which anything waits, due or not, by name."""
    return [queue for (queue,) in rows(_QUEUES)]


def oldest_waits() -> dict[str, float]:
    """Return, for each queue with READY deliveries, for how many seconds the one that has been due longest has waited.

    It is 0 where none is due; what is paused does not wait.
    """
    return {queue: seconds(first, now) or 0.0 for queue, first, now in rows(_LONGEST_DUE)}


def unroutable_for(seconds: float) -> Counter[str]:
    """Count, by receiver, the unroutable deliveries that were enqueued more than so many seconds ago."""
    return Counter(receiver for (receiver,) in rows(_LONG_UNROUTABLE, ago=seconds))


def recently_ended(within: float = HOUR) -> dict[State, int]:
    """Return how many deliveries ended within so many seconds, by their state."""
    return {State(state): count for state, count in rows(_ENDED, ago=within)}


def recent_attempts() -> list[RecentAttempts]:
    """Return the attempts of the last ``RECENT`` seconds of each receiver of which any failed."""
    return [
        RecentAttempts(receiver=receiver, count=count, failed=int(failed), lasting=int(lasting))
        for receiver, count, failed, lasting in rows(_RECENT_ATTEMPTS, ago=RECENT)
    ]


def newest_runs() -> list[Ran]:
    """Return the newest ``NEWEST`` deliveries that succeeded in the last hour, and as many that failed."""
    found: list[Ran] = []
    for state in (State.SUCCESSFUL, State.FAILED):
        newest = rows(_NEWEST, state=state.value, ago=HOUR, limit=NEWEST)
        for receiver, queue, due_at, started_at, finished_at in newest:
            waited, ran = seconds(due_at, started_at), seconds(started_at, finished_at)
            if waited is not None and waited < 0:
                waited = None  # a retry moves the due time past the start of the attempt before it
            found.append(Ran(receiver=receiver, queue=queue, state=state, waited=waited, ran=ran))
    return found


def count_ahead(delivery: Delivery) -> int:
    """Return how many due deliveries of its queue a claim takes before this one; ``MANY`` says that or more."""
    ((count,),) = rows(_AHEAD, queue=delivery.queue, id=delivery.pk, limit=MANY)
    return min(int(count or 0), MANY)


def pace(queue: str, *, fewest: int = 10) -> float | None:
    """Return how many deliveries of a queue succeed in a second, by those of the last minute.

    None where they are fewer than so many: they would say nothing of how fast it can be.
    """
    ((count, first, now),) = rows(_PACE, queue=queue, ago=LONG, limit=NEWEST)
    return count / max(seconds(first, now) or 0.0, 1.0) if count >= fewest else None


def recently_enqueued(within: float) -> int:
    """Return how many deliveries were enqueued within so many seconds, by the clocks of their senders.

    Emissions begin with the time, so their index answers; one over ``enqueued_at`` would be written at every send.
    """
    since = UUID(int=int((time.time() - within) * 1000) << 80)
    return Delivery.objects.using(connection().alias).filter(emission__gte=since).count()
