"""Counting tries: one short write for each that is let through, one read for each that is not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from sigdemo.throttle.models import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``most`` tries of one client within ``seconds``; ``told`` is what whoever tries on gets to read."""

    what: str
    most: int
    seconds: int
    told: str

    @property
    def until(self) -> datetime:
        """The end of the stretch of time that it is now."""
        began = int(timezone.now().timestamp()) // self.seconds * self.seconds
        return datetime.fromtimestamp(began, UTC) + timedelta(seconds=self.seconds)


class TooOften(Exception):
    """A client tried more often than it may; ``seconds`` is how long it should wait."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.told)
        self.seconds = max(1, round((limit.until - timezone.now()).total_seconds()))


def count(limit: Limit, client: str) -> None:
    """Count one try. Raises TooOften, and writes nothing, where it is one too many."""
    tally = _tally(limit, client)
    counted = tally.values_list("count", flat=True).first()
    if counted is None:
        Tally.objects.filter(until__lt=timezone.now()).delete()
        Tally.objects.get_or_create(what=limit.what, client=client, until=limit.until, defaults={"count": 0})
    elif counted >= limit.most:
        raise TooOften(limit)
    if not tally.filter(count__lt=limit.most).update(count=F("count") + 1):  # another process was quicker
        raise TooOften(limit)


def uncount(limit: Limit, client: str) -> None:
    """Take one try back, because it was right; those before it stay, or one's own account would clear them."""
    _tally(limit, client).filter(count__gt=0).update(count=F("count") - 1)


def _tally(limit: Limit, client: str) -> QuerySet[Tally]:
    return Tally.objects.filter(what=limit.what, client=client, until=limit.until)
