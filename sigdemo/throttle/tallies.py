"""Counting tries: one short write for each that is let through, one read for each that is not."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from sigdemo.throttle.models import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``most`` tries of one client within any ``seconds``; ``told`` is what whoever tries on gets to read."""

    what: str
    most: int
    seconds: int
    told: str


class TooOften(Exception):
    """A client tried more often than it may; ``seconds`` is how long it should wait."""

    def __init__(self, limit: Limit, seconds: float) -> None:
        super().__init__(limit.told)
        self.seconds = max(1, round(seconds))


def count(limit: Limit, client: str) -> None:
    """Count one try. Raises TooOften, and writes nothing, where it is one too many."""
    now = timezone.now()
    tried = Tally.objects.filter(what=limit.what, client=client).values_list("tries", flat=True).first()
    if tried is None:
        Tally.objects.filter(until__lt=now).delete()
    else:
        _recent(limit, tried)
    with transaction.atomic():  # the row's lock: tries at once are counted one after another
        rows = Tally.objects.select_for_update()
        tally, _ = rows.get_or_create(what=limit.what, client=client, defaults={"until": now})
        tally.tries = [*_recent(limit, tally.tries), now.timestamp()]
        tally.until = now + timedelta(seconds=limit.seconds)
        tally.save()


def uncount(limit: Limit, client: str) -> None:
    """Take one try back, because it was right; those before it stay, or one's own account would clear them."""
    with transaction.atomic():
        tally = Tally.objects.select_for_update().filter(what=limit.what, client=client).first()
        if tally is not None:
            tally.tries = tally.tries[:-1]
            tally.save()


def _recent(limit: Limit, tries: list[float]) -> list[float]:
    """Return the tries that still count. Raises TooOften where they are as many as there may be."""
    now = timezone.now().timestamp()
    recent = [one for one in tries if one > now - limit.seconds]
    if len(recent) >= limit.most:
        raise TooOften(limit, recent[-limit.most] + limit.seconds - now)
    return recent
