"""What other visitors noticed: latencies of a trivial page, as the visitor's browser measured them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from django.core.exceptions import ValidationError

MOST = 2_400  # samples of one lane
LONGEST = 120_000.0  # milliseconds
ENOUGH = 50  # samples without which a percentile says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Pings of one stretch of time, in milliseconds. Too few have no percentiles, only their ends."""

    label: str
    samples: Sequence[float]
    idle: Sequence[float] = ()

    @property
    def p50(self) -> float | None:
        """Half of them were quicker."""
        return percentile(self.samples, 50)

    @property
    def p95(self) -> float | None:
        """One in twenty was slower."""
        return percentile(self.samples, 95)

    @property
    def factor(self) -> float | None:
        return factor(self.samples, self.idle)

    @property
    def quickest(self) -> float | None:
        return min(self.samples, default=None)

    @property
    def slowest(self) -> float | None:
        return max(self.samples, default=None)

    @property
    def points(self) -> str:
        """The samples for the page's script."""
        return ",".join(f"{sample:.1f}" for sample in self.samples)


def percentile(samples: Sequence[float], percent: int) -> float | None:
    """Return the smallest sample that ``percent`` of them do not exceed; None where they are too few to say."""
    if len(samples) < ENOUGH:
        return None
    return sorted(samples)[max(0, ceil(len(samples) * percent / 100) - 1)]


def factor(samples: Sequence[float], idle: Sequence[float]) -> float | None:
    """Return how many times slower the p95 is than the idle one; None where either has too few samples."""
    slow, usual = percentile(samples, 95), percentile(idle, 95)
    return slow / usual if slow is not None and usual else None


def read_samples(body: bytes) -> list[float]:
    """Return the samples of a JSON list. Raises ValidationError for anything that is none, or too long."""
    try:
        samples = json.loads(body)
    except (ValueError, RecursionError):
        raise ValidationError("The pings are not JSON.") from None
    if not isinstance(samples, list) or len(samples) > MOST:
        raise ValidationError(f"The pings are not a list of at most {MOST} numbers.")
    if not all(_is_latency(sample) for sample in samples):
        raise ValidationError(f"A ping is not a number of milliseconds from 0 to {LONGEST:.0f}.")
    return [round(float(sample), 2) for sample in samples]


def _is_latency(sample: object) -> bool:
    if not isinstance(sample, int | float) or isinstance(sample, bool):
        return False
    return 0 <= sample <= LONGEST  # false for NaN, and no whole number is too long to compare
