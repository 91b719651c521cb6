"""Clusters and their workers: who lives, what each runs and since when, and how much memory it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from signals_app import broker, ledger
from signals_app.ledger import ClusterSeen
from signals_app.models import Delivery, State
from signals_app.processes import ProcessIdentity, resident_bytes

LOOKED_AT = 500  # running deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """What a worker runs."""

    delivery: int
    receiver: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process of a cluster. ``memory`` is in bytes, None where it cannot be told from here."""

    pid: int
    working: Working | None
    memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that has been heard of, ``age`` seconds ago; nothing is known of the workers of one that is gone."""

    queue: str
    host: str
    age: float
    is_alive: bool
    pid: int | None = None
    started: datetime | None = None
    reincarnations: int = 0
    workers: tuple[Worker, ...] = ()


def fleet() -> list[Cluster]:
    """Return the clusters by queue and host, those that were heard of within the hour and are gone included."""
    working = _working()
    return [_cluster(seen, working) for seen in ledger.clusters()]


def _cluster(seen: ClusterSeen, working: dict[tuple[str, int], Working]) -> Cluster:
    known = Cluster(queue=seen.queue, host=seen.host, age=seen.age, is_alive=seen.is_alive)
    status = broker.cluster_status(seen.package) if seen.is_alive else None
    if status is None:
        return known
    workers = tuple(
        Worker(pid=pid, working=working.get((seen.host, pid)), memory=resident_bytes(seen.host, pid))
        for pid in status.workers
    )
    return replace(known, pid=status.pid, started=status.started, reincarnations=status.reincarnations, workers=workers)


def _working() -> dict[tuple[str, int], Working]:
    rows = (
        Delivery.objects.using(ledger.connection().alias)
        .filter(state=State.RUNNING)
        .order_by("-priority", "due_at", "id")
    )
    found: dict[tuple[str, int], Working] = {}
    for row in rows.only("id", "receiver", "owner", "started_at")[:LOOKED_AT]:
        process = ProcessIdentity.parse(row.owner)
        if process:  # the first of what one claim took is the one that runs
            working = Working(delivery=row.id, receiver=row.receiver, since=row.started_at)
            found.setdefault((process.host, process.pid), working)
    return found
