"""Rates: how often deliveries of one bucket may begin, over all clusters, by the database's clock.

A bucket keeps one time, ``used_until``: each start moves it on by one interval, from now where it has passed, and it
may be ahead of now by no more than the burst (the generic cell rate algorithm). It alone decides what begins, so the
rate holds whatever a row says and however late the row comes.

A delivery that has to wait *books*: it goes back, due at its turn, one interval behind the last of those that have
booked. So it is claimed twice, however many wait. Where the line ends is read from the rows themselves: a delivery that
is cancelled, merged or made due now leaves no gap at the end, where a second clock in the bucket would.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction

from signals_app.conf import LONGEST
from signals_app.ledger.claims import ClaimedDelivery, book
from signals_app.ledger.damage import moment, readable, seconds
from signals_app.ledger.sql import connection, rows, write
from signals_app.models import LAST

_TABLE = "signals_app_bucket"
# locks the bucket to the end of the transaction, also one that nobody has used yet
_LOCK = (
    f"INSERT INTO {_TABLE} (name, used_until) VALUES (%(name)s, {{now}}) "
    f"ON CONFLICT (name) DO UPDATE SET used_until = {_TABLE}.used_until RETURNING {readable('used_until')}"
)
# A statement of its own: it sees what whoever had the lock has booked, and its time is later. Asked for a maximum,
# PostgreSQL reads the whole line as long as it has not counted the table.
_LINE = (
    "SELECT {now}, (SELECT due_at FROM {table} WHERE state = 'READY' AND booked AND booked = {yes} "
    f"AND receiver = %(receiver)s AND bucket = %(bucket)s AND due_at < {LAST} ORDER BY due_at DESC LIMIT 1)"
)
_USE = f"UPDATE {_TABLE} SET used_until = %(until)s WHERE name = %(name)s"
_PRUNE = (
    f"DELETE FROM {_TABLE} WHERE name {{among}}"
    f"SELECT name FROM {_TABLE} WHERE used_until < {{now}} LIMIT %(limit)s {{skip_locked}}{{those}}"
)


def turn(used: float, last: float, *, booked: bool, interval: float, burst: int) -> tuple[float, float]:
    """Return in how many seconds a delivery may begin, 0 for now, and how far the turns that were used reach then.

    Times are in seconds from now: ``used`` is how far they reach, ``last`` when the last that has booked is due.
    """
    ahead = (burst - 1) * interval
    # Whoever has booked may come late, by its worker, and the next one in time: without a burst either would have to
    # wait again, and each turn that is missed would be missed for good.
    most = max(ahead, interval)
    if used > most + interval:  # no start leaves so much: the clock was set back, or the rate was lower
        used = most
    wait = 0.0 if booked and used <= most else max(0.0, used - ahead, last + interval)
    return min(LONGEST, wait), used if wait else max(0.0, used) + interval


def take_turn(claimed: ClaimedDelivery, *, interval: float, burst: int, within: float = math.inf) -> float:
    """Return in how many seconds a claimed delivery may begin. At 0 it has used a turn of its bucket.

    Else it has gone back, due at its turn, unless that is later than ``within``: then nothing is written.
    """
    name = f"{claimed.receiver}\n{claimed.bucket}"
    with transaction.atomic(using=connection().alias):
        ((used_until,),) = rows(_LOCK, name=name)
        ((now, last),) = rows(_LINE, receiver=claimed.receiver, bucket=claimed.bucket)
        end = seconds(now, last)
        wait, used = turn(
            seconds(now, used_until) or 0.0,
            -math.inf if end is None else end,
            booked=claimed.booked,
            interval=interval,
            burst=burst,
        )
        at = cast(datetime, moment(now))  # no zone on SQLite, as in its columns
        if not wait:
            write(_USE, name=name, until=str(at + timedelta(seconds=used)))
        elif wait <= within:
            book(claimed, at + timedelta(seconds=wait))
    return wait


def prune_buckets(*, limit: int) -> int:
    """Delete up to ``limit`` buckets that are full again, as one that is not there is; return how many went."""
    return write(_PRUNE, limit=limit)
