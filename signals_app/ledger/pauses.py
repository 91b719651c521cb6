"""Pause and resume, and parking: moving the deliveries of a paused receiver out of the way of claims.

Claims and looks for what is due read ``Pause`` themselves; that a delivery is parked only makes them cheaper. Pushers
park once a second, and end the pauses that have an end (``cluster/broker.py``).
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from signals_app.ledger.sql import BANDS, PAUSED_RECEIVERS, RECEIVER_RUNS, WAITING, connection, distinct, rows, write
from signals_app.models import Pause, PauseKind

PARK_AT_ONCE = 1_000  # deliveries at the head of a band that one look reads, or brings back

_OVER = "SELECT kind, name FROM signals_app_pause WHERE until <= {now}"
_END = "DELETE FROM signals_app_pause WHERE kind = %(kind)s AND name = %(name)s AND until <= {now}"
_ANY_RECEIVER = PAUSED_RECEIVERS + " LIMIT 1"
_WAITING_BANDS = BANDS + " SELECT priority FROM band WHERE priority IS NOT NULL"

# Never waits for a lock: whoever claims, cancels or moves a row meanwhile comes first. What is not paused is not
# locked, for a claim would skip it.
_HEAD = (
    "SELECT id, receiver FROM {table} WHERE queue = %(queue)s AND state = 'READY' AND parked = FALSE "
    "AND priority = %(priority)s AND due_at <= {now} ORDER BY due_at, id LIMIT %(limit)s"
)
_PARK = (
    f"UPDATE {{table}} SET parked = TRUE WHERE id {{among}}SELECT id FROM {{table}} WHERE {WAITING} AND id {{among}}"
    f"SELECT id FROM ({_HEAD}) head WHERE receiver IN ({PAUSED_RECEIVERS}){{those}} {{skip_locked}}{{those}}"
)

_PARKED = "parked AND parked = {yes} AND NOT behind AND behind = {no}"
_ANY = (
    f"SELECT EXISTS (SELECT 1 FROM signals_app_pause) OR EXISTS (SELECT 1 FROM {{table}} WHERE {_PARKED}), "
    "EXISTS (SELECT 1 FROM {table} WHERE state = 'READY' AND behind AND behind = {yes})"
)
_PARKED_IN_VAIN = (
    distinct("receiver", _PARKED) + f" SELECT receiver FROM lot WHERE receiver IS NOT NULL AND {RECEIVER_RUNS}"
)
_BRING_BACK = (
    f"UPDATE {{table}} SET parked = FALSE WHERE id {{among}}SELECT id FROM {{table}} WHERE {_PARKED} "
    f"AND receiver = %(receiver)s ORDER BY id LIMIT %(limit)s {{skip_locked}}{{those}}"
)


def pause(kind: PauseKind, name: str, *, by: str = "", reason: str = "", until: datetime | None = None) -> bool:
    """Let nobody claim from a queue, or a receiver's deliveries, perhaps for a while. What is claimed runs to its end.

    False when it is already paused; but a reason or an end replaces those that the pause had.
    """
    said = {"by": by[:150], "reason": reason, "until": until}  # a user's name may be an address of 254 characters
    one, is_new = _all().get_or_create(kind=kind, name=name, defaults={"since": timezone.now(), **said})
    if is_new or not (reason or until) or (one.reason, one.until) == (reason, until):
        return is_new
    return bool(_all().filter(pk=one.pk).update(**said))


def resume(kind: PauseKind, name: str) -> bool:
    """End a pause. False when there was none.

    The first of a receiver's parked deliveries come back at once, the others by the pushers' next looks.
    """
    ended = bool(_all().filter(kind=kind, name=name).delete()[0])
    _bring_back(PARK_AT_ONCE)
    return ended


def end_pauses() -> list[str]:
    """Resume what was paused until now or earlier, by the database's clock, and return what that was."""
    ended = [named for named in rows(_OVER) if write(_END, kind=named[0], name=named[1])]
    if ended:
        _bring_back(PARK_AT_ONCE)
    return [f"{PauseKind(kind).label} {name}" for kind, name in ended]


def pauses() -> list[Pause]:
    """Return every pause, the oldest first."""
    return list(_all().order_by("since", "pk"))


def is_anything_aside() -> tuple[bool, bool]:
    """Tell whether there is a pause, or anything parked that could come back, and whether anything is behind."""
    ((paused, behind),) = rows(_ANY)
    return bool(paused), bool(behind)


def is_paused(kind: PauseKind, name: str) -> bool:
    return _all().filter(kind=kind, name=name).exists()


def park(queue: str, *, limit: int = PARK_AT_ONCE) -> int:
    """Park what is paused at the head of a queue, bring back what no longer is, and return how many rows changed.

    Reads ``limit`` rows of each band of priority. If many rows changed, there is more to do.
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
