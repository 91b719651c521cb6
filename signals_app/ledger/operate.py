"""What an operator does to deliveries, and what a receiver decides with ``missing="skip"``."""

from __future__ import annotations

from collections.abc import Iterable

from signals_app.ledger.claims import HELD, ClaimedDelivery
from signals_app.ledger.dialect import execute

_RETRY = (
    "UPDATE {table} SET state = 'READY', due_at = {now}, finished_at = NULL, lease_until = NULL, "
    "unroutable = %(false)s, max_attempts = attempts + %(grant)s WHERE id = %(id)s AND state IN ('FAILED', 'CANCELLED')"
)
_CANCEL = "UPDATE {table} SET state = 'CANCELLED', finished_at = {now} WHERE id = %(id)s AND state = 'READY'"
_SKIP = "UPDATE {table} SET state = 'CANCELLED', finished_at = {now}, lease_until = NULL WHERE " + HELD


def retry(ids: Iterable[int], *, attempts: int) -> list[int]:
    """Make FAILED and CANCELLED deliveries READY, each with that many more attempts; return the ids that changed."""
    return [one for one in ids if _changed(_RETRY, id=one, grant=attempts, false=False)]


def cancel(ids: Iterable[int]) -> list[int]:
    """Make READY deliveries CANCELLED; return the ids that changed."""
    return [one for one in ids if _changed(_CANCEL, id=one)]


def skip(claimed: ClaimedDelivery) -> bool:
    """Cancel a delivery that this worker holds. False when the claim is not ours any more."""
    return _changed(_SKIP, id=claimed.id, token=claimed.token)


def _changed(template: str, **params: object) -> bool:
    with execute(template, **params) as cursor:
        return bool(cursor.rowcount)
