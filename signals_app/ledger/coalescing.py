"""Deliveries of one receiver and key run as one: a worker that comes to one runs the newest, and closes the rest.

The claim merges, not the send. What is merged was committed before the newest began, so that one has seen it; what
commits afterwards is a row of its own, and runs later. So no update is lost, no sender waits for another, and a run
keeps nobody waiting. ``python -m tests.coalescing`` shows what becomes of the other ways.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import transaction

from signals_app.ledger.claims import (
    CLAIM,
    HELD,
    TAKE,
    TAKEN,
    UNSTARTED,
    ClaimedDelivery,
    Row,
    claimed_from,
    is_readable,
    write_held,
)
from signals_app.ledger.damage import CENTURY, END, readable, seconds, set_aside
from signals_app.ledger.endings import follow
from signals_app.ledger.sql import WAITING, connection, rows, write

# Those that have not begun, whoever has claimed them; a slot is given to what begins. Locked in the order of their ids,
# so that workers which come to several of them at once wait for each other, and find what the first one left. The
# condition of the index stands there to the letter, for SQLite.
_OPEN = (
    f"SELECT id, {CLAIM}, state = 'RUNNING', state = 'RUNNING' OR due_at <= {{now}}, "
    f"{readable('coalesce(waiting_since, enqueued_at)')}, {readable('started_at')}, {{now}}, "
    f"CASE WHEN booked AND bucket = %(bucket)s THEN {readable('due_at')} END FROM {{table}} "
    "WHERE receiver = %(receiver)s AND coalesce_key = %(key)s AND queue = %(queue)s "
    "AND state IN ('READY', 'RUNNING') AND NOT (coalesce_key = '') AND (state = 'READY' OR slot IS NULL) "
    "ORDER BY id {for_update}"
)
_SLOT = "slot = CASE WHEN lane = '' THEN 0 END"  # that of a lane is given by it, right afterwards
_BEGIN = "UPDATE {table} SET " + _SLOT + ",  waiting_since = %(since)s WHERE " + HELD
_RETURN = "UPDATE {table} SET " + UNSTARTED + " WHERE id = %(id)s"
# As of the claim of the one that it replaces, so that recovery finds both in the same. A turn by the rate is handed on.
_TAKE_OVER = (
    TAKE + "started_at = %(started_at)s, " + _SLOT + ", waiting_since = %(since)s, parked = FALSE, behind = FALSE, "
    "booked = (booked OR bucket = %(bucket)s AND %(booked)s) WHERE " + WAITING + " AND id = %(id)s" + TAKEN
)
_WAIT = (
    "UPDATE {table} SET waiting_since = %(since)s, due_at = CASE WHEN due_at > {later} THEN {later} ELSE due_at END "
    "WHERE id = %(id)s"
)
_KEEP_TURN = (
    "UPDATE {table} SET waiting_since = %(since)s, due_at = %(turn)s, booked = TRUE, parked = parked AND NOT behind, "
    "behind = FALSE WHERE id = %(id)s"
)
# by the token a worker that has claimed one of them finds that it no longer does
_MERGE = (
    "UPDATE {table} SET state = 'MERGED', merged_into = %(into)s, finished_at = {now}, lease_until = NULL, "
    "parked = FALSE, behind = FALSE, "
    "attempts = CASE WHEN state = 'RUNNING' AND attempts > 0 THEN attempts - 1 ELSE attempts END, "
    "started_at = CASE WHEN state = 'RUNNING' THEN NULL ELSE started_at END, "
    f"token = CASE WHEN token < {END} THEN token + 1 ELSE {END} END WHERE id {{among_ids}}"
)
_MERGE_ON = "UPDATE {table} SET merged_into = %(into)s WHERE merged_into {among_ids}"


class _Open(NamedTuple):
    id: int
    is_ours: bool
    is_running: bool
    is_due: bool
    since: Any  # when it was sent, or the oldest that was merged into it; as the database's driver has it
    started_at: Any
    now: Any
    turn: Any  # by the rate


def coalesce(
    claimed: ClaimedDelivery, *, lease: float, debounce: float = 0, max_wait: float = 0
) -> tuple[ClaimedDelivery | None, int]:
    """Merge what is open of the receiver and key of a claimed delivery, and begin the newest due one in its place.

    Return that one, and how many were merged. It is None where the claim is not ours any more, and where the newest is
    to wait for ``debounce`` seconds without another, ``max_wait`` of the oldest at most, or for the turn by a rate that
    one of them has booked: who booked anew would go behind others, and for ever where sends come faster than turns.
    """
    with transaction.atomic(using=connection().alias):
        while True:
            found = _open(claimed)
            ours = next((one for one in found if one.is_ours), None)
            if ours is None:
                return None, 0
            newest = found[-1] if debounce else [one for one in found if one.is_due][-1]
            ids = [one.id for one in found if one.id < newest.id]
            turns = [one for one in found if one.turn and one.id <= newest.id]
            booked = min(turns, key=lambda one: one.turn, default=newest)
            oldest = min((one for one in found if one.since), key=lambda one: one.since, default=newest)
            age = seconds(oldest.since, oldest.now) or 0.0
            waits = not newest.is_due and not 0 < max_wait <= age
            if waits:
                write(_WAIT, id=newest.id, since=oldest.since, delay=max_wait - age if max_wait else CENTURY)
            elif booked.turn and not booked.is_due:
                waits = True
                if newest.is_running:
                    write(_RETURN, id=newest.id)
                write(_KEEP_TURN, id=newest.id, since=oldest.since, turn=booked.turn)
            runner = None if waits else _begin(claimed, ours, newest, since=oldest.since, lease=lease)
            if waits or runner:
                if ids:
                    write(_MERGE_ON, into=newest.id, ids=ids)
                    write(_MERGE, into=newest.id, ids=ids)
                    follow(ids)
                return runner, len(ids)


def _open(claimed: ClaimedDelivery) -> list[_Open]:
    where = {"receiver": claimed.receiver, "key": claimed.coalesce_key, "queue": claimed.queue}
    held = {"id": claimed.id, "token": claimed.token, "owner": claimed.owner}
    return [_Open(*row) for row in rows(_OPEN, bucket=claimed.bucket, **held, **where)]


def _begin(claimed: ClaimedDelivery, ours: _Open, newest: _Open, *, since: Any, lease: float) -> ClaimedDelivery | None:
    """Begin the newest: from now on nobody merges it. None where its row cannot be read, and is set aside."""
    if newest is ours:
        write_held(_BEGIN, claimed, since=since)
        return claimed
    if newest.is_running:
        write(_RETURN, id=newest.id)
    ((*row,),) = rows(
        _TAKE_OVER,
        id=newest.id,
        owner=claimed.owner,
        started_at=ours.started_at,
        since=since,
        bucket=claimed.bucket,
        booked=claimed.booked,
        delay=lease,
        false=False,
    )
    taken = Row(*row)
    if not is_readable(taken):
        set_aside(newest.id)
        return None
    return claimed_from(taken, waited=max(0.0, seconds(taken.due_at, taken.now) or 0.0))
