"""What operators change in deliveries: retry, cancel, move, run now, reassign. See ``pauses`` for pause and resume.

Each changes those in the right state, and returns their ids; all but cancel() by one statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from signals_app.ledger.damage import END, MOST, readable
from signals_app.ledger.sql import connection, rows, to_datetime
from signals_app.models import Attempt, Outcome

_RETRY = (
    "UPDATE {table} SET state = 'READY', due_at = {now}, finished_at = NULL, lease_until = NULL, "
    "unroutable = %(false)s, "
    f"max_attempts = CASE WHEN attempts < {MOST} THEN attempts + %(grant)s ELSE {END} END "
    "WHERE id {among_ids} AND state IN ('FAILED', 'CANCELLED') RETURNING id"
)
_CANCEL = "UPDATE {table} SET state = 'CANCELLED', finished_at = {now}, parked = FALSE WHERE id {among_ids} "
_CANCEL_READY = _CANCEL + "AND state = 'READY' RETURNING id"
# the attempt is told as cancelled; by the token its worker can record nothing of it any more
_CANCEL_RUNNING = (
    _CANCEL.replace(
        "parked = FALSE", f"lease_until = NULL, token = CASE WHEN token < {END} THEN token + 1 ELSE {END} END"
    )
    + f"AND state = 'RUNNING' RETURNING id, attempts, owner, {readable('started_at')}, {{now}}"
)
_MOVE = (
    "UPDATE {table} SET queue = %(queue)s, parked = FALSE "
    "WHERE id {among_ids} AND state = 'READY' AND queue <> %(queue)s RETURNING id"
)
_RUN_NOW = "UPDATE {table} SET due_at = {now} WHERE id {among_ids} AND state = 'READY' AND due_at > {now} RETURNING id"
_REASSIGN = (
    "UPDATE {table} SET receiver = %(receiver)s, unroutable = %(false)s, parked = FALSE, due_at = {now} "
    "WHERE id {among_ids} AND state = 'READY' AND unroutable RETURNING id"
)


def retry(ids: Iterable[int], *, attempts: int) -> list[int]:
    """Make FAILED and CANCELLED deliveries READY and due now, each with that many more attempts."""
    return _changed(_RETRY, ids, grant=min(attempts, MOST), false=False)


def cancel(ids: Iterable[int]) -> list[int]:
    """Make READY and RUNNING deliveries CANCELLED; of one that runs an Attempt is kept, and its worker stops it."""
    given = list(ids)
    with transaction.atomic(using=connection().alias):
        ready = _changed(_CANCEL_READY, given)
        running = rows(_CANCEL_RUNNING, ids=given)
        Attempt.objects.using(connection().alias).bulk_create(
            Attempt(
                delivery_id=one,
                number=number,
                owner=owner,
                started_at=started_at and to_datetime(started_at),
                finished_at=to_datetime(now),
                outcome=Outcome.CANCELLED,
                message="An operator cancelled it while it ran.",
            )
            for one, number, owner, started_at, now in running
        )
    return sorted([*ready, *(row[0] for row in running)])


def move(ids: Iterable[int], *, queue: str) -> list[int]:
    """Put READY deliveries of other queues into a queue, where they keep their due time."""
    return _changed(_MOVE, ids, queue=queue)


def run_now(ids: Iterable[int]) -> list[int]:
    """Make READY deliveries that wait for later due now."""
    return _changed(_RUN_NOW, ids)


def reassign(ids: Iterable[int], *, receiver: str) -> list[int]:
    """Give READY deliveries that are unroutable another receiver, by its key, and make them due now."""
    return _changed(_REASSIGN, ids, receiver=receiver, false=False)


def _changed(template: str, ids: Iterable[int], **params: object) -> list[int]:
    return sorted(one for (one,) in rows(template, ids=list(ids), **params))
