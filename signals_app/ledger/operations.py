"""What operators change in deliveries: retry, cancel, move, run now, reassign. See ``pauses`` for pause and resume.

Each changes those in the right state, and returns their ids; all but cancel() by one statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from signals_app.ledger.damage import END, MOST, readable
from signals_app.ledger.endings import follow
from signals_app.ledger.sql import connection, rows, write

_RETRY = (
    "UPDATE {table} SET state = 'READY', due_at = {now}, finished_at = NULL, lease_until = NULL, "
    "unroutable = %(false)s, "
    f"max_attempts = CASE WHEN attempts < {MOST} THEN attempts + %(grant)s ELSE {END} END "
    "WHERE id {among_ids} AND state IN ('FAILED', 'CANCELLED') RETURNING id"
)
# The rows are locked first: none may go from one of the two states to the other in between. What a row holds is not
# believed, so that one which is damaged keeps no other from being cancelled.
_RECORD_CANCELLED = (
    "WITH held AS (SELECT * FROM {table} WHERE id {among_ids} ORDER BY id {for_update}) "
    "INSERT INTO signals_app_attempt "
    "(delivery_id, number, owner, started_at, finished_at, outcome, error_class, message, traceback) "
    f"SELECT id, CASE WHEN attempts BETWEEN 0 AND {END} THEN attempts ELSE 0 END, owner, {readable('started_at')}, "
    "{now}, 'CANCELLED', '', 'An operator cancelled it while it ran.', '' FROM held WHERE state = 'RUNNING'"
)
# by the token the worker of one that runs can record nothing of it any more
_CANCEL = (
    "UPDATE {table} SET state = 'CANCELLED', finished_at = {now}, parked = FALSE, behind = FALSE, lease_until = NULL, "
    f"token = CASE WHEN token < {END} THEN token + 1 ELSE {END} END "
    "WHERE id {among_ids} AND state IN ('READY', 'RUNNING') RETURNING id"
)
_MOVE = (
    "UPDATE {table} SET queue = %(queue)s, parked = FALSE, behind = FALSE "
    "WHERE id {among_ids} AND state = 'READY' AND queue <> %(queue)s RETURNING id"
)
_RUN_NOW = "UPDATE {table} SET due_at = {now} WHERE id {among_ids} AND state = 'READY' AND due_at > {now} RETURNING id"
_REASSIGN = (
    "UPDATE {table} SET receiver = %(receiver)s, unroutable = %(false)s, parked = FALSE, behind = FALSE, "
    "due_at = {now} WHERE id {among_ids} AND state = 'READY' AND unroutable RETURNING id"
)


def retry(ids: Iterable[int], *, attempts: int) -> list[int]:
    """Make FAILED and CANCELLED deliveries READY and due now, each with that many more attempts."""
    return _changed(_RETRY, ids, grant=min(attempts, MOST), false=False)


def cancel(ids: Iterable[int]) -> list[int]:
    """Make READY and RUNNING deliveries CANCELLED; of one that runs an Attempt is kept, and its worker stops it."""
    given = list(ids)
    with transaction.atomic(using=connection().alias):
        write(_RECORD_CANCELLED, ids=given)
        changed = _changed(_CANCEL, given)
        follow(changed)
        return changed


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
