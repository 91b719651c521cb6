"""Giving lost deliveries back to the queue: their process is dead, or their lease ran out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from signals_app.ledger.claims import COLUMNS, ClaimedDelivery, claimed_from, give_back
from signals_app.ledger.dialect import connection, dialect, execute, to_datetime
from signals_app.ledger.outcomes import BadEnd, end_badly
from signals_app.models import Outcome, State
from signals_app.processes import ProcessIdentity

_HOLDERS = "SELECT DISTINCT owner, lease_until <= {now} FROM {table} WHERE queue = %(queue)s AND state = 'RUNNING'"

_HELD_BY = (
    "SELECT " + COLUMNS + ", started_at, {now} FROM {table} WHERE queue = %(queue)s "
    "AND state = 'RUNNING' AND owner = %(owner)s AND (%(dead)s OR lease_until <= {now})"
)
_CLAIMED_BEFORE = " AND started_at < (SELECT kept.started_at FROM {table} kept WHERE kept.id = %(kept)s)"
# in the order in which a worker runs what it claimed at once: the first that is left is the one that was running
_IN_ORDER = " ORDER BY priority DESC, due_at, id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A delivery that was running, and how the attempt that it is charged is on the record."""

    claimed: ClaimedDelivery
    end: BadEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What one rescue did."""

    lost: tuple[Lost, ...] = ()
    returned: int = 0  # were claimed along with a lost one but had not begun; not charged


def rescue(
    queue: str, *, is_dead: Callable[[str], bool], at_work: Callable[[str], int | None] = lambda owner: None
) -> Rescued:
    """Free what lost workers hold in a queue.

    ``is_dead`` tells of an owner whether its process is known to have ended, ``at_work`` which delivery it is known to
    be at: that one it keeps, with those claimed along, though its lease has run out. The delivery that was running is
    charged its attempt, with an Attempt LOST, and is READY at once, or FAILED when that was the last; those claimed
    along with it go back as they were. A worker that can record nothing, such as one without memory, holds several
    that it ran, each of a claim of its own.
    """
    with execute(_HOLDERS, queue=queue) as cursor:
        holders = cursor.fetchall()
    lost: list[Lost] = []
    returned = 0
    for owner, expired in holders:
        dead = is_dead(owner)
        if dead or expired:
            charged, rest = _free(queue, owner, dead=dead, kept=None if dead else at_work(owner))
            lost += charged
            returned += rest
    return Rescued(lost=tuple(lost), returned=returned)


def _free(queue: str, owner: str, *, dead: bool, kept: int | None) -> tuple[list[Lost], int]:
    """Free one owner's deliveries; return those that were running, one of each claim, and the number of the others."""
    db = connection()
    held_by = _HELD_BY + ("" if kept is None else _CLAIMED_BEFORE) + _IN_ORDER
    params = {"queue": queue, "owner": owner, "dead": dead, "kept": kept}
    with transaction.atomic(using=db.alias):
        rows = _held(held_by, params)
        if dialect(db).vendor == "postgresql":
            # a row that is locked is being ended, or its receiver's transaction is: look again in a moment
            locked = _held(held_by + " FOR UPDATE SKIP LOCKED", params)
            rows = locked if len(locked) == len(rows) else []
        claims: dict[Any, list[tuple[Any, ...]]] = {}
        for row in rows:
            claims.setdefault(row[-2], []).append(row)  # what one statement took has one started_at
        lost = [_charge(first, dead=dead) for first, *_ in claims.values()]
        rest = [claimed_from(row) for _, *others in claims.values() for row in others]
        give_back(rest)
    return lost, len(rest)


def _charge(row: tuple[Any, ...], *, dead: bool) -> Lost:
    claimed = claimed_from(row)
    started_at, now = (to_datetime(connection(), value) for value in row[-2:])
    end = _loss(claimed, ran=max(0.0, (now - started_at).total_seconds()), dead=dead)
    end_badly(claimed, end)
    return Lost(claimed=claimed, end=end)


def _held(query: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with execute(query, **params) as cursor:
        return list(cursor.fetchall())


def _loss(claimed: ClaimedDelivery, *, ran: float, dead: bool) -> BadEnd:
    process = ProcessIdentity.parse(claimed.owner)
    worker = f"Worker {process.pid} on {process.host}" if process else f"Worker {claimed.owner!r}"
    return BadEnd(
        outcome=Outcome.LOST,
        state=State.FAILED if claimed.is_last_attempt else State.READY,
        ran=ran,
        error_class="WorkerDied" if dead else "LeaseExpired",
        message=f"{worker} died while it ran this delivery."
        if dead
        else f"{worker} did not renew its lease in time; it may be dead, cut off or stopped.",
    )
