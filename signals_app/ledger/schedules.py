"""When each schedule ticks next. ``dispatcher/schedules.py`` says what a tick is."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from signals_app.ledger.sql import connection
from signals_app.models import Schedule


def enter_schedule(key: str, definition: str, *, first: datetime) -> None:
    """Put a schedule on the record, or its new definition; its first tick is at that time."""
    one, is_new = _all().get_or_create(key=key, defaults={"definition": definition, "next_at": first})
    if not is_new and one.definition != definition:
        _all().filter(pk=key, definition=one.definition).update(definition=definition, next_at=first)


def due_schedules(now: datetime) -> list[tuple[str, datetime]]:
    """Return the schedules whose next tick is due: key, and when it was."""
    return list(_all().filter(next_at__lte=now).order_by("next_at").values_list("key", "next_at"))


def move_schedule(key: str, *, since: datetime, to: datetime) -> bool:
    """Move a schedule on from one tick to another. False where somebody else has."""
    return bool(_all().filter(pk=key, next_at=since).update(next_at=to, last_at=since))


def schedules_on_record() -> list[Schedule]:
    """Return them all, by key."""
    return list(_all().order_by("key"))


def _all() -> QuerySet[Schedule]:
    return Schedule.objects.using(connection().alias)
