"""A worker on watch: one idle worker of each cluster waits for work by itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from django.db import connections, reset_queries

from signals_app import events, ledger
from signals_app.conf import cluster_here
from signals_app.ledger import Change, ChangeListener
from signals_app.processes.liveness import liveness

WATCH = 60.0  # seconds that a worker stays on watch
LOOK = 1.0  # seconds between two signs of a worker on watch
PRECEDENCE = 0.002  # seconds in which the other workers take a task, before the one on watch does


@dataclass(slots=True)
class Duty:
    """What Django-Q wants of this worker."""

    turns: int = 0  # how often it took up work, by a task or on watch
    limit: float = math.inf  # of turns, after which it is replaced
    tasks: Connection[Any, Any] | None = None  # where tasks wait


duty = Duty()
_listeners: dict[str, ChangeListener] = {}


def wait_for_work(queue: str, end: float) -> bool:
    """Wait for work, if no other worker of this cluster does; return True as soon as there is some.

    Saves the way by the pusher and by Django-Q's queue. False where this worker is wanted elsewhere: by a task that
    waits, by a cluster that stops, or to be replaced.
    """
    if queue != cluster_here().name:  # a hint may name any queue; its task would not end before the watch does
        return False
    if duty.turns >= duty.limit or _is_wanted() or not liveness.begin_watch(end):
        return False
    events.write_after_drain()
    with _listening(queue) as listener:
        while (left := end - time.monotonic()) > 0 and liveness.may_claim and liveness.is_on_watch():
            change = listener.wait(min(left, LOOK))
            if change is Change.OURS or (change is Change.ANY and ledger.due(queue, limit=1)):
                _leave_old_connections()
                return True
            if _is_wanted():
                break
        listener.rest(briefly=False)
    return False


def stop_listening(queue: str) -> None:
    """Hear of nothing more until the next wait; after the claim, which need not wait for it."""
    if listener := _listeners.get(queue):
        listener.rest(briefly=True)


@contextmanager
def _listening(queue: str) -> Iterator[ChangeListener]:
    listener = _listeners.setdefault(queue, ChangeListener(queue=queue, poll=LOOK, is_noting=False))
    listener.alarm = [liveness.alarm[0], *([duty.tasks.fileno()] if duty.tasks else [])]
    try:
        yield listener
    finally:
        liveness.end_watch()
        reset_queries()


def _is_wanted() -> bool:
    """Tell whether a task waits that no other worker takes."""
    if duty.tasks is None or not duty.tasks.poll(0):
        return False
    time.sleep(PRECEDENCE)
    return duty.tasks.poll(0)


def _leave_old_connections() -> None:
    """Do for receivers' connections what Django-Q does before each task; the ledger's has just been used."""
    for db in connections.all(initialized_only=True):
        if db.alias != ledger.connection().alias:
            db.close_if_unusable_or_obsolete()
