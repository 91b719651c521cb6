"""Work that one process of all clusters does at a time, and the one such task: pruning old deliveries.

A pusher offers a task that is due (``cluster/broker.py``), a worker begins and ends it (``worker/pruning.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from signals_app.conf import conf, limits
from signals_app.ledger.damage import CENTURY
from signals_app.ledger.sql import connection, now, rows, write
from signals_app.models import Batch, Delivery, State

_TABLE = "signals_app_maintenancetask"
_IS_DUE = f"SELECT NOT (next_at > {{now}} AND next_at < {{later}}) FROM {_TABLE} WHERE name = %(name)s"
# no worker wrote what would be due in a hundred years
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


def offer_maintenance(name: str, *, first: float, lease: float) -> bool:
    """Note that a task is offered to a worker, for ``lease`` seconds; False when it is not due.

    A task that nobody has ever offered is due in ``first`` seconds.
    """
    known = rows(_IS_DUE, name=name, delay=CENTURY)
    if not known:
        write(_ENTER, name=name, owner="", delay=first)
    if not any(is_due for (is_due,) in known):
        return False
    write(_MEND, name=name, delay=CENTURY)
    return bool(write(_OFFER, name=name, delay=lease))


def begin_maintenance(name: str, *, owner: str, lease: float) -> bool:
    """Begin a task, or go on with it, for ``lease`` seconds. False while another process is at it."""
    task = {"name": name, "owner": owner, "delay": lease}
    return bool(write(_BEGIN, **task) or write(_ENTER, **task))


def end_maintenance(name: str, *, owner: str, again: float) -> None:
    """End this process's turn at a task, which is due again in so many seconds."""
    write(_END, name=name, owner=owner, delay=again)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The deliveries of one state that finished before a moment and are no longer kept."""

    state: State
    before: datetime

    def rows(self) -> QuerySet[Delivery]:
        """Return them, oldest first, but for those of a batch that is not settled: they are still to be counted."""
        # the index is of what has an end; a query that does not say so cannot use it
        ended = Delivery.objects.using(connection().alias).filter(state=self.state, finished_at__isnull=False)
        unsettled = Batch.objects.filter(pk=OuterRef("batch"), settled_at=None)
        is_counted = Q(batch=None) | ~Exists(unsettled)
        return ended.filter(is_counted, finished_at__lt=self.before).order_by("finished_at")


def expired() -> list[Expired]:
    """Return what ``SIGNALS_APP["KEEP"]`` no longer keeps, a part for each state."""
    moment = now()
    return [
        Expired(state=State(state), before=moment - timedelta(days=days)) for state, days in limits(conf.keep).items()
    ]


def prune(part: Expired, *, limit: int) -> int:
    """Delete up to ``limit`` expired deliveries, the oldest, in one short transaction; return how many went.

    What is locked, for example by an operator, is left for the next time.
    """
    alias = connection().alias
    with transaction.atomic(using=alias):
        free = part.rows().select_for_update(skip_locked=True)
        ids = list(free.values_list("pk", flat=True)[:limit])
        if ids:
            Delivery.objects.using(alias).filter(pk__in=ids).only("pk").delete()
    return len(ids)
