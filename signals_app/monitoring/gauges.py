"""Metrics of what is now, read from deliveries and clusters."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from signals_app import ledger
from signals_app.models import State
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
