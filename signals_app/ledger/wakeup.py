"""Reading what is due: the pusher's look, the supervisor's, and the wait for a change that costs next to nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app.ledger.damage import moment
from signals_app.ledger.sql import connection, execute
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
_SLEEP = (
    "INSERT INTO signals_app_idlequeue (queue, until) SELECT %(queue)s, {later} "
    "WHERE set_config('synchronous_commit', 'off', true) = 'off' "  # a note lost in a crash costs one nap
    "ON CONFLICT (queue) DO UPDATE SET until = excluded.until"
)

NAP = 0.002  # seconds between two looks at SQLite's change counter
SLEEP_NOTE = 2.0  # seconds for which senders go on notifying a queue after its pusher last lay down


def due(queue: str, *, limit: int) -> list[int]:
    """Return the ids of up to ``limit`` deliveries that could run now, in the order of claims."""
    with execute(_DUE, queue=queue, limit=limit) as cursor:
        return [row[0] for row in cursor.fetchall()]


def seconds_to_next(queue: str) -> float | None:
    """Return in how many seconds the next delivery will be due, or None when none waits for later."""
    with execute(_NEXT_DUE, queue=queue) as cursor:
        first, now = (moment(value) for value in cursor.fetchone())
    return (first - now).total_seconds() if first and now else None


def count_ready(queue: str) -> int:
    """Return how many deliveries wait in a queue, due or not."""
    with execute(_READY, queue=queue) as cursor:
        return int(cursor.fetchone()[0])


@dataclass(slots=True)
class ChangeListener:
    """Waits, in one process, for anything to be written that a queue's pusher might care about."""

    queue: str
    poll: float  # seconds between looks where the database cannot wake us; also the longest nap beside LISTEN
    _version: int = -1
    _listening: Any = None
    _nap: float = 0.005
    _noted: float = 0.0

    def reset(self) -> None:
        """Look often again: something was found."""
        self._nap = 0.005

    def wait(self, seconds: float) -> bool:
        """Return when the database has changed, or may have, and at the latest after ``seconds``.

        True when a sender said that it has handed off to this very queue, for now.
        """
        db = connection()
        db.ensure_connection()
        if db.vendor == "sqlite":
            self._wait_for_version(db, seconds)
        elif db.vendor == "postgresql":
            return self._wait_for_notify(db, seconds)
        return False

    def _wait_for_version(self, db: BaseDatabaseWrapper, seconds: float) -> None:
        """Watch the counter that SQLite keeps of other connections' commits; reading it takes no lock."""
        end = time.monotonic() + seconds
        execute_raw = cast(Any, db.connection).execute
        while True:
            with db.wrap_database_errors:
                version = execute_raw("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._version = version
                return
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(NAP, left))

    def _wait_for_notify(self, db: BaseDatabaseWrapper, seconds: float) -> bool:
        """Sleep until a sender's NOTIFY.

        A transaction that began before we lay down and commits after our last look does not notify; the naps, doubling
        up to ``poll`` seconds, catch it.
        """
        raw = cast(Any, db.connection)
        if self._listening is not raw:
            with db.cursor() as cursor:
                cursor.execute("LISTEN signals_app")
            self._listening = raw
        if self._note_sleep():
            return False  # look once more: whoever wrote before the note did not notify
        end = time.monotonic() + min(seconds, self._nap)
        while (left := end - time.monotonic()) > 0:
            with db.wrap_database_errors:
                # all that have come: one that is left behind would end a later wait, and wake a worker for nothing
                notes = {note.payload for note in raw.notifies(timeout=left, stop_after=1)}
            if self.queue in notes:
                return True
        self._nap = min(self.poll, self._nap * 2)
        return False

    def _note_sleep(self) -> bool:
        """Tell senders that we sleep, before the last note runs out. Returns whether there was a gap before it."""
        since = time.monotonic() - self._noted
        if since < SLEEP_NOTE / 2:
            return False
        with execute(_SLEEP, queue=self.queue, delay=SLEEP_NOTE):
            pass
        self._noted = time.monotonic()
        return since > SLEEP_NOTE
