"""What this process has counted for monitoring and not yet added to the record.

Nothing is counted unless ``SIGNALS_APP["METRICS_TOKEN"]`` lets somebody read it. A worker of a cluster has a thread
that writes its counts once a second, so that no delivery waits for that; other processes write at the end of a drain.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from contextlib import nullcontext

from django.db import Error, connections

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery, Count, TallyKey
from signals_app.logs import get_logger
from signals_app.models import Measure

logger = get_logger("signals_app.monitoring")

# upper bounds, in seconds, of the buckets that waits and runs are sorted into
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, math.inf)
_NAMES = tuple(f"{bound:g}" for bound in BOUNDS)

EVERY = 1.0  # seconds between two writes of a worker's thread

_counted: dict[tuple[Measure, str, str, str, str], Count] = {}
_lock = threading.Lock()  # the heartbeat counts too, when it ends its process
_writer: threading.Thread | None = None
_ending = threading.Event()


def count(measure: Measure, claimed: ClaimedDelivery, *, detail: str = "", seconds: float | None = None) -> None:
    """Count one more of something; what took time is counted in the bucket that holds so many seconds."""
    if not conf.metrics_token:
        return
    bound = "" if seconds is None else _NAMES[bisect_left(BOUNDS, seconds)]
    key = (measure, claimed.queue, claimed.receiver, detail, bound)
    with _lock:
        known = _counted.get(key)
        if known is None:
            known = _counted[key] = Count()
        known.count += 1
        known.seconds += seconds or 0.0


def write(*, beside: bool = False) -> bool:
    """Add what was counted to the record. False where the database does not take it: then it is kept.

    ``beside`` a receiver that runs in another thread it does not wait for a lock: that receiver may have it.
    """
    with _lock:
        taken = dict(_counted)
        _counted.clear()
    try:
        with ledger.briefly() if beside and taken else nullcontext():
            ledger.add_tallies(
                {
                    TallyKey(measure=measure, queue=queue, receiver=receiver, detail=detail, bound=bound): one
                    for (measure, queue, receiver, detail, bound), one in taken.items()
                }
            )
    except Error as error:
        logger.debug("The counts of this process are not written yet: %s", error)
        _put_back(taken)
        return False
    return True


def write_after_drain() -> None:
    """Add what was counted to the record, where no thread does."""
    if _writer is None or not _writer.is_alive():
        write()


def write_in_background() -> None:
    """Have a thread of this process write once a second from now on, until ``write_last()``."""
    global _writer
    if conf.metrics_token:
        _writer = threading.Thread(target=_keep_writing, name="tallies", daemon=True)
        _writer.start()


def write_last() -> None:
    """Have that thread write once more, and wait for it."""
    if _writer is not None:
        _ending.set()
        _writer.join()


def _keep_writing() -> None:
    ended = False
    while not ended:
        ended = _ending.wait(EVERY)
        if not _counted or not write(beside=True):
            connections.close_all()  # this thread's own
    connections.close_all()


def _put_back(taken: dict[tuple[Measure, str, str, str, str], Count]) -> None:
    with _lock:
        for key, counted in taken.items():
            newer = _counted.setdefault(key, Count())
            newer.count += counted.count
            newer.seconds += counted.seconds
