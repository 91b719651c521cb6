"""What follows when deliveries end, in the transaction in which they do: the next of their lane, the end of a batch.

What is behind in a lane comes back by ``follow()`` and ``let_go()``. Both lock the lane, as ``lanes.park_behind()``
does, so that whatever is parked is seen by whoever ends what it waits for. Who has locked a lane waits for no row:
whoever ends that one may wait for the lane.
"""

from __future__ import annotations

from collections.abc import Sequence

from signals_app.ledger.batches import advance
from signals_app.ledger.sql import WAITING, connection, database, rows

_BATCHES = "SELECT DISTINCT batch FROM {table} WHERE id {among_ids} AND watched"
_LANES = (
    "SELECT lane, queue, {lane_lock} FROM (SELECT DISTINCT lane, queue FROM {table} "
    "WHERE id {among_ids} AND lane <> '' ORDER BY lane) ended"  # in order: no deadlock
)
_LOCK_LANE = "SELECT {lane_lock} FROM (SELECT CAST(%(lane)s AS varchar) AS lane) one"

# Of a lane, which is a parameter or a column: its slots that are taken; whether a delivery d that is behind may come
# back. In order: nothing has begun, the first is behind as well, and none that failed before it blocks the lane.
# Written as a range, and ordered by lane and id, so that PostgreSQL sees no way but the index of lanes: an EXISTS or an
# order by id alone it would answer by reading the table, where it expects to find something soon.
OF_LANE = "{x}.lane >= {lane} AND {x}.lane <= {lane} AND NOT ({x}.lane = '')"
IS_OPEN = "{x}.state IN ('READY', 'RUNNING')"
IS_BEHIND = "{x}.state = 'READY' AND {x}.behind AND {x}.behind = {{yes}}"


def of_lane(condition: str, x: str, lane: str = "%(lane)s") -> str:
    """Return the SQL of a condition on rows ``x`` of a lane."""
    return f"{OF_LANE} AND {condition}".format(x=x, lane=lane)


def begun(lane: str = "%(lane)s", but: str = "") -> str:
    """Return the query of the slots that are taken in a lane, ``but`` for one delivery's."""
    taken = of_lane("{x}.state = 'RUNNING' AND {x}.slot >= 0", "b", lane)
    return f"SELECT b.slot FROM {{table}} b WHERE {taken}{f' AND b.id <> {but}' if but else ''}"


def blocked(one: str, lane: str = "%(lane)s") -> str:
    """Return the condition that a delivery that failed, and comes before ``one``, blocks the lane."""
    fails = of_lane("{x}.state = 'FAILED' AND {x}.blocks_lane AND {x}.blocks_lane = {{yes}}", "f", lane)
    return f"EXISTS (SELECT 1 FROM {{table}} f WHERE {fails} AND f.id < {one})"


def first_open(column: str, lane: str = "%(lane)s", but: str = "") -> str:
    """Return the query of a column of the first of a lane that has not ended, ``but`` for one delivery."""
    is_open = of_lane(IS_OPEN, "o", lane) + (f" AND o.id <> {but}" if but else "")
    return f"SELECT o.{column} FROM {{table}} o WHERE {is_open} ORDER BY o.lane, o.id LIMIT 1"


def may_come_back(lane: str = "%(lane)s", slots: str = "d.concurrency") -> str:
    """Return the condition that a delivery ``d`` that is behind in a lane may come back."""
    return (
        f"CASE WHEN d.concurrency > 0 THEN {slots} > (SELECT count(*) FROM ({begun(lane)}) begun) "
        f"ELSE NOT EXISTS ({begun(lane)}) AND NOT {blocked('d.id', lane)} "
        f"AND ({first_open('behind', lane)}) END"
    )


# Of the first that are behind, so that none reads a whole lane; never waits for a row, for whoever has locked it is an
# operator: it comes back then, or the next look of a pusher brings it.
FIRST_BEHIND = (
    f"SELECT id FROM {{table}} WHERE {WAITING} AND id {{among}}SELECT d.id FROM (SELECT d.id, d.concurrency "
    f"FROM {{table}} d WHERE {of_lane(IS_BEHIND, 'd')} ORDER BY d.lane, d.id LIMIT %(limit)s) d "
    f"WHERE {may_come_back(slots='CASE WHEN d.concurrency > %(slots)s THEN d.concurrency ELSE %(slots)s END')}{{those}}"
)
_BRING_BACK = (
    "UPDATE {table} SET parked = FALSE, behind = FALSE "
    f"WHERE id {{among}}{FIRST_BEHIND} {{skip_locked}}{{those}} RETURNING queue"
)


def follow(ids: Sequence[int], *, slots: int = 0, limit: int = 1, may_be_watched: bool = True) -> None:
    """Have what waits for the end of these deliveries go on, up to ``limit`` of a lane.

    ``slots`` is how many of an unordered lane run at a time, where that is known.
    """
    watched = rows(_BATCHES, ids=list(ids)) if may_be_watched else []
    for batch in sorted(batch for (batch,) in watched if type(batch) is int):  # SQLite stores anything
        advance(batch)
    for lane, queue, _locked in rows(_LANES, ids=list(ids)):
        _bring_back(lane, queue, slots=slots, limit=limit)


def let_go(lane: str, queue: str = "", *, slots: int = 0) -> None:
    """Bring back what may go on in a lane of which nothing has ended. Call it in a transaction."""
    rows(_LOCK_LANE, lane=lane)
    _bring_back(lane, queue, slots=slots, limit=1)


def _bring_back(lane: str, queue: str, *, slots: int, limit: int) -> None:
    back = rows(_BRING_BACK, lane=lane, slots=slots, limit=limit)
    db = connection()
    for (other,) in {*back} - {(queue,)}:  # whoever asks looks at its own queue anyway
        database(db).wake(other)
