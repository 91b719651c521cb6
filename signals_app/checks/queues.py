"""Which queues receivers name, and whether a cluster serves them, as far as the settings can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from signals_app.conf import clusters, named_here
from signals_app.dispatcher import registry


@register("signals_app")
def check_queues(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the queue of each receiver is the name of a cluster.

    A warning, for another project may run a cluster of that name on the same database.
    """
    served = {cluster.name for cluster in clusters()} | {named_here()}
    waiting: dict[str, list[str]] = {}
    for receiver in registry.all():
        waiting.setdefault(receiver.options.queue, []).append(receiver.key)
    return [
        CheckWarning(
            f"{_listed(keys)} in the queue {queue!r}, which is no cluster of Q_CLUSTER.",
            hint=f'Correct the name, or write Q_CLUSTER["ALT_CLUSTERS"]["{queue}"] = {{}} and start that cluster with '
            f"Q_CLUSTER_NAME={queue} manage.py qcluster.",
            id="signals_app.W003",
        )
        for queue, keys in sorted(waiting.items())
        if queue not in served
    ]


def _listed(keys: list[str]) -> str:
    first, *others = keys
    return f"{first} and {len(others)} more wait" if others else f"{first} waits"
