"""What is wrong with ``Q_CLUSTER``, for the main cluster and for those of ``ALT_CLUSTERS``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import mail
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections
from django.utils.module_loading import import_string

from signals_app.conf import VARIABLE, clusters, named_here, q_cluster

BROKER = "signals_app.cluster.broker.DeliveryBroker"


@register("signals_app")
def check_broker(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that every cluster wakes its workers for deliveries."""
    return [
        Error(
            f"{cluster.place}['broker_class'] is {cluster.values.get('broker_class')!r}, so no worker is woken for "
            "deliveries.",
            hint=f'Set Q_CLUSTER["broker_class"] = "{BROKER}".',
            id="signals_app.E004",
        )
        for cluster in clusters()
        if cluster.decides("broker_class") and not _wakes_workers(cluster.values.get("broker_class"))
    ]


def _wakes_workers(path: object) -> bool:
    """Tell whether a path is that of our broker, or of a class made from it."""
    if path == BROKER:
        return True
    try:
        return issubclass(import_string(str(path)), import_string(BROKER))
    except (ImportError, TypeError):
        return False


@register("signals_app")
def check_sync(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that plain tasks leave the sender's process; Django's test environment, which has an outbox, is exempt."""
    if hasattr(mail, "outbox"):
        return []
    return [
        Error(
            f"{cluster.place}['sync'] is {cluster.values['sync']!r}: plain tasks run in the process that asks for "
            "them, and a cluster's processes share one database connection.",
            hint="Remove it; it is for tests.",
            id="signals_app.E012",
        )
        for cluster in clusters()
        if cluster.decides("sync") and cluster.values.get("sync")
    ]


@register("signals_app")
def check_task_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the database of Django-Q's plain tasks exists; every look of a pusher asks it."""
    return [
        Error(
            f"{cluster.place}['orm'] names the database {cluster.values['orm']!r}, which DATABASES does not configure.",
            hint=f"Name one of {', '.join(sorted(connections))}.",
            id="signals_app.E013",
        )
        for cluster in clusters()
        if cluster.decides("orm") and cluster.values.get("orm") not in (None, *connections)
    ]


@register("signals_app")
def check_alternatives(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that what is said of further clusters reaches Django-Q, which passes over what it cannot read."""
    return [*_unreadable(), *_unnamed()]


def _unreadable() -> Iterator[CheckMessage]:
    others = q_cluster().get("ALT_CLUSTERS", {})
    parts = others.items() if isinstance(others, dict) else [("", others)]
    for name, given in parts:
        if not isinstance(given, dict):
            place = f"Q_CLUSTER['ALT_CLUSTERS']{f'[{name!r}]' if name else ''}"
            yield Error(
                f"{place} is a {type(given).__name__}, not a dict, and Django-Q passes over it.",
                hint='Write Q_CLUSTER["ALT_CLUSTERS"] = {"mail": {"workers": 1}}.',
                id="signals_app.E014",
            )


def _unnamed() -> Iterator[CheckMessage]:
    here = named_here()
    if here and here not in [cluster.name for cluster in clusters()]:
        yield CheckWarning(
            f"The environment variable {VARIABLE} is {here!r}, which Q_CLUSTER['ALT_CLUSTERS'] does not name: a "
            "cluster that is started here takes the main one's settings and serves that queue alone.",
            hint=f'Correct the variable, or write Q_CLUSTER["ALT_CLUSTERS"]["{here}"] = {{}}.',
            id="signals_app.W002",
        )
