"""Asking again and again as fast as one can, which a cluster that cannot get on must not do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster import Cluster

MOST = 0.5  # of a processor; one that spins takes a whole one, and a sleeping cluster some hundredths
MOST_LINES = 50  # of log in a second, beside those of what succeeds and of tracebacks


@contextmanager
def quiet(cluster: Cluster, record_property: Any) -> Iterator[None]:
    """Require that a cluster neither computes nor logs much while the block runs."""
    cpu, lines, began = cluster.cpu_seconds(), _lines(cluster), time.monotonic()
    yield
    seconds = time.monotonic() - began
    cpu, lines = cluster.cpu_seconds() - cpu, _lines(cluster) - lines
    record_property("% of a processor meanwhile", round(100 * cpu / seconds))
    record_property("log lines/s", round(lines / seconds))
    assert cpu < MOST * seconds
    assert lines < MOST_LINES * seconds, cluster.log.read_text()


def _lines(cluster: Cluster) -> int:
    lines = cluster.log.read_text(errors="replace").splitlines()
    return sum(" succeeded at " not in line and not line.startswith("  | ") for line in lines)
