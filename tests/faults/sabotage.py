"""What a test breaks inside a cluster's own processes, by name: ``Cluster(log, FAULT_SABOTAGE="without_token")``.

The test app carries it out as it starts. Several names are separated by commas, an argument follows a colon.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from django_q.signals import post_execute_in_worker

from signals_app.cluster import supervisor
from signals_app.ledger import claims, outcomes, sql
from tests.faults import journal

VARIABLE = "FAULT_SABOTAGE"


def carry_out() -> None:
    """Do what the environment names."""
    for order in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, _, argument = order.partition(":")
        ORDERS[name](*[argument][: bool(argument)])


def without_token() -> None:
    """Let workers write to a delivery whoever holds it by now."""

    def write(template: str, **params: Any) -> int:
        return sql.write(template.replace("AND token = %(token)s", "", 1), **params)

    for module in (claims, outcomes):
        module.write = write  # type: ignore[attr-defined]


def die_in_timer_lock() -> None:
    """Kill the worker that ends a task once ``order_death`` was called: it holds the lock its guard waits for."""
    order = _order(Path(os.environ[journal.VARIABLE]))

    def die(**kwargs: object) -> None:
        with suppress(FileNotFoundError):
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    post_execute_in_worker.connect(die, weak=False)


def order_death(beside: Path) -> Path:
    """In a test: have ``die_in_timer_lock`` strike once; the file that is returned is there until then."""
    _order(beside).touch()
    return _order(beside)


def _order(beside: Path) -> Path:
    return beside.with_name(f"{beside.name}.die")


def impatient_guard_watch(seconds: str) -> None:
    """Have the supervisor wait less for a round of the guard."""
    supervisor.GUARD_ROUND = float(seconds)


ORDERS = {order.__name__: order for order in (without_token, die_in_timer_lock, impatient_guard_watch)}
