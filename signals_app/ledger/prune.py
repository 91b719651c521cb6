"""Deleting what has been finished for long enough, with its attempts.

By the ORM, so that whatever a project has tied to deliveries goes the way that it declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from signals_app.conf import conf
from signals_app.ledger.dialect import connection, execute, to_datetime
from signals_app.models import Delivery, State
from signals_app.retention import Keep, limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The deliveries of one state that finished before a moment: no more to be kept."""

    state: State
    before: datetime

    def rows(self) -> QuerySet[Delivery]:
        """Return them, oldest first."""
        return _finished(self.state).filter(finished_at__lt=self.before).order_by("finished_at")


def expired() -> list[Expired]:
    """Return what ``SIGNALS_APP["KEEP"]`` no longer keeps, a part for each state.

    Deliveries that finished at the very moment of the last one to be kept stay with it.
    """
    now = _now()
    found = [(State(state), _before(State(state), keep, now)) for state, keep in limits(conf.keep).items()]
    return [Expired(state=state, before=before) for state, before in found if before]


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


def _before(state: State, keep: Keep, now: datetime) -> datetime | None:
    moments = [] if keep.days is None else [now - timedelta(days=keep.days)]
    if keep.number == 0:
        moments.append(now)
    elif keep.number is not None:
        newest = _finished(state).order_by("-finished_at").values_list("finished_at", flat=True)
        moments += [moment for moment in newest[keep.number - 1 : keep.number] if moment]
    return max(moments, default=None)


def _finished(state: State) -> QuerySet[Delivery]:
    # the index holds what has an end; a query that does not say so cannot use it
    return Delivery.objects.using(connection().alias).filter(state=state, finished_at__isnull=False)


def _now() -> datetime:
    with execute("SELECT {now}") as cursor:
        return to_datetime(connection(), cursor.fetchone()[0])
