"""Django-Q's two clocks: when a plain task is given out again, and when a worker that hangs is killed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from signals_app.conf import Cluster, clusters

# A worker's timer is a 32-bit float. It starts at a whole number of seconds, loses guard_cycle at each look, and the
# worker is killed when it is zero, exactly: below zero it stays for ever. One over a power of two divides every whole
# number and is subtracted without rounding while there are fewer than 2**24 of it to go: 97 days at 0.5, 3 at 1/64.
EXACT_CYCLES = tuple(2.0**-n for n in range(7))


@register("signals_app")
def check_timers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no plain task is given out while it runs, and that a worker that hangs is ended."""
    found: list[CheckMessage] = []
    for cluster in clusters():
        if cluster.decides("retry", "timeout"):
            found += _retry(cluster)
        if cluster.decides("guard_cycle"):
            found += _guard_cycle(cluster)
    return found


def _retry(cluster: Cluster) -> list[CheckMessage]:
    retry, timeout = cluster.values.get("retry", 60), cluster.values.get("timeout")
    if not _is_number(retry) or (timeout and (not _is_number(timeout) or retry <= timeout)):
        return [
            Error(
                f"{cluster.place}['retry'] is {retry!r} and its timeout {timeout!r}: a plain task that still runs is "
                "given to a second worker.",
                hint="Make both seconds, and retry the larger: it counts from when a task is given out, "
                "timeout from when it starts.",
                id="signals_app.E010",
            )
        ]
    if not timeout:
        return [
            CheckWarning(
                f"{cluster.place} has no timeout: a plain task that runs for longer than {retry:g} s, its retry, is "
                "given to a second worker.",
                hint='Set Q_CLUSTER["timeout"] to seconds, fewer than retry.',
                id="signals_app.W001",
            )
        ]
    return []


def _guard_cycle(cluster: Cluster) -> list[CheckMessage]:
    cycle = cluster.values.get("guard_cycle", 0.5)
    if _is_number(cycle) and cycle in EXACT_CYCLES:
        return []
    return [
        Error(
            f"{cluster.place}['guard_cycle'] is {cycle!r}: Django-Q's timer steps past zero, and a worker that hangs "
            "is never killed.",
            hint=f"It takes {', '.join(f'{one:g}' for one in EXACT_CYCLES)}.",
            id="signals_app.E011",
        )
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
