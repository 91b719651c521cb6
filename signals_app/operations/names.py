"""Names of queues and receivers that an operator may give: a slip of the pen would strand work, or pause nothing."""

from __future__ import annotations

from signals_app import ledger, q_cluster
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.exceptions import OperationRefused
from signals_app.models import PauseKind


def known_queues() -> list[str]:
    """Return the queues that a setting, a receiver, a cluster that was heard of or a waiting delivery names."""
    of_settings = {conf.queue} | {cluster.name for cluster in q_cluster.clusters()}
    of_receivers = {receiver.options.queue for receiver in registry.all()}
    return sorted(of_settings | of_receivers | {one.queue for one in ledger.clusters()} | {*ledger.queues_with_work()})


def known_receivers() -> list[str]:
    """Return the keys of the receivers that this process knows."""
    return [receiver.key for receiver in registry.all()]


def require_queue(name: str) -> None:
    """Raise OperationRefused, with the names there are, where nothing is known of a queue."""
    known = known_queues()
    if name not in known:
        raise OperationRefused(f"There is no queue {name!r}. There are: {', '.join(known)}.")


def require_receiver(key: str) -> None:
    """Raise OperationRefused, with the names that are like it, where this process does not know a receiver."""
    if registry.get(key) is None:
        last = key.rpartition(".")[2].lower()
        alike = [one for one in known_receivers() if last and last in one.lower()]
        there_are = f"There are: {', '.join(alike or known_receivers())}."
        raise OperationRefused(f"This process knows no receiver {key!r}. {there_are}")


def require_pausable(kind: PauseKind, name: str) -> None:
    """Raise OperationRefused where there is no such queue, and where no receiver or waiting delivery has that key."""
    if kind == PauseKind.QUEUE:
        require_queue(name)
    elif not ledger.awaits(name):
        require_receiver(name)
