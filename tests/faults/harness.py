"""What every fault needs: a cluster, a hand on its processes, a wait, and the question whether the invariant holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Attempt, Delivery, State
from tests.cluster import PATIENCE, ROOT, Cluster, kill, wait_for_death, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.receivers import effect
from tests.testapp.receivers import enqueue

FAULTS = os.environ.get("FAULTS")  # "all" has each fault injected, "full" at full size
FULL = FAULTS == "full"
VENDOR = "postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"


def size(short: int, full: int) -> int:
    """Return how much of something a test does: ``short`` in ``make test``, ``full`` in ``make faults``."""
    return full if FULL else short


def signals_app(**settings: object) -> dict[str, str]:
    """Return the environment of a cluster with these ``SIGNALS_APP``."""
    return {"TEST_SIGNALS_APP": json.dumps(settings)}


class Fault:
    """One test's: the clusters that it starts, the gates of its receivers, and what it found."""

    def __init__(self, directory: Path, journal_file: Path, record: Callable[[str, object], None]) -> None:
        self.directory = directory
        self.journal = journal_file
        self._record = record
        self._clusters = count(1)

    def cluster(self, *, within: Sequence[str] = (), **environment: str) -> Cluster:
        """Return a cluster with a log of its own, not started."""
        return Cluster(self.directory / f"cluster-{next(self._clusters)}", within=within, **environment)

    def hold(self, receiver: QueuedReceiver, **arguments: Any) -> Delivery:
        """Hand off, and return when the first attempt has come to its gate."""
        delivery = enqueue(receiver, **arguments)
        journal.wait_for_gate(self.journal, delivery.id, 1)
        return delivery

    def let_go(self, delivery: Delivery, *, attempt: int = 1) -> None:
        journal.open_gate(self.journal, delivery.id, attempt)

    def note(self, **figures: object) -> None:
        """Note figures for the ledger that is printed at the end; the underscores of a name are spaces there."""
        for name, value in figures.items():
            words = name if " " in name else name.replace("_", " ")
            self._record(words, round(value, 2) if isinstance(value, float) else value)

    def invariant(self, *, family: Sequence[int] = (), crashes: Sequence[float] = ()) -> dict[str, Any]:
        """Ask the invariant, in a process of its own, once no process of ``family`` is left; return its ledger.

        ``crashes`` are the times at which PostgreSQL crashed, and may have forgotten its last claims. Raises
        AssertionError where it does not hold.
        """
        wait_for_death(family)
        asked = subprocess.run(
            [sys.executable, "-m", "tests.faults.invariant", database_url(), str(self.journal), *map(str, crashes)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
        ledger: dict[str, Any] = json.loads(asked.stdout)
        return ledger


def database_url() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite://{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def enqueue_many(number: int, receiver: QueuedReceiver = effect, **arguments: Any) -> list[Delivery]:
    with transaction.atomic():
        return [enqueue(receiver, **arguments) for _ in range(number)]


def run_one(*, seconds: float = PATIENCE) -> float:
    """Hand off once more and see it succeed at its first attempt; return how many seconds that took."""
    began = time.monotonic()
    delivery = enqueue(effect)
    wait_for_end([delivery], seconds=seconds)
    assert stands(delivery) == (State.SUCCESSFUL, 1)
    return time.monotonic() - began


def stands(delivery: Delivery) -> tuple[str, int]:
    """Return state and attempts of a delivery, by the record."""
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts


def outcomes(delivery: Delivery) -> list[str]:
    """Return how the attempts on a delivery's record ended."""
    return list(Attempt.objects.filter(delivery=delivery).order_by("id").values_list("outcome", flat=True))


def kill_lock_holder(cluster: Cluster) -> None:
    """Kill the idle worker that holds the queue's read lock; the others wait for that lock, and for no signal."""
    holders: list[int] = []

    def are_found() -> bool:
        holders[:] = filter(_reads_the_queue, cluster.living("worker"))
        return bool(holders)

    wait_until(are_found, "a worker that waits in the queue's pipe")
    assert kill(*holders) == 1


def _reads_the_queue(pid: int) -> bool:
    try:
        return "pipe_read" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False


MOST = 0.5  # of a processor; one that spins takes a whole one, and a sleeping cluster some hundredths
MOST_LINES = 50  # of log in a second, beside those of what succeeds and of tracebacks


@contextmanager
def quiet(cluster: Cluster, fault: Fault) -> Iterator[None]:
    """Require that a cluster neither computes nor logs much while the block runs: one that cannot get on must not."""
    cpu, lines, began = cluster.cpu_seconds(), _lines(cluster), time.monotonic()
    yield
    seconds = time.monotonic() - began
    cpu, lines = cluster.cpu_seconds() - cpu, _lines(cluster) - lines
    fault.note(**{"% of a processor meanwhile": round(100 * cpu / seconds), "log lines/s": round(lines / seconds)})
    assert cpu < MOST * seconds
    assert lines < MOST_LINES * seconds, cluster.log.read_text()


def _lines(cluster: Cluster) -> int:
    lines = cluster.log.read_text(errors="replace").splitlines()
    return sum(" succeeded at " not in line and not line.startswith("  | ") for line in lines)
