"""What operators change: cancel, retry, run now, move, reassign, pause and resume."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils import timezone

from signals_app.ledger.damage import END, MOST
from signals_app.ledger.sql import BANDS, PAUSED_RECEIVERS, RECEIVER_RUNS, connection, distinct, rows, write
from signals_app.models import Delivery, Pause, PauseKind, State

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


PARK_AT_ONCE = 1_000  # deliveries at the head of a band that one look reads, or brings back

_ANY_RECEIVER = PAUSED_RECEIVERS + " LIMIT 1"
_WAITING_BANDS = BANDS + " SELECT priority FROM band WHERE priority IS NOT NULL"

# Never waits for a lock: whoever claims, cancels or moves a row meanwhile comes first. What is not paused is not
# locked, for a claim would pass over it.
_HEAD = (
    "SELECT id, receiver FROM {table} WHERE queue = %(queue)s AND state = 'READY' AND parked = FALSE "
    "AND priority = %(priority)s AND due_at <= {now} ORDER BY due_at, id LIMIT %(limit)s"
)
_PARK = (
    "UPDATE {table} SET parked = TRUE WHERE id {among}SELECT id FROM {table} WHERE state = 'READY' AND id {among}"
    f"SELECT id FROM ({_HEAD}) head WHERE receiver IN ({PAUSED_RECEIVERS}){{those}} {{skip_locked}}{{those}}"
)

_PARKED = "parked AND parked = {yes}"
_PARKED_IN_VAIN = (
    distinct("receiver", _PARKED) + f" SELECT receiver FROM lot WHERE receiver IS NOT NULL AND {RECEIVER_RUNS}"
)
_BRING_BACK = (
    f"UPDATE {{table}} SET parked = FALSE WHERE id {{among}}SELECT id FROM {{table}} WHERE {_PARKED} "
    f"AND receiver = %(receiver)s ORDER BY id LIMIT %(limit)s {{skip_locked}}{{those}}"
)


def pause(kind: PauseKind, name: str, *, by: str = "") -> bool:
    """Let nobody claim from a queue, or a receiver's deliveries. False when it is paused already.

    What is claimed already runs to its end.
    """
    defaults = {"since": timezone.now(), "by": by[:150]}  # a user's name may be an address of 254 characters
    return _all().get_or_create(kind=kind, name=name, defaults=defaults)[1]


def resume(kind: PauseKind, name: str) -> bool:
    """End a pause. False when there was none.

    The first of a receiver's parked deliveries come back at once, the others by the pushers' next looks.
    """
    ended = bool(_all().filter(kind=kind, name=name).delete()[0])
    _bring_back(PARK_AT_ONCE)
    return ended


def pauses() -> list[Pause]:
    """Return every pause, the oldest first."""
    return list(_all().order_by("since", "pk"))


def is_paused(kind: PauseKind, name: str) -> bool:
    """Tell whether a queue or a receiver is paused."""
    return _all().filter(kind=kind, name=name).exists()


def awaits(receiver: str) -> bool:
    """Tell whether a delivery waits for a receiver, known or not."""
    return Delivery.objects.using(connection().alias).filter(state=State.READY, receiver=receiver).exists()


def park(queue: str, *, limit: int = PARK_AT_ONCE) -> int:
    """Set aside what is paused at the head of a queue, and bring back what is no more; return how many rows changed.

    Reads ``limit`` rows of each band of priority. Many rows mean that there is more to do.
    """
    changed = 0
    if rows(_ANY_RECEIVER):
        for (priority,) in rows(_WAITING_BANDS, queue=queue):
            changed += write(_PARK, queue=queue, priority=priority, limit=limit)
    return changed + _bring_back(limit)


def _bring_back(limit: int) -> int:
    return sum(write(_BRING_BACK, receiver=receiver, limit=limit) for (receiver,) in rows(_PARKED_IN_VAIN))


def _all() -> QuerySet[Pause]:
    return Pause.objects.using(connection().alias)
