"""How long deliveries waited and ran, and how people read a duration."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from signals_app.models import Delivery, State

NONE = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"


def has_run(delivery: Delivery) -> bool:
    """Tell whether ``started_at`` and ``due_at`` are of one attempt: the one that runs or came last.

    A retry, by backoff or by hand, moves ``due_at`` past the start of the attempt before it.
    """
    if delivery.started_at is None or delivery.state == State.READY:
        return False
    return delivery.due_at <= delivery.started_at


def waited(delivery: Delivery, now: datetime) -> timedelta | None:
    """Return how long the latest attempt waited once it was due, or how long a due delivery has been waiting.

    None where neither is known: not due yet, or cancelled before it ran.
    """
    if delivery.state == State.READY:
        return now - delivery.due_at if delivery.due_at <= now else None
    if delivery.started_at is None or not has_run(delivery):
        return None
    return delivery.started_at - delivery.due_at


def ran(delivery: Delivery, now: datetime) -> timedelta | None:
    """Return how long the latest attempt took, or has been running; None where none runs or ended it."""
    if delivery.started_at is None or not has_run(delivery):
        return None
    end = now if delivery.state == State.RUNNING else delivery.finished_at
    return None if end is None else max(end - delivery.started_at, timedelta())


def written(duration: timedelta | None) -> str:
    """Write a duration in at most two units: ``4.2 ms``, ``1.35 s``, ``2 min 5 s``, ``3 h 12 min``, ``4 d 3 h``."""
    if duration is None:
        return NONE
    seconds = duration.total_seconds()
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f}{_SPACE}ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{_SPACE}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}{_SPACE}s"
    whole = round(seconds)
    for size, unit, part, part_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size}{_SPACE}{unit} {whole % size // part}{_SPACE}{part_unit}"
    return f"{whole}{_SPACE}s"


def until(value: datetime, now: datetime) -> str:
    """Say how far a moment lies ahead or back: ``in 12.00 s``, ``3 min 2 s ago``."""
    if value > now:
        return _("in %(duration)s") % {"duration": written(value - now)}
    return _("%(duration)s ago") % {"duration": written(now - value)}
