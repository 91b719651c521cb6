"""The metrics page: counters and gauges in Prometheus' text format."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from django.contrib.auth.decorators import login_not_required
from django.db import Error, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.events import BOUNDS
from signals_app.ledger import Count, TallyKey
from signals_app.ledger.sql import query_deadline
from signals_app.models import Measure, Outcome, State
from signals_app.monitoring import health

Who = tuple[str, str]  # a queue, and the key of a receiver in it

WHO = ("queue", "receiver")


def of_deliveries(known: set[Who]) -> Iterator[Metric]:
    """Yield the numbers of what is not done, 0 for each known receiver that has none, and what is paused."""
    deliveries = GaugeMetricFamily(
        "signals_app_deliveries", "Deliveries that are READY, RUNNING or FAILED.", labels=("state", *WHO)
    )
    due = GaugeMetricFamily("signals_app_deliveries_due", "READY deliveries that could run now.", labels=WHO)
    unroutable = GaugeMetricFamily(
        "signals_app_deliveries_unroutable", "READY deliveries whose receiver the last worker did not know.", labels=WHO
    )
    paused = GaugeMetricFamily("signals_app_paused", "Queues and receivers that are paused.", labels=("kind", "name"))
    for pause in ledger.pauses():
        paused.add_metric((pause.kind, pause.name), 1)
    found = {(one.state, one.queue, one.receiver): one for one in ledger.standing()}
    for who in sorted(known | {(queue, receiver) for _, queue, receiver in found}):
        for state in (State.READY, State.RUNNING, State.FAILED):
            one = found.get((state, *who))
            deliveries.add_metric((state, *who), one.count if one else 0)
        ready = found.get((State.READY, *who))
        due.add_metric(who, ready.due if ready else 0)
        unroutable.add_metric(who, ready.unroutable if ready else 0)
    yield from (deliveries, due, unroutable, paused)


def of_queues() -> Iterator[Metric]:
    """Yield how long work waits, and which clusters live, for each queue that a receiver names or that has either.

    A queue that may be without a cluster, and is, has no number of them: an alarm at 0 is to mean that one is missing.
    """
    waits = GaugeMetricFamily(
        "signals_app_oldest_wait_seconds", "How long the delivery that is due longest has waited.", labels=("queue",)
    )
    living = GaugeMetricFamily("signals_app_clusters", "Clusters that live.", labels=("queue",))
    ages = GaugeMetricFamily(
        "signals_app_cluster_heartbeat_age_seconds",
        "Time since a cluster was last heard of; where several share queue and host, the latest of them.",
        labels=("queue", "host"),
    )
    clusters = ledger.clusters()
    for found in health.queues([one.queue for one in clusters if one.is_alive], ledger.oldest_waits()):
        waits.add_metric((found.name,), found.oldest_wait)
        if found.clusters or found.lacks_cluster():
            living.add_metric((found.name,), found.clusters)
    youngest: dict[tuple[str, str], float] = {}
    for one in clusters:
        youngest[one.queue, one.host] = min(one.age, youngest.get((one.queue, one.host), one.age))
    for labels, age in sorted(youngest.items()):
        ages.add_metric(labels, age)
    yield from (waits, living, ages)


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


PATIENCE = 8.0  # seconds for the database; Prometheus waits for ten


class DeliveryCollector(Collector):
    """What the database says of deliveries and clusters. Register it in a registry of your own, or use ours."""

    def describe(self) -> list[Metric]:
        """Return nothing: a registry that asks for names is not to read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database. Raises django.db.Error where it does not answer."""
        known = {(receiver.options.queue, receiver.key) for receiver in registry.all()}
        yield from of_deliveries(known)
        yield from of_queues()
        yield from of_attempts(known)


_registry = CollectorRegistry()
_registry.register(DeliveryCollector())


@require_safe
@never_cache
@login_not_required
@transaction.non_atomic_requests
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever bears ``SIGNALS_APP["METRICS_TOKEN"]``; without a token in the settings, nobody."""
    if not conf.metrics_token:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {conf.metrics_token}"):
        return _refusal("Send the header 'Authorization: Bearer …' with SIGNALS_APP['METRICS_TOKEN'].", 401)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        with query_deadline(PATIENCE):
            text = encode(_registry)
    except Error:
        return _refusal("The database does not answer.", 503)
    return HttpResponse(text, content_type=content_type)


def _refusal(text: str, status: int) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
