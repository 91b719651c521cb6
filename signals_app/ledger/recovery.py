"""Giving lost deliveries back to the queue: their process is dead, or their lease has run out.

Each pusher does it once a second (``cluster/broker.py``). It decides about attempts that nobody reported; about those
that a worker reports as failed, ``worker/failures.py`` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import Error, transaction

from signals_app.ledger.claims import COLUMNS, ClaimedDelivery, Row, claimed_from, give_back, is_readable
from signals_app.ledger.damage import CENTURY, readable, seconds, set_aside, set_aside_among
from signals_app.ledger.outcomes import Failure, record_failure
from signals_app.ledger.sql import connection, rows
from signals_app.models import Outcome, State
from signals_app.processes.identity import ProcessIdentity
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.ledger")

_IN_QUEUE = "queue = %(queue)s AND state = 'RUNNING'"
# a lease without an end, or with one that nobody would live to see, is none
_EXPIRED = "(lease_until IS NULL OR NOT (lease_until > {now} AND lease_until <= {later}))"
_HOLDERS = f"SELECT DISTINCT owner, {_EXPIRED} FROM {{table}} WHERE {_IN_QUEUE}"
_OF_OWNER = f"{_IN_QUEUE} AND owner = %(owner)s AND (%(dead)s OR {_EXPIRED})"
_HELD_BY = f"SELECT {COLUMNS}, {readable('started_at')} FROM {{table}} WHERE {_OF_OWNER}"
_CLAIMED_BEFORE = " AND started_at < (SELECT kept.started_at FROM {table} kept WHERE kept.id = %(kept)s)"
# In the order in which a worker runs what it claimed at once. One that it took in the place of another has a slot.
_IN_ORDER = " ORDER BY CASE WHEN slot IS NULL THEN 1 ELSE 0 END, priority DESC, due_at, id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A delivery that was running, and how the attempt that it is charged was recorded."""

    claimed: ClaimedDelivery
    end: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What one recovery did."""

    lost: tuple[Lost, ...] = ()
    returned: int = 0  # claimed along with a lost one but not begun, and so not charged


def recover_lost(
    queue: str,
    *,
    is_dead: Callable[[str], bool],
    at_work: Callable[[str], int | None] = lambda owner: None,
    run_of: Callable[[str], int] = lambda owner: 0,
    may_wait: Callable[[ClaimedDelivery], bool] = lambda claimed: False,
) -> Recovered:
    """Free what lost workers hold in a queue.

    ``is_dead`` tells whether an owner's process is known to have ended, ``at_work`` which delivery it is known to be
    at: it keeps that one, and those claimed along, though the lease has run out. The delivery that was running is
    charged its attempt, with an Attempt LOST, and is READY at once, or FAILED when that was the last; those claimed
    along with it go back as they were. A worker that can record nothing, such as one without memory, may hold several
    that it ran, each of a claim of its own.

    Which one was running is what ``run_of`` answers for the owner; where it answers 0, the first of a claim. But where
    the success of that one ``may_wait`` to be recorded, it may have ended well, and none is charged: after their next
    claim each is recorded as it ends.
    """
    lost: list[Lost] = []
    returned = 0
    for owner, has_expired in _holders(queue):
        known = isinstance(owner, str)  # SQLite stores anything
        dead = known and is_dead(owner)
        if dead or has_expired:
            kept = at_work(owner) if known and not dead else None
            charged, rest = _free(queue, owner, dead=dead, kept=kept, run=known and run_of(owner), may_wait=may_wait)
            lost += charged
            returned += rest
    return Recovered(lost=tuple(lost), returned=returned)


def _holders(queue: str) -> list[tuple[Any, ...]]:
    """Return the owners that hold anything in a queue, each with whether a lease of theirs has run out."""
    params = {"queue": queue, "delay": CENTURY}
    try:
        return rows(_HOLDERS, **params)
    except Error:
        if not set_aside_among(_IN_QUEUE, **params):
            raise
        return rows(_HOLDERS, **params)


def _free(
    queue: str,
    owner: str,
    *,
    dead: bool,
    kept: int | None,
    run: int,
    may_wait: Callable[[ClaimedDelivery], bool],
) -> tuple[list[Lost], int]:
    """Free one owner's deliveries; return those that were running, one of a claim at most, and the others' number."""
    params = {"queue": queue, "owner": owner, "dead": dead, "kept": kept, "delay": CENTURY}
    query = _HELD_BY + ("" if kept is None else _CLAIMED_BEFORE) + _IN_ORDER
    claims: dict[Any, list[Row]] = {}
    try:
        with transaction.atomic(using=connection().alias):
            there, held = rows(query, **params), rows(query + " {skip_locked}", **params)
            if len(held) != len(there):
                return [], 0  # a row that is locked is being ended, or its receiver's transaction is: soon again
            for row in (Row(*one) for one in held):
                if is_readable(row):
                    claims.setdefault(row.started_at or row.id, []).append(row)  # of one claim, so of one started_at
                else:
                    set_aside(row.id)
            lost = [_charge(row, dead=dead) for claim in claims.values() for row in _ran(claim, run, may_wait)]
            charged = {one.claimed.id for one in lost}
            rest = [claimed_from(row) for claim in claims.values() for row in claim if row.id not in charged]
            give_back(rest)
            return lost, len(rest)
    except Error:
        if not set_aside_among(_OF_OWNER, **params):
            logger.exception("What %s holds in %s cannot be given back.", owner, queue)
        return [], 0


def _ran(claim: list[Row], run: int, may_wait: Callable[[ClaimedDelivery], bool]) -> list[Row]:
    """Return which delivery of a claim was running: the one of that id, else the first, unless that may have ended."""
    first, *others = claim
    if known := [row for row in claim if row.id == run]:
        return known
    if not others or not may_wait(claimed_from(first)):  # what is kept is kept while others wait or run behind it
        return [first]
    logger.warning(
        "What %s had claimed at once in %s, %d deliveries, goes back uncharged: some may have ended.",
        first.owner,
        first.queue,
        len(claim),
    )
    return []


def _charge(row: Row, *, dead: bool) -> Lost:
    claimed = claimed_from(row)
    process = ProcessIdentity.parse(claimed.owner)
    worker = f"Worker {process.pid} on {process.host}" if process else f"Worker {claimed.owner!r}"
    happened = (
        "died while it ran this delivery."
        if dead
        else "did not renew its lease in time; it may be dead, cut off or stopped."
    )
    end = Failure(
        outcome=Outcome.LOST,
        state=State.FAILED if claimed.is_last_attempt else State.READY,
        ran=max(0.0, seconds(row.started_at, row.now) or 0.0),
        error_class="WorkerDied" if dead else "LeaseExpired",
        message=f"{worker} {happened}",
    )
    record_failure(claimed, end)
    return Lost(claimed=claimed, end=end)
