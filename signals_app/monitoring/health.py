"""Whether work flows: the database answers, each queue has the cluster it needs, and nothing waits for too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import Error
from django.utils.translation import gettext, ngettext

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.ledger import RecentAttempts
from signals_app.ledger.sql import query_deadline
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.monitoring")

PATIENCE = 2.0  # seconds for the database to answer
FEWEST = 2  # failed attempts, without a success since, that are worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """One queue: its living clusters, and for how many seconds its oldest due delivery has waited, and may wait."""

    name: str
    clusters: int
    oldest_wait: float
    max_wait: float

    def lacks_cluster(self) -> bool:
        """Return whether the queue needs a living cluster and has none.

        One of ``ON_DEMAND_QUEUES`` needs none until work has waited for too long.
        """
        return not self.clusters and (self.name not in conf.on_demand_queues or self.oldest_wait > self.max_wait)

    def problems(self) -> list[str]:
        """Return each problem in a sentence."""
        found = [f"The queue {self.name} has no living cluster."] if self.lacks_cluster() else []
        if self.oldest_wait > self.max_wait:
            waited = f"has waited for {self.oldest_wait:.0f} s, more than {self.max_wait:g} s"
            found.append(f"A delivery in the queue {self.name} {waited}.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The findings. ``queues`` is empty where the database did not answer, or nothing else was asked for."""

    database: bool
    queues: tuple[QueueHealth, ...] = ()

    def problems(self) -> list[str]:
        """Return each problem in a sentence."""
        found = [] if self.database else ["The database does not answer."]
        return found + [problem for queue in self.queues for problem in queue.problems()]


def queues(alive: Iterable[str], waits: Mapping[str, float], *, max_wait: float | None = None) -> list[QueueHealth]:
    """Return the health of the default queue and of every queue that a receiver, a cluster or waiting work names.

    ``alive`` has the queue of each living cluster, ``waits`` the oldest wait of each queue that has work.
    """
    clusters = Counter(alive)
    named = {receiver.options.queue for receiver in registry.all()}
    limit = conf.health_max_wait if max_wait is None else max_wait
    return [
        QueueHealth(name=name, clusters=clusters[name], oldest_wait=waits.get(name, 0.0), max_wait=limit)
        for name in sorted({conf.queue, *named, *clusters, *waits})
    ]


def look(*, at_queues: bool = True, max_wait: float | None = None) -> Health:
    """Return the health of the database and, ``at_queues``, of all queues. A sender needs the former only."""
    try:
        with query_deadline(PATIENCE):
            if not at_queues:
                ledger.queues_with_work()
                return Health(database=True)
            alive = [one.queue for one in ledger.clusters() if one.is_alive]
            return Health(database=True, queues=tuple(queues(alive, ledger.oldest_waits(), max_wait=max_wait)))
    except Error as error:
        logger.warning("The health check cannot read the database: %s", error)
        return Health(database=False)


def unroutable(*, max_wait: float | None = None) -> list[str]:
    """Return a sentence for each receiver that no worker knows and that deliveries have waited for too long for.

    It is not for the public page, which names no receivers.
    """
    limit = conf.health_max_wait if max_wait is None else max_wait
    said = (
        "%(count)d delivery waits for a receiver that no worker knows: %(receiver)s.",
        "%(count)d deliveries wait for a receiver that no worker knows: %(receiver)s.",
    )
    found = ledger.unroutable_for(limit).most_common()
    return [ngettext(*said, count) % {"count": count, "receiver": receiver} for receiver, count in found]


def failing(recent: Iterable[RecentAttempts], *, max_failing: float | None = None) -> dict[str, str]:
    """Return a sentence for each receiver that fails: ``HEALTH_MAX_FAILING`` percent of its attempts may, by default.

    None that has worked off its failures is there. It is not for the public page either.
    """
    limit = conf.health_max_failing if max_failing is None else max_failing
    text = gettext(
        "%(receiver)s fails: %(failed)d of its %(count)d attempts in the last %(minutes)d minutes failed, "
        "more than %(limit)s%%."
    )
    shared = {"minutes": ledger.RECENT / 60, "limit": f"{limit:g}"}
    return {
        one.receiver: text % {"receiver": one.receiver, "failed": one.failed, "count": one.count, **shared}
        for one in recent
        if one.lasting >= FEWEST and one.share * 100 > limit
    }
