"""What a test breaks inside a cluster's own processes, by name: ``Cluster(log, FAULT_SABOTAGE="without_token")``.

The test app carries it out as it starts. Several names are separated by commas, an argument follows a colon.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from django_q.signals import post_execute_in_worker

from signals_app.cluster import supervisor, workarounds
from signals_app.cluster.broker import DeliveryBroker
from signals_app.cluster.workarounds import Package
from signals_app.ledger import claims, outcomes, sql
from tests.faults import journal


def carry_out() -> None:
    for order in filter(None, os.environ.get("FAULT_SABOTAGE", "").split(",")):
        name, _, argument = order.partition(":")
        ORDERS[name](*[argument][: bool(argument)])


def without_token() -> None:
    """Let workers write to a delivery whoever holds it by now; the owner would tell another worker as well."""

    def write(template: str, **params: Any) -> int:
        return sql.write(template.replace("AND token = %(token)s AND owner = %(owner)s", "", 1), **params)

    for module in (claims, outcomes):
        module.write = write  # type: ignore[attr-defined]


DIE = ".die"  # of the file beside the journal that orders it


def die_in_timer_lock() -> None:
    """Kill the worker that ends a task once ``order_death`` was called: it holds the lock its guard waits for."""
    order = Path(os.environ[journal.VARIABLE] + DIE)

    def die(**kwargs: object) -> None:
        with suppress(FileNotFoundError):
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    post_execute_in_worker.connect(die, weak=False)


def order_death(beside: Path) -> Path:
    """In a test: have ``die_in_timer_lock`` strike once; the file that is returned is there until then."""
    order = Path(f"{beside}{DIE}")
    order.touch()
    return order


def impatient_guard_watch(seconds: str) -> None:
    """Have the supervisor wait less for a round of the guard."""
    supervisor.GUARD_ROUND = float(seconds)


def impatient_last_moment(seconds: str) -> None:
    """Have a worker that ends wait less for what receivers left at work."""
    workarounds.LAST_MOMENT = float(seconds)


ORDERS = {
    order.__name__: order for order in (without_token, die_in_timer_lock, impatient_guard_watch, impatient_last_moment)
}


class CountedHints(DeliveryBroker):
    """Says how many hints and tasks it gives."""

    def dequeue(self) -> list[Package] | None:
        if given := super().dequeue():
            print(f"gave {len(given)} hints", flush=True)
        return given


class StrayingHints(DeliveryBroker):
    """A ``broker_class`` that doubles its packages, holds some back, and shuffles what it gives; says how many."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)
        self._held: list[Package] = []
        self._chance = random.Random(17)

    def dequeue(self) -> list[Package] | None:
        packages = self._held + (super().dequeue() or []) * 2
        self._chance.shuffle(packages)
        kept = self._chance.randint(0, len(packages))
        self._held, given = packages[kept:], packages[:kept]
        if given:
            print(f"gave {len(given)} hints", flush=True)
        return given or None
