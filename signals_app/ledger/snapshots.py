"""The counters' totals from time to time, kept for charts: what happened in between is the difference of two.

There is one row for each moment, whatever the number of receivers: one each minute, thinned out as it grows older.
"""

from __future__ import annotations

import json
import operator
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from django.db.models import F, Min, QuerySet, Sum

from signals_app.ledger.sql import connection, rows, short_lock_timeout, to_datetime, write
from signals_app.models import Measure, Outcome, Snapshot, State, Tally

# By hand: the ORM does not say whether it wrote a row or found one.
_KEEP = (
    "INSERT INTO signals_app_snapshot (minute, totals) VALUES (%(minute)s, %(totals)s) ON CONFLICT (minute) DO NOTHING"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time up to now, in slots of so many minutes each; slots are counted from 1970 on."""

    name: str
    minutes: int
    slots: int

    def first(self, minute: int) -> int:
        """Return the first slot of the span that ends in this minute."""
        return minute // self.minutes - self.slots + 1


# the slots of each are made of whole slots of the one before
SPANS = (
    Span(name="1h", minutes=1, slots=60),
    Span(name="24h", minutes=30, slots=48),
    Span(name="7d", minutes=180, slots=56),
)


class Totals(NamedTuple):
    """What a receiver did: deliveries by their end, and how many attempts waited and ran for how many seconds.

    It is kept as a list in JSON, so what comes later is added at its end.
    """

    succeeded: int = 0
    failed: int = 0
    waits: int = 0
    runs: int = 0
    waited: float = 0.0
    ran: float = 0.0

    @property
    def mean_wait(self) -> float:
        """Return for how many seconds an attempt waited after its due time, 0 where none did."""
        return self.waited / self.waits if self.waits else 0.0

    @property
    def mean_run(self) -> float:
        """Return how many seconds an attempt took, 0 where none ran."""
        return self.ran / self.runs if self.runs else 0.0

    def plus(self, other: Totals) -> Totals:
        return Totals(*map(operator.add, self, other))

    def since(self, before: Totals) -> Totals:
        """Return what came on top. Where a count is lower than before, counting began anew: then it is all of it."""
        more = Totals(*map(operator.sub, self, before))
        return self if min(more.succeeded, more.failed, more.waits, more.runs) < 0 else more


def read_totals() -> dict[str, Totals]:
    """Return the counters' totals by receiver, all queues together."""
    found: defaultdict[str, dict[str, float]] = defaultdict(Totals()._asdict)
    tallies = Tally.objects.using(connection().alias).filter(measure__in=Measure.values)
    sums = tallies.values_list("receiver", "measure", "detail").annotate(Sum("count"), Sum("seconds"))
    for receiver, measure, detail, count, seconds in sums:
        of = found[receiver]
        if measure == Measure.WAIT:
            of |= {"waits": count, "waited": round(seconds, 3)}
        elif measure == Measure.RUN and detail != Outcome.EXPIRED:  # which never ran
            of["runs"] += count
            of["ran"] = round(of["ran"] + seconds, 3)
            of["succeeded"] += count if detail == State.SUCCESSFUL else 0
        elif measure == Measure.FAILURE:
            of["failed"] = count
    return {receiver: Totals(**of) for receiver, of in found.items()}  # type: ignore[arg-type]  # counts are ints


def this_minute() -> int:
    """Return the number of the database's minute, counted from 1970 on: it has no time zone and no summer."""
    ((now,),) = rows("SELECT {now}")
    return int(to_datetime(now).timestamp() // 60)


def take_snapshot() -> bool:
    """Keep the totals of this minute unless any process has; False where one has.

    A chart's slot reads one snapshot, its first, so of what is too old for a chart the first of each slot is kept.
    """
    minute, kept = this_minute(), Snapshot.objects.using(connection().alias)
    if kept.filter(minute=minute).exists():
        return False
    totals = json.dumps(read_totals(), separators=(",", ":"))
    with short_lock_timeout():
        if not write(_KEEP, minute=minute, totals=totals):
            return False
        for span, longer in pairwise(SPANS):
            old = kept.filter(minute__lt=span.first(minute) * span.minutes)
            old.exclude(minute__in=_firsts(kept.all(), longer)).delete()
        kept.filter(minute__lt=longer.first(minute) * longer.minutes).delete()
    return True


def _firsts(snapshots: QuerySet[Snapshot], span: Span) -> QuerySet[Snapshot, int]:
    slots = snapshots.annotate(slot=F("minute") / span.minutes).values("slot").order_by()
    return slots.annotate(first=Min("minute")).values_list("first", flat=True)


def read_snapshots(span: Span, minute: int) -> dict[int, dict[str, Totals]]:
    """Return the first totals of each slot in a span that ends in this minute, those without any left out."""
    kept = Snapshot.objects.using(connection().alias).filter(minute__gte=span.first(minute) * span.minutes)
    found = kept.filter(minute__in=_firsts(kept, span)).order_by("minute").values_list("minute", "totals")
    return {
        at // span.minutes: {receiver: Totals(*of) for receiver, of in json.loads(totals).items()}
        for at, totals in found
    }
