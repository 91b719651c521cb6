"""Percentiles of a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """The 50th and 95th percentile of some durations, by the nearest rank; None where there were none."""

    p50: timedelta | None = None
    p95: timedelta | None = None


def percentiles(seconds: Iterable[float | None]) -> Percentiles:
    """Return those of the values that are known."""
    known = sorted(value for value in seconds if value is not None)
    if not known:
        return Percentiles()
    p50, p95 = (timedelta(seconds=known[max(0, -(-len(known) * percent // 100) - 1)]) for percent in (50, 95))
    return Percentiles(p50=p50, p95=p95)
