"""Numbers of a run: how much is measured, and what many measurements come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. Times are in seconds."""

    rounds: dict[str, int]  # by how connections are treated: how often each cluster is started and measured
    slow_rounds: dict[str, int]  # the same for django-q2 with its defaults, which is far off any target
    blocks: int  # of sends, for each contender, in turn
    block: int  # sends in a block
    queue: int  # waiting when a cluster starts
    window: float  # a slower contender's rate is taken from this long
    asks: int  # sends to an idle cluster, in each round
    few: int  # waiting deliveries
    many: int
    finished: int  # in the table besides
    claims: int  # of each case
    many_sends: int  # single ones, and as many in bulk(), in each turn
    lanes: int  # and as many deliveries


FULL = Scale(
    rounds={"reopened": 3, "kept": 3},
    slow_rounds={"reopened": 1, "kept": 0},
    blocks=10,
    block=40,
    queue=5_000,
    window=3.0,
    asks=25,
    few=1_000,
    many=100_000,
    finished=1_000_000,
    claims=200,
    many_sends=2_000,
    lanes=10_000,
)
QUICK = Scale(
    rounds={"kept": 1},
    slow_rounds={"kept": 0},
    blocks=2,
    block=10,
    queue=200,
    window=0.5,
    asks=3,
    few=50,
    many=500,
    finished=2_000,
    claims=10,
    many_sends=100,
    lanes=200,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Many measurements of one thing, in milliseconds; of none, where ``count`` is 0."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Sum up measurements in seconds, two of them at least."""
        p95 = quantiles(seconds, n=20, method="inclusive")[-1]
        return cls(count=len(seconds), p50=median(seconds) * 1000, p95=p95 * 1000)


NOTHING = Spread()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A ratio or a figure that is to be reached, and what the run measured; without a limit, for comparison only."""

    what: str
    setup: str
    measured: float
    limit: float | None
    unit: str  # "times" or a unit
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the run reached it; None where nothing was to be reached."""
        if self.limit is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit
