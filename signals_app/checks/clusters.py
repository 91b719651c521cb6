"""What is wrong with ``Q_CLUSTER``, in the main cluster or in those of ``ALT_CLUSTERS``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.module_loading import import_string

from signals_app.conf import (
    BROKER,
    TIMEOUT,
    VARIABLE,
    clusters,
    defaults,
    is_seconds,
    is_test_run,
    line_of_cluster,
    named_here,
    other_broker,
    q_cluster,
)
from signals_app.dispatcher import registry


@register("signals_app")
def check_broker(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that every cluster wakes its workers for deliveries."""
    for cluster in clusters():
        path, other = cluster.values.get("broker_class"), other_broker(cluster.values)
        if cluster.decides("broker_class", other or "broker_class") and not _wakes_workers(path):
            what = f"['broker_class'] is {path!r}" if "broker_class" in cluster.values else f" names the broker {other}"
            yield Error(
                f"{cluster.place}{what}, so no worker is woken for deliveries.",
                hint=f"Write {cluster.place}['broker_class'] = '{BROKER}': plain tasks then wait in the database, too.",
                id="signals_app.E004",
            )


def _wakes_workers(path: object) -> bool:
    """Return whether a path is that of our broker, or of a subclass of it."""
    if path == BROKER:
        return True
    try:
        return issubclass(import_string(str(path)), import_string(BROKER))
    except (ImportError, TypeError):
        return False


@register("signals_app")
def check_sync(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that plain tasks leave the sender's process, but for tests."""
    for cluster in clusters():
        if cluster.decides("sync") and cluster.values.get("sync") and not is_test_run():
            yield Error(
                f"{cluster.place}['sync'] is {cluster.values['sync']!r}: plain tasks run in the process that asks for "
                "them, and a cluster's processes share one database connection.",
                hint=f"Write {cluster.place}['sync'] = False; it is for tests.",
                id="signals_app.E012",
            )


@register("signals_app")
def check_task_database(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the database of Django-Q's plain tasks exists: pushers ask it for work."""
    for cluster in clusters():
        alias = cluster.values.get("orm")
        if cluster.decides("orm") and alias not in (None, *connections):
            yield Error(
                f"{cluster.place}['orm'] names the database {alias!r}, which DATABASES does not configure.",
                hint=f"Write {cluster.place}['orm'] = {DEFAULT_DB_ALIAS!r}; there is {', '.join(sorted(connections))}.",
                id="signals_app.E013",
            )


@register("signals_app")
def check_alternatives(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that further clusters are written so that Django-Q does not ignore them."""
    others = q_cluster().get("ALT_CLUSTERS", {})
    for name, given in others.items() if isinstance(others, dict) else [("", others)]:
        if not isinstance(given, dict):
            place = f"Q_CLUSTER['ALT_CLUSTERS']{f'[{name!r}]' if name else ''}"
            yield Error(
                f"{place} is a {type(given).__name__}, not a dict, so Django-Q ignores it.",
                hint=f"Write {place} = {{}}, or what differs from the main cluster.",
                id="signals_app.E014",
            )
    here = named_here()
    if here and here not in [cluster.name for cluster in clusters()]:
        yield CheckWarning(
            f"The environment variable {VARIABLE} is {here!r}, which Q_CLUSTER['ALT_CLUSTERS'] does not name: a "
            "cluster that is started here takes the main one's settings and serves that queue alone.",
            hint=f"Correct the variable, or write {line_of_cluster(here)}.",
            id="signals_app.W002",
        )


@register("signals_app")
def check_queues(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the queue of each receiver is the name of a cluster.

    A warning, for another project may run a cluster of that name on the same database.
    """
    served = {cluster.name for cluster in clusters()} | {named_here()}
    waiting: dict[str, list[str]] = {}
    for receiver in registry.all():
        waiting.setdefault(receiver.options.queue, []).append(receiver.key)
    for queue, (first, *others) in sorted(waiting.items()):
        if queue not in served:
            who = f"{first} and {len(others)} more wait" if others else f"{first} waits"
            yield CheckWarning(
                f"{who} in the queue {queue!r}, which is no cluster of Q_CLUSTER.",
                hint=f"Correct the name, or write {line_of_cluster(queue)}, and start that cluster with "
                f"{VARIABLE}={queue} manage.py qcluster.",
                id="signals_app.W003",
            )


# A worker's timer is a 32-bit float. It starts at a whole number of seconds, loses guard_cycle at each look, and the
# worker is killed when it is zero, exactly: below zero it stays for ever. One over a power of two divides every whole
# number and is subtracted without rounding while there are fewer than 2**24 of it to go: 97 days at 0.5, 3 at 1/64.
EXACT_CYCLES = tuple(2.0**-n for n in range(7))


@register("signals_app")
def check_timers(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that no plain task is given out again while it runs, and that a worker that hangs is killed."""
    for cluster in clusters():
        retry, timeout, place = cluster.values["retry"], cluster.values["timeout"], cluster.place
        if not cluster.decides("retry", "timeout"):
            pass
        elif not is_seconds(retry) or (timeout and (not is_seconds(timeout) or retry <= timeout)):
            right = timeout if is_seconds(timeout) and timeout else TIMEOUT
            yield Error(
                f"{place}['retry'] is {retry!r} and its timeout {timeout!r}: a plain task that still runs is "
                "given to a second worker.",
                hint=f"Write {place} |= {{'timeout': {right}, 'retry': {defaults({'timeout': right})['retry']}}}. "
                "Retry counts from when a task is given out, timeout from when it starts.",
                id="signals_app.E010",
            )
        elif not timeout:
            yield CheckWarning(
                f"{place} has no timeout: a plain task that runs for longer than {retry:g} s, its retry, is "
                "given to a second worker.",
                hint=f"Write {place}['timeout'] = {defaults({'retry': retry})['timeout']}; it is less than retry.",
                id="signals_app.W001",
            )
        cycle = cluster.values.get("guard_cycle", 0.5)
        if cluster.decides("guard_cycle") and not (is_seconds(cycle) and cycle in EXACT_CYCLES):
            yield Error(
                f"{place}['guard_cycle'] is {cycle!r}: Django-Q's timer steps past zero, and a worker that "
                "hangs is never killed.",
                hint=f"Write {place}['guard_cycle'] = 0.5; it takes {', '.join(f'{one:g}' for one in EXACT_CYCLES)}.",
                id="signals_app.E011",
            )
