"""Pruning in turns: a worker deletes for a moment, on a hint, and notes when the next turn is due.

A turn begins with the batches that nobody else would go on with.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import State
from signals_app.processes.identity import current_process
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.worker")

TASK = "prune"
EVERY = 300.0  # seconds between two turns when nothing was left
LEASE = 60.0  # seconds after which another process may take over a turn that does not end
BATCH = 500  # deliveries deleted in one transaction

Pruned = Counter[State]


def prune_for_a_while() -> int:
    """Prune for one time slice, unless another process does; return how many deliveries were deleted."""
    return (prune_all(seconds=conf.time_slice) or Pruned()).total()


def prune_all(*, seconds: float = math.inf) -> Pruned | None:
    """Prune until nothing is left, or for so many seconds; None where another process does."""
    owner, end = str(current_process()), time.monotonic() + seconds
    if not ledger.begin_maintenance(TASK, owner=owner, lease=LEASE):
        return None
    again, pruned = EVERY, Pruned()
    try:
        if mended := ledger.mend_batches():
            logger.warning("%d batches that nobody went on with go on.", mended)
        for state, count in _batches():
            pruned[state] += count
            if time.monotonic() > end:
                again = 0.0
                break
            ledger.begin_maintenance(TASK, owner=owner, lease=LEASE)
        else:
            ledger.prune_batches(limit=BATCH)
        while ledger.prune_buckets(limit=BATCH) == BATCH and time.monotonic() < end:
            ledger.begin_maintenance(TASK, owner=owner, lease=LEASE)
    finally:
        ledger.end_maintenance(TASK, owner=owner, again=again)
        if pruned:
            logger.info("%d finished deliveries were pruned.", pruned.total())
    return pruned


def to_be_pruned() -> Pruned:
    """Return how many deliveries of each state would be deleted now."""
    return Pruned({part.state: part.rows().count() for part in ledger.expired()})


def _batches() -> Iterator[tuple[State, int]]:
    """Delete batch after batch; rest after each for as long as it took, so that no claim waits for long."""
    for part in ledger.expired():
        began = time.monotonic()
        while count := ledger.prune(part, limit=BATCH):
            yield part.state, count
            time.sleep(time.monotonic() - began)
            began = time.monotonic()
