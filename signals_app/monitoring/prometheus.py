"""Metrics for Prometheus, read from the database at each scrape, so that every process gives the same answer.

Needs the extra ``signals_app[prometheus]``.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.decorators import login_not_required
from django.db import Error, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.monitoring import counters, gauges
from signals_app.monitoring.hurry import hurried

PATIENCE = 8.0  # seconds for the database; Prometheus waits for ten


class DeliveryCollector(Collector):
    """What the database says of deliveries and clusters. Register it in a registry of your own, or use ours."""

    def describe(self) -> list[Metric]:
        """Return nothing: a registry that asks for names is not to read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database. Raises django.db.Error where it does not answer."""
        known = {(receiver.options.queue, receiver.key) for receiver in registry.all()}
        yield from gauges.of_deliveries(known)
        yield from gauges.of_queues()
        yield from counters.of_attempts(known)


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
        with hurried(PATIENCE):
            text = encode(_registry)
    except Error:
        return _refusal("The database does not answer.", 503)
    return HttpResponse(text, content_type=content_type)


def _refusal(text: str, status: int) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
