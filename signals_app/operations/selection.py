"""Which deliveries are meant: the filters of the admin's list and of the commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import BigIntegerField, F, Q, QuerySet

from signals_app import ledger
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.operations.search import find_deliveries


def possible(ids: Iterable[int]) -> list[int]:
    """Return those numbers that a delivery can have; SQLite cannot even be asked for a larger one."""
    return [one for one in ids if 0 < one <= BigIntegerField.MAX_BIGINT]


def last_ended_with(error_class: str) -> Q:
    """Return the condition that a delivery's last attempt ended with that error; one that runs has not ended."""
    last = Attempt.objects.filter(error_class=error_class, number=F("delivery__attempts"))
    # not a join: what a rescue and a late report both wrote down is there once
    return Q(pk__in=last.exclude(outcome=Outcome.STALE).values("delivery_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries to which everything that is given applies; nothing given means all of them.

    ``error_class`` is that of the last attempt; ``attempts`` is how many were made at least; ``since`` and
    ``until`` bound the hand-off, ``until`` itself left out; ``search`` finds what the admin's search finds.
    """

    states: tuple[State, ...] = ()
    receiver: str = ""
    signal: str = ""
    queue: str = ""
    error_class: str = ""
    attempts: int = 0
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""
    unroutable: bool = False
    ids: tuple[int, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing was given."""
        return not any(getattr(self, field.name) for field in fields(self))

    def rows(self) -> QuerySet[Delivery]:
        """Return the deliveries, in no order."""
        rows = Delivery.objects.using(ledger.connection().alias).all()
        if self.ids:
            rows = rows.filter(pk__in=possible(self.ids))
        if self.states:
            rows = rows.filter(state__in=self.states)
        for name in ("receiver", "signal", "queue"):
            if value := getattr(self, name):
                rows = rows.filter(**{name: value})
        if self.attempts:
            rows = rows.filter(attempts__gte=self.attempts)
        if self.since:
            rows = rows.filter(enqueued_at__gte=self.since)
        if self.until:
            rows = rows.filter(enqueued_at__lt=self.until)
        if self.unroutable:
            rows = rows.filter(state=State.READY, unroutable=True)
        if self.error_class:
            rows = rows.filter(last_ended_with(self.error_class))
        return find_deliveries(rows, self.search) if self.search else rows

    def newest(self) -> QuerySet[Delivery]:
        """Return the deliveries, newest first.

        Told to order by the key itself, SQLite walks the whole table along it to find the few that wait or run.
        """
        few = self.unroutable or (self.states and {*self.states} <= {State.READY, State.RUNNING})
        return self.rows().order_by((F("pk") + 0).desc() if few else "-pk")
