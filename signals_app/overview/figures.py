"""Everything that the overview shows, of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signals_app import ledger
from signals_app.ledger import Figures
from signals_app.overview.banners import Banner, banners
from signals_app.overview.failures import FailureGroup, failure_groups
from signals_app.overview.fleet import Cluster, fleet
from signals_app.overview.hour import Minute, last_hour
from signals_app.overview.runs import LastHour, runs_of_last_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The page's content."""

    figures: Figures
    clusters: Sequence[Cluster]
    hour: Sequence[Minute]
    runs: LastHour
    failures: Sequence[FailureGroup]
    banners: Sequence[Banner]


def overview() -> Overview:
    """Read it; the number of queries depends on nothing."""
    figures, clusters = ledger.figures(), fleet()
    hour = last_hour(figures.ended)
    return Overview(
        figures=figures,
        clusters=clusters,
        hour=hour,
        runs=runs_of_last_hour(),
        failures=failure_groups(),
        banners=banners(figures, clusters, hour),
    )
