"""The metrics page: counters and gauges in Prometheus' text format."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
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
from signals_app.monitoring.views import for_machines

Who = tuple[str, str]  # a queue, and the key of a receiver in it
Tallies = Mapping[TallyKey, Count]

WHO = ("queue", "receiver")
OUTCOMES = (State.SUCCESSFUL.value, *Outcome.values)
PATIENCE = 8.0  # seconds for the database; Prometheus waits for ten


class DeliveryCollector(Collector):
    """Metrics of deliveries and clusters, computed at scrape time. Register it in your own registry, or use ours.

    Every state and outcome of a known receiver is reported from the start, as 0, so that a rate sees the first one.
    """

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering it does not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database. Raises django.db.Error where it does not answer."""
        known = {(receiver.options.queue, receiver.key) for receiver in registry.all()}
        yield from _deliveries(known)
        yield from _queues()
        yield from _attempts(ledger.read_tallies(), known)


def _deliveries(known: set[Who]) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "signals_app_deliveries", "Deliveries that are READY, RUNNING or FAILED.", labels=("state", *WHO)
    )
    due = GaugeMetricFamily("signals_app_deliveries_due", "READY deliveries that could run now.", labels=WHO)
    unroutable = GaugeMetricFamily(
        "signals_app_deliveries_unroutable", "READY deliveries whose receiver the last worker did not know.", labels=WHO
    )
    behind = GaugeMetricFamily(
        "signals_app_deliveries_behind", "READY deliveries that wait for others of their lanes.", labels=WHO
    )
    booked = GaugeMetricFamily(
        "signals_app_deliveries_booked", "READY deliveries that wait for their turns by a rate.", labels=WHO
    )
    paused = GaugeMetricFamily("signals_app_paused", "Queues and receivers that are paused.", labels=("kind", "name"))
    for pause in ledger.pauses():
        paused.add_metric((pause.kind, pause.name), 1)
    found = {(one.state, one.queue, one.receiver): one for one in ledger.receiver_stats()}
    for who in sorted(known | {(queue, receiver) for _, queue, receiver in found}):
        for state in (State.READY, State.RUNNING, State.FAILED):
            one = found.get((state, *who))
            deliveries.add_metric((state, *who), one.count if one else 0)
        ready = found.get((State.READY, *who))
        due.add_metric(who, ready.due if ready else 0)
        unroutable.add_metric(who, ready.unroutable if ready else 0)
        behind.add_metric(who, ready.behind if ready else 0)
        booked.add_metric(who, ready.booked if ready else 0)
    batches = GaugeMetricFamily("signals_app_batches", "Batches that have open members, or may get some.")
    batches.add_metric((), ledger.open_batches())
    yield from (deliveries, due, unroutable, behind, booked, paused, batches)


def _queues() -> Iterator[Metric]:
    """Yield the oldest wait and the living clusters of each queue.

    A queue that needs no cluster at the moment, and has none, has no sample: 0 means that one is missing.
    """
    waits = GaugeMetricFamily(
        "signals_app_oldest_wait_seconds", "How long the delivery that is due longest has waited.", labels=("queue",)
    )
    living = GaugeMetricFamily("signals_app_clusters", "Clusters that live.", labels=("queue",))
    ages = GaugeMetricFamily(
        "signals_app_cluster_heartbeat_age_seconds",
        "Time since a cluster was last seen; where several share queue and host, the latest of them.",
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


def _attempts(tallies: Tallies, known: set[Who]) -> Iterator[Metric]:
    outcomes: Counter[tuple[str, ...]] = Counter({(outcome, *who): 0 for who in known for outcome in OUTCOMES})
    failures: Counter[tuple[str, ...]] = Counter(dict.fromkeys(known, 0))
    losses: Counter[tuple[str, ...]] = Counter()
    merged: Counter[tuple[str, ...]] = Counter(dict.fromkeys(known, 0))
    for key, one in tallies.items():
        who = (key.queue, key.receiver)
        if key.measure == Measure.RUN:
            outcomes[key.detail, *who] += one.count
        elif key.measure == Measure.LOSS:
            outcomes[Outcome.LOST.value, *who] += one.count
            losses[key.detail, *who] += one.count
        elif key.measure == Measure.FAILURE:
            failures[who] += one.count
        elif key.measure == Measure.MERGED:
            merged[who] += one.count
    yield _counter("signals_app_attempts", "Attempts, by how they ended.", ("outcome", *WHO), outcomes)
    yield _counter("signals_app_failures", "Deliveries that became FAILED.", WHO, failures)
    yield _counter("signals_app_merged", "Deliveries that were merged into a newer one.", WHO, merged)
    text = "Attempts that never reported, by what was found."
    yield _counter("signals_app_lease_losses", text, ("cause", *WHO), losses)
    yield _histogram("signals_app_wait_seconds", "From due to the start of an attempt.", tallies, Measure.WAIT)
    yield _histogram("signals_app_run_seconds", "How long an attempt took.", tallies, Measure.RUN)


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, tallies: Tallies, measure: Measure) -> Metric:
    family = HistogramMetricFamily(name, text, labels=WHO)
    of: defaultdict[Who, list[tuple[float, Count]]] = defaultdict(list)
    for key, one in tallies.items():
        if key.measure == measure and key.detail != Outcome.EXPIRED:  # which never ran
            of[key.queue, key.receiver].append((float(key.bound), one))
    for who, counts in sorted(of.items()):
        # a bound of an earlier version goes to the next greater of today's
        buckets = [
            ("+Inf" if bound == math.inf else str(bound), sum(one.count for at, one in counts if at <= bound))
            for bound in BOUNDS
        ]
        family.add_metric(who, buckets, sum(one.seconds for _, one in counts))
    return family


_registry = CollectorRegistry()
_registry.register(DeliveryCollector())


@for_machines
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever bears ``SIGNALS_APP["METRICS_TOKEN"]``; without a token in the settings, nobody."""
    if not conf.metrics_token:
        raise Http404
    plain = "text/plain; charset=utf-8"
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {conf.metrics_token}"):
        text = "Send the header 'Authorization: Bearer …' with SIGNALS_APP['METRICS_TOKEN'].\n"
        return HttpResponse(text, status=401, content_type=plain, headers={"WWW-Authenticate": "Bearer"})
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        with query_deadline(PATIENCE):
            return HttpResponse(encode(_registry), content_type=content_type)
    except Error:
        return HttpResponse("The database does not answer.\n", status=503, content_type=plain)
