"""Metrics of what has happened, read from what workers have counted."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from signals_app import ledger
from signals_app.ledger import Count, TallyKey
from signals_app.models import Measure, Outcome, State
from signals_app.monitoring.gauges import WHO, Who
from signals_app.tallies import BOUNDS

OUTCOMES = (State.SUCCESSFUL.value, *Outcome.values)

Tallies = Mapping[TallyKey, Count]


def of_attempts(known: set[Who]) -> Iterator[Metric]:
    """Yield counters and histograms; a known receiver has each outcome, so that a rate sees the first one."""
    tallies = ledger.read_tallies()
    yield _attempts(tallies, known)
    yield _failures(tallies, known)
    yield _losses(tallies)
    yield _histogram("signals_app_wait_seconds", "From due to the start of an attempt.", tallies, Measure.WAIT)
    yield _histogram("signals_app_run_seconds", "How long an attempt took.", tallies, Measure.RUN)


def _attempts(tallies: Tallies, known: set[Who]) -> Metric:
    family = CounterMetricFamily("signals_app_attempts", "Attempts, by how they ended.", labels=("outcome", *WHO))
    counts = Counter({(outcome, *who): 0 for who in known for outcome in OUTCOMES})
    for key, one in tallies.items():
        if key.measure in (Measure.RUN, Measure.LOSS):
            outcome = Outcome.LOST.value if key.measure == Measure.LOSS else key.detail
            counts[outcome, key.queue, key.receiver] += one.count
    for labels, count in sorted(counts.items()):
        family.add_metric(labels, count)
    return family


def _failures(tallies: Tallies, known: set[Who]) -> Metric:
    family = CounterMetricFamily("signals_app_failures", "Deliveries that became FAILED.", labels=WHO)
    counts = Counter(dict.fromkeys(known, 0))
    for key, one in tallies.items():
        if key.measure == Measure.FAILURE:
            counts[key.queue, key.receiver] += one.count
    for who, count in sorted(counts.items()):
        family.add_metric(who, count)
    return family


def _losses(tallies: Tallies) -> Metric:
    family = CounterMetricFamily(
        "signals_app_lease_losses", "Attempts that never reported, by what was found.", labels=("cause", *WHO)
    )
    for key, one in tallies.items():
        if key.measure == Measure.LOSS:
            family.add_metric((key.detail, key.queue, key.receiver), one.count)
    return family


def _histogram(name: str, text: str, tallies: Tallies, measure: Measure) -> Metric:
    family = HistogramMetricFamily(name, text, labels=WHO)
    of: defaultdict[Who, list[tuple[float, Count]]] = defaultdict(list)
    for key, one in tallies.items():
        if key.measure == measure:
            of[key.queue, key.receiver].append((float(key.bound), one))
    for who, counts in sorted(of.items()):
        # a bound of an earlier version goes to the next greater of today's
        buckets = [(_written(bound), sum(one.count for at, one in counts if at <= bound)) for bound in BOUNDS]
        family.add_metric(who, buckets, sum(one.seconds for _, one in counts))
    return family


def _written(bound: float) -> str:
    return "+Inf" if bound == math.inf else str(bound)
