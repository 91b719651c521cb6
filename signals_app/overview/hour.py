"""The last sixty minutes: how many deliveries ended in each, by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from signals_app.ledger import Ended
from signals_app.models import State

MINUTES = 60
SHOWN = (State.SUCCESSFUL, State.FAILED, State.CANCELLED)  # from the ground up


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute, by when it began."""

    start: datetime
    successful: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All that ended in it."""
        return self.successful + self.failed + self.cancelled


def last_hour(ended: Iterable[Ended]) -> list[Minute]:
    """Return the last sixty minutes, the oldest first, those without a delivery included."""
    counts: Counter[tuple[datetime, State]] = Counter()
    for one in ended:
        counts[one.minute, one.state] += one.count
    now = timezone.localtime() if timezone.is_aware(timezone.now()) else timezone.now()
    this = now.replace(second=0, microsecond=0)
    starts = [this - timedelta(minutes=back) for back in reversed(range(MINUTES))]
    return [Minute(start=start, **{state.lower(): counts[start, state] for state in SHOWN}) for start in starts]
