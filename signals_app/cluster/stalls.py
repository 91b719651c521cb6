"""Whether a cluster that looks alive does nothing any more, and how that shows.

Django-Q's processes share locks, and a lock dies with the process that holds it: an idle worker takes the lock of the
task queue along, a monitor that of the results, a worker that just ended a task the one that the guard waits for.
"""

from __future__ import annotations

import time

from django.db import Error

from signals_app import ledger
from signals_app.conf import conf
from signals_app.processes.identity import group_of
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker.connections import is_refusal, reconnect

logger = get_logger("signals_app.supervisor")

GUARD_ROUND = 60.0  # seconds a round of the guard may take: it runs schedules, and may wait for a database's lock
# the same once one of the processes was killed, until there is life again: a lock may have died with it
STALL_AFTER_DEATH = 1.5
GUARD_ROUND_AFTER_DEATH = 10.0


def is_refused() -> bool:
    """Tell whether the database has refused logins for so long that this cluster's settings seem to be old."""
    enough = 4 * conf.stall
    # a full server refuses newcomers alone
    return liveness.refused > enough and time.monotonic() - liveness.claimed_at > enough


class Unchanged:
    """For how long something has been the same."""

    def __init__(self) -> None:
        self._value: object = None
        self._since = 0.0

    def seconds(self, value: object) -> float:
        """Return for how many seconds the value has been this one, as far as was asked; 0 for None."""
        now = time.monotonic()
        if value is None or value != self._value:
            self._value, self._since = value, now
        return now - self._since


class StallDetector:
    """Watches the cluster that is led by the process ``leader`` and has so many workers.

    Its guard looks after them every ``guard_cycle`` seconds.
    """

    def __init__(self, queue: str, *, leader: int, workers: int, guard_cycle: float = 0.5) -> None:
        self._queue = queue
        self._leader = leader
        self._workers = workers
        self._guard_cycle = guard_cycle
        self._forget()
        self._idle = Unchanged()
        self._missed_at = 0.0  # when a death was noticed last, on the monotonic clock

    def reason(self) -> str | None:
        """Return what has stood still for too long, for people to read; None when all goes on or cannot be seen."""
        try:
            if is_refused():
                ledger.connection().close()  # a session outlives its password; a new one tells
            reason = self._reason(ledger.due(self._queue, limit=1))
            if reason:
                with ledger.short_lock_timeout():  # whoever waits for SQLite's one write lock does not stand still
                    pass
        except Error as error:
            logger.warning("The supervisor of %s cannot reach the database: %s", self._queue, error)
            reconnect(error)
            self._forget()
            if is_refusal(error) and is_refused():
                return f"has been refused by the database for {liveness.refused:.0f} s"
            return None
        return reason

    def _forget(self) -> None:
        self._untaken, self._unrecorded, self._unguarded, self._failing = (Unchanged() for _ in range(4))

    def _reason(self, first: list[int]) -> str | None:
        self._miss_the_dead()
        brief = STALL_AFTER_DEATH + 2 * self._guard_cycle  # the guard has to replace the dead meanwhile
        stall = min(conf.stall, brief) if self.is_in_doubt else conf.stall
        if (seconds := self._untaken.seconds(self._not_taken(first))) > stall:
            return f"has claimed nothing for {seconds:.0f} s while work is due"
        unrecorded = liveness.result_recorded_at if liveness.has_unrecorded_result() else None
        if (seconds := self._unrecorded.seconds(unrecorded)) > conf.stall:
            return f"has recorded no result of a task for {seconds:.0f} s"
        if (seconds := self._failing.seconds(True if liveness.failing and first else None)) > conf.stall:
            return f"has had every claim fail for {seconds:.0f} s"
        guarded_at = liveness.guarded_at
        is_missed = guarded_at is not None and self._missed_at > guarded_at
        if (seconds := self._unguarded.seconds(guarded_at)) > (GUARD_ROUND_AFTER_DEATH if is_missed else GUARD_ROUND):
            return f"has not looked after its workers for {seconds:.0f} s"
        return None

    @property
    def is_in_doubt(self) -> bool:
        """Whether a process was killed and no worker has taken anything since: look more often."""
        return self._missed_at > liveness.task_started_at

    def _miss_the_dead(self) -> None:
        for pid in liveness.staff():
            if group_of(pid) != self._leader:
                liveness.leave(pid)
                self._missed_at = time.monotonic()

    def idle_seconds(self) -> float:
        """Return for how long no worker has been at a task and no result has been dealt with, as far as was asked."""
        return self._idle.seconds(None if self.working() else liveness.result_recorded_at)

    def working(self) -> list[int]:
        """Return the pids of the cluster's workers that are at a task."""
        return [pid for pid in liveness.working() if group_of(pid) == self._leader]

    def _not_taken(self, first: list[int]) -> object:
        """Return what waits for a worker, and when one last took anything; None where nothing waits or all are busy."""
        if len(self.working()) >= self._workers:
            return None
        if liveness.has_unstarted_task:
            return liveness.task_started_at
        return (liveness.task_started_at, first[0]) if first else None
