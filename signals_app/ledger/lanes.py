"""Lanes: which of their deliveries may begin, and setting those aside that may not.

Senders never look: what they write is claimed like any other. Before it begins, a worker takes a slot of its lane, and
that no two have the same one is a unique constraint. What gets none is *behind*: parked, until ``endings`` brings it
back. Nothing rests on the parking; a row that is brought back too early is parked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext

from django.db import IntegrityError, transaction

from signals_app.ledger.claims import HELD, UNSTARTED, ClaimedDelivery, pairs, write_held
from signals_app.ledger.endings import (
    IS_BEHIND,
    IS_OPEN,
    begun,
    blocked,
    first_open,
    follow,
    let_go,
    may_come_back,
    of_lane,
)
from signals_app.ledger.outcomes import SUCCEED
from signals_app.ledger.sql import connection, database, rows, write

TRIES = 5  # slots that a worker tries to take while others take them, too
PARK_AT_ONCE = 1_000  # of a lane, whose slots are taken
LOOK_AT_ONCE = 1_000  # lanes in which one look of a pusher finds out whether they stand still

_OTHERS = begun(but="%(id)s")
_LOWEST = (
    f"(SELECT min(s.slot) FROM (SELECT 0 AS slot UNION ALL SELECT b.slot + 1 FROM ({_OTHERS}) b) s "
    f"WHERE s.slot NOT IN ({_OTHERS}))"
)
_MORE = f"SELECT 1 FROM {{table}} d WHERE {of_lane(IS_BEHIND, 'd')}"
_BEGIN_ANY = (
    f"UPDATE {{table}} SET slot = {_LOWEST} WHERE {HELD} AND {_LOWEST} < %(slots)s{{unsynced}} "
    f"RETURNING slot + 1 < %(slots)s AND EXISTS ({_MORE})"
)
_BEGIN_NEXT = (
    f"UPDATE {{table}} SET slot = 0 WHERE {HELD} AND NOT EXISTS ({_OTHERS}) "
    f"AND ({first_open('id')}) >= %(id)s{{unsynced}} RETURNING FALSE"
)
_BEGIN_FIRST = _BEGIN_NEXT.replace("{unsynced}", f" AND NOT {blocked('%(id)s')}{{unsynced}}")
# Both by one statement, which sees the delivery that it ends as if it still ran.
_NEXT = HELD.replace("%(id)s", "%(next)s").replace("%(token)s", "%(next_token)s")
_SUCCEED_AND_BEGIN = (
    f"WITH ended AS ({SUCCEED} RETURNING id), begun AS (UPDATE {{table}} SET slot = 0 WHERE {_NEXT} "
    f"AND EXISTS (SELECT 1 FROM ended) AND NOT EXISTS ({begun(but='%(next)s')} AND b.id <> %(id)s) "
    f"AND ({first_open('id', but='%(id)s')}) >= %(next)s RETURNING id) "
    "SELECT (SELECT count(*) FROM ended), (SELECT count(*) FROM begun)"
)

_BEHIND = "parked = TRUE, behind = TRUE, concurrency = %(slots)s"
_PARK_HELD = f"UPDATE {{table}} SET {UNSTARTED}, {_BEHIND} WHERE state = 'RUNNING' AND owner = %(owner)s AND "
# Whoever else wants such a row comes first. What is not due is not in the way, and where it took a place without order
# it would have to itself what others could use.
_PARK_MORE = (
    f"UPDATE {{table}} SET {_BEHIND} WHERE id {{among}}SELECT id FROM {{table}} d WHERE d.state = 'READY' "
    f"AND {of_lane(IS_OPEN, 'd')} AND d.parked = FALSE AND d.id > %(id)s AND d.due_at <= {{now}} "
    "ORDER BY d.lane, d.id LIMIT %(limit)s {skip_locked}{those}"
)

_FREE = "UPDATE {table} SET blocks_lane = FALSE WHERE id {among_ids} AND state = 'FAILED' AND blocks_lane RETURNING id"

_FIRST_BEHIND = (
    f"(SELECT d.id FROM {{table}} d WHERE {of_lane(IS_BEHIND, 'd', 'lot.lane')} ORDER BY d.lane, d.id LIMIT 1)"
)
_STANDING_STILL = f"""
WITH RECURSIVE lot(lane, number) AS (
    SELECT (SELECT min(d.lane) FROM {{table}} d WHERE {IS_BEHIND.format(x="d")} AND d.lane > %(after)s), 1
    UNION ALL
    SELECT (SELECT min(d.lane) FROM {{table}} d WHERE {IS_BEHIND.format(x="d")} AND d.lane > lot.lane), lot.number + 1
    FROM lot WHERE lot.lane IS NOT NULL AND lot.number < %(limit)s
)
SELECT lot.lane, lot.number, EXISTS (
    SELECT 1 FROM {{table}} d WHERE d.id = {_FIRST_BEHIND} AND {may_come_back("lot.lane")}
) FROM lot WHERE lot.lane IS NOT NULL ORDER BY lot.number"""


def begin_in_lane(claimed: ClaimedDelivery, *, slots: int) -> bool:
    """Take a slot of its lane for a claimed delivery. False where none is free, or the claim is not ours any more.

    With 0 ``slots`` the lane is in order: nothing else of it may have begun, and nothing that waits may come first.
    """
    db = connection()
    for _ in range(TRIES if slots else 1):
        try:
            with transaction.atomic(using=db.alias) if db.in_atomic_block else nullcontext():
                taken = rows(_BEGIN_ANY if slots else _BEGIN_FIRST, slots=slots, **_names(claimed))
        except IntegrityError:  # another one has taken it at this very moment
            continue
        if taken and taken[0][0]:  # slots may have become more
            with transaction.atomic(using=db.alias):
                let_go(claimed.lane, claimed.queue, slots=slots)
        return bool(taken)
    return False


def hand_on(claimed: ClaimedDelivery) -> bool:
    """Begin the next of an ordered lane in the transaction in which one of it succeeds.

    Nobody else can take its slot, and nothing has failed in the lane since it began.
    """
    return bool(rows(_BEGIN_NEXT, **_names(claimed)))


def succeed_and_hand_on(
    claimed: ClaimedDelivery, following: ClaimedDelivery, *, ran: float, done: int = 0, total: int = 0, result: str = ""
) -> tuple[bool, bool]:
    """Do what ``succeed()`` does for a member of no batch, and ``hand_on()``; return whether each was done.

    In one round trip where the database can: a lane is as fast as those of its deliveries.
    """
    said = {"ago": ran, "done": done, "total": total, "result": result}
    if database(connection()).writes_in_queries:
        names = {**_names(claimed), "next": following.id, "next_token": following.token}
        ((has_ended, has_begun),) = rows(_SUCCEED_AND_BEGIN, **names, **said)
        if has_ended and not has_begun:  # should we die here, a pusher brings the next
            with transaction.atomic(using=connection().alias):
                follow([claimed.id], may_be_watched=False)
        return bool(has_ended), bool(has_begun)
    with transaction.atomic(using=connection().alias):
        has_ended = write_held(SUCCEED, claimed, **said)
        has_begun = has_ended and hand_on(following)
        if has_ended and not has_begun:
            follow([claimed.id], may_be_watched=False)
    return has_ended, has_begun


def _names(claimed: ClaimedDelivery) -> dict[str, object]:
    return {"id": claimed.id, "token": claimed.token, "owner": claimed.owner, "lane": claimed.lane}


def park_behind(claimed: Sequence[ClaimedDelivery], *, slots: int) -> None:
    """Park deliveries that a worker holds, all of one lane, and what else waits in it; they were not attempted.

    What could have begun by now comes back at once.
    """
    first = claimed[0]
    with transaction.atomic(using=connection().alias):
        # before the lane is locked: whoever cancels them has locked them, and waits for the lane
        values, params = pairs([(one.id, one.token) for one in claimed])
        write(f"{_PARK_HELD}(id, token) IN ({values})", owner=first.owner, slots=slots, **params)
        write(_PARK_MORE, lane=first.lane, id=first.id, slots=slots, limit=PARK_AT_ONCE)
        let_go(first.lane, first.queue, slots=slots)


def free(ids: Iterable[int]) -> list[int]:
    """Let the lanes of FAILED deliveries that block them go on."""
    with transaction.atomic(using=connection().alias):
        freed = sorted(one for (one,) in rows(_FREE, ids=list(ids)))
        follow(freed)
        return freed


def mend_lanes(after: str = "", *, limit: int = LOOK_AT_ONCE) -> str:
    """Bring back what a lane's end should have brought back, as where a row was deleted.

    Looks at ``limit`` lanes from the one after ``after`` on, and returns where the next look is to go on.
    """
    looked = rows(_STANDING_STILL, after=after, limit=limit)
    for lane, _number, stands_still in looked:
        if stands_still:
            with transaction.atomic(using=connection().alias):
                let_go(lane)
    return str(looked[-1][0]) if len(looked) == limit else ""
