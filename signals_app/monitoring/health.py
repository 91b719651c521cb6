"""Whether work flows: the database answers, each queue has a living cluster, and nothing waits for too long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db import Error

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.logs import get_logger
from signals_app.monitoring.hurry import hurried

logger = get_logger("signals_app.monitoring")

PATIENCE = 2.0  # seconds for the database to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """One queue: how many clusters of it live, and for how many seconds the oldest due delivery has waited."""

    name: str
    clusters: int
    oldest_wait: float

    def problems(self, *, max_wait: float | None = None) -> list[str]:
        """Return what is wrong with it, a sentence each; ``HEALTH_MAX_WAIT`` seconds may be waited by default."""
        found = []
        limit = conf.health_max_wait if max_wait is None else max_wait
        if not self.clusters:
            found.append(f"The queue {self.name} has no living cluster.")
        if self.oldest_wait > limit:
            found.append(
                f"A delivery in the queue {self.name} has waited for {self.oldest_wait:.0f} s, more than {limit:g} s."
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found. ``queues`` is empty where the database did not answer, or was all that was asked for."""

    database: bool
    queues: tuple[QueueHealth, ...] = ()

    def problems(self, *, max_wait: float | None = None) -> list[str]:
        """Return what is wrong, a sentence each; nothing when all is well."""
        found = [] if self.database else ["The database does not answer."]
        return found + [problem for queue in self.queues for problem in queue.problems(max_wait=max_wait)]


def look() -> Health:
    """Return the health of the database and of every queue that a receiver or a waiting delivery names."""
    try:
        with hurried(PATIENCE):
            return Health(database=True, queues=tuple(_queues()))
    except Error as error:
        return _away(error)


def look_at_database() -> Health:
    """Return whether deliveries can be read; that is all a sender needs."""
    try:
        with hurried(PATIENCE):
            ledger.queues_with_work()
    except Error as error:
        return _away(error)
    return Health(database=True)


def _away(error: Error) -> Health:
    logger.warning("The health check cannot read the database: %s", error)
    return Health(database=False)


def _queues() -> list[QueueHealth]:
    alive = Counter(one.queue for one in ledger.clusters() if one.is_alive)
    named = {receiver.options.queue for receiver in registry.all()}
    names = sorted({conf.queue, *named, *alive, *ledger.queues_with_work()})
    return [QueueHealth(name=name, clusters=alive[name], oldest_wait=ledger.oldest_wait(name)) for name in names]
