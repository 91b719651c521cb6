"""When each schedule ticks next. ``dispatcher/schedules.py`` says what a tick is."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from signals_app.ledger.sql import connection
from signals_app.models import Schedule

UNCONFIRMED = timedelta(minutes=1)  # after which a definition is taken for that of code that is gone


def enter_schedule(key: str, definition: str, *, first: datetime, now: datetime, replaces: bool) -> None:
    """Put a schedule on the record, with its first tick, or confirm its definition there.

    Another definition is replaced where the caller says so, and where nobody has confirmed it for a while.
    """
    new = {"definition": definition, "next_at": first, "confirmed_at": now}
    one, is_new = _all().get_or_create(key=key, defaults=new)
    if is_new:
        return
    if one.definition == definition:
        _all().filter(pk=key, definition=definition).update(confirmed_at=now)
    elif replaces or one.confirmed_at is None or abs(now - one.confirmed_at) > UNCONFIRMED:
        # not where somebody else has: the first tick of a moment ago may have been sent
        _all().filter(pk=key, definition=one.definition).update(**new)


def due_schedules(now: datetime) -> list[tuple[str, datetime]]:
    """Return the schedules whose next tick is due: key, and when it was."""
    return list(_all().filter(next_at__lte=now).order_by("next_at").values_list("key", "next_at"))


def move_schedule(key: str, definition: str, *, since: datetime, to: datetime) -> bool:
    """Move a schedule on from one tick to another. False where somebody else has, or has another definition."""
    own = _all().filter(pk=key, definition=definition, next_at=since)
    return bool(own.update(next_at=to, last_at=since))


def schedules_on_record() -> list[Schedule]:
    """Return them all, by key."""
    return list(_all().order_by("key"))


def _all() -> QuerySet[Schedule]:
    return Schedule.objects.using(connection().alias)
