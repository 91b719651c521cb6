"""Work that one worker of all does now and then, and the removal of old deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from signals_app.conf import conf, limits
from signals_app.ledger.damage import CENTURY
from signals_app.ledger.sql import connection, execute, to_datetime
from signals_app.models import Delivery, State

_TABLE = "signals_app_chore"
_IS_DUE = f"SELECT NOT (next_at > {{now}} AND next_at < {{later}}) FROM {_TABLE} WHERE name = %(name)s"
# what would be due in a hundred years was written by nobody who does chores
_MEND = f"UPDATE {_TABLE} SET next_at = {{now}} WHERE name = %(name)s AND NOT next_at < {{later}}"
_ENTER = (
    f"INSERT INTO {_TABLE} (name, next_at, owner) VALUES (%(name)s, {{later}}, %(owner)s) ON CONFLICT (name) DO NOTHING"
)
_OFFER = f"UPDATE {_TABLE} SET next_at = {{later}}, owner = '' WHERE name = %(name)s AND next_at <= {{now}}"
_BEGIN = (
    f"UPDATE {_TABLE} SET next_at = {{later}}, owner = %(owner)s "
    "WHERE name = %(name)s AND (owner IN ('', %(owner)s) OR next_at <= {now})"
)
_END = f"UPDATE {_TABLE} SET next_at = {{later}}, owner = '' WHERE name = %(name)s AND owner = %(owner)s"


def offer_chore(name: str, *, first: float, lease: float) -> bool:
    """Take note that a due chore is offered, for ``lease`` seconds; False when it is not due.

    A chore that was never heard of is due in ``first`` seconds.
    """
    with execute(_IS_DUE, name=name, delay=CENTURY) as cursor:
        row = cursor.fetchone()
    if row is None:
        _write(_ENTER, name=name, owner="", delay=first)
        return False
    if not row[0]:
        return False
    _write(_MEND, name=name, delay=CENTURY)
    return _write(_OFFER, name=name, delay=lease)


def begin_chore(name: str, *, owner: str, lease: float) -> bool:
    """Begin a chore, or go on with it, for ``lease`` seconds. False while another process is at it."""
    if _write(_BEGIN, name=name, owner=owner, delay=lease):
        return True
    return _write(_ENTER, name=name, owner=owner, delay=lease)


def end_chore(name: str, *, owner: str, again: float) -> None:
    """Say that this process is done with a chore, which is due again in so many seconds."""
    _write(_END, name=name, owner=owner, delay=again)


def _write(template: str, **params: object) -> bool:
    with execute(template, **params) as cursor:
        return bool(cursor.rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The deliveries of one state that finished before a moment: no more to be kept."""

    state: State
    before: datetime

    def rows(self) -> QuerySet[Delivery]:
        """Return them, oldest first."""
        # the index holds what has an end; a query that does not say so cannot use it
        ended = Delivery.objects.using(connection().alias).filter(state=self.state, finished_at__isnull=False)
        return ended.filter(finished_at__lt=self.before).order_by("finished_at")


def expired() -> list[Expired]:
    """Return what ``SIGNALS_APP["KEEP"]`` no longer keeps, a part for each state."""
    now = _now()
    return [Expired(state=State(state), before=now - timedelta(days=days)) for state, days in limits(conf.keep).items()]


def prune(part: Expired, *, limit: int) -> int:
    """Delete up to ``limit`` expired deliveries, the oldest, in one short transaction; return how many went.

    What is locked, because an operator is at it for example, is left for the next time.
    """
    alias = connection().alias
    with transaction.atomic(using=alias):
        rows = part.rows().select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True)[:limit])
        if ids:
            Delivery.objects.using(alias).filter(pk__in=ids).only("pk").delete()
    return len(ids)


def _now() -> datetime:
    with execute("SELECT {now}") as cursor:
        return to_datetime(connection(), cursor.fetchone()[0])
