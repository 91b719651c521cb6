"""What operators change in deliveries: retry, cancel, move, run now, reassign. See ``pauses`` for pause and resume.

Each is one statement that changes those in the right state, and returns their ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from signals_app.ledger.damage import END, MOST
from signals_app.ledger.sql import rows

_RETRY = (
    "UPDATE {table} SET state = 'READY', due_at = {now}, finished_at = NULL, lease_until = NULL, "
    "unroutable = %(false)s, "
    f"max_attempts = CASE WHEN attempts < {MOST} THEN attempts + %(grant)s ELSE {END} END "
    "WHERE id {among_ids} AND state IN ('FAILED', 'CANCELLED') RETURNING id"
)
_CANCEL = (
    "UPDATE {table} SET state = 'CANCELLED', finished_at = {now}, parked = FALSE "
    "WHERE id {among_ids} AND state = 'READY' RETURNING id"
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
    """Make READY deliveries CANCELLED."""
    return _changed(_CANCEL, ids)


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
