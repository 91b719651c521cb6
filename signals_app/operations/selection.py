"""Which deliveries are meant: the filters of the admin's list and of the commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, F, Q, QuerySet
from django.utils import timezone

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


def running_long() -> Q:
    """Return the condition that a delivery has been running for over a minute."""
    return Q(state=State.RUNNING, started_at__lt=timezone.now() - timedelta(seconds=ledger.LONG))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries to which everything that is given applies; nothing given means all of them.

    ``error_class`` is that of the last attempt; ``attempts`` is how many were made at least; ``since`` and
    ``until`` bound the hand-off, ``until`` itself left out; ``ended`` is when they ended at the earliest; ``long`` are
    those that have been running for long; ``search`` finds what the admin's search finds.
    """

    states: tuple[State, ...] = ()
    receiver: str = ""
    signal: str = ""
    queue: str = ""
    error_class: str = ""
    attempts: int = 0
    since: datetime | None = None
    until: datetime | None = None
    ended: datetime | None = None
    search: str = ""
    unroutable: bool = False
    long: bool = False
    ids: tuple[int, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing was given."""
        return not any(getattr(self, field.name) for field in fields(self))

    def rows(self) -> QuerySet[Delivery]:
        """Return the deliveries, in no order."""
        rows = Delivery.objects.using(ledger.connection().alias).filter(*self._conditions())
        return find_deliveries(rows, self.search) if self.search else rows

    def _conditions(self) -> Iterator[Q]:
        lookups = {
            "pk__in": possible(self.ids) if self.ids else None,
            "state__in": self.states or None,
            "receiver": self.receiver or None,
            "signal": self.signal or None,
            "queue": self.queue or None,
            "attempts__gte": self.attempts or None,
            "enqueued_at__gte": self.since,
            "enqueued_at__lt": self.until,
            "finished_at__gte": self.ended,
        }
        yield Q(**{lookup: value for lookup, value in lookups.items() if value is not None})
        if self.long:
            yield running_long()
        if self.unroutable:
            yield Q(state=State.READY, unroutable=True)
        if self.error_class:
            yield last_ended_with(self.error_class)

    def newest(self) -> QuerySet[Delivery]:
        """Return the deliveries, newest first.

        Told to order by the key itself, SQLite walks the whole table along it to find the few that wait or run.
        """
        of_states = self.states and {*self.states} <= {State.READY, State.RUNNING}
        few = self.unroutable or self.long or self.ended or of_states
        return self.rows().order_by((F("pk") + 0).desc() if few else "-pk")
