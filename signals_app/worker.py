"""The receiving side: on a hint, claim what is due, run it and record how it ended, until nothing is due."""

from __future__ import annotations

import logging
import os
import time
from multiprocessing.sharedctypes import RawValue

from django.db import Error, reset_queries

from signals_app import heartbeat, ledger
from signals_app.attempt import attempt
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.hold import Hold
from signals_app.ledger import ClaimedDelivery
from signals_app.processes import current_process

logger = logging.getLogger("signals_app.worker")

_may_claim = RawValue("b", 1)  # shared with the processes forked from this one; has no lock that could die
_stranded: list[ClaimedDelivery] = []  # claimed, not begun, and not yet given back

QUICK = 0.005  # seconds: while deliveries take less on average, a claim may take twice as many


def drain(queue: str) -> int:
    """Run due deliveries of a queue until none is due or the time slice is over; return how many were run.

    A time slice keeps Django-Q's plain tasks from starving behind a long queue.
    """
    reset_queries()  # a worker has no requests that would do it
    _return([])
    end = time.monotonic() + conf.time_slice
    owner = str(current_process())
    limit, ran = 1, 0
    while _may_claim.value:
        claimed = ledger.claim(queue, owner=owner, limit=limit, lease=conf.lease)
        if not claimed:
            break
        started = time.monotonic()
        count = _run_all(claimed)
        ran += count
        if time.monotonic() > end:
            break
        is_quick = count == len(claimed) and time.monotonic() - started < QUICK * count
        limit = min(limit * 2, conf.batch) if is_quick else 1
    return ran


def may_claim(value: bool) -> None:
    """Let the workers of this process's cluster claim, or have them stop after what they run."""
    _may_claim.value = value


def _run_all(claimed: list[ClaimedDelivery]) -> int:
    """Run what one claim took; return how many were run."""
    now, later = _apart(claimed)
    _return(later)
    hold = Hold(now)
    count = 0
    with heartbeat.of_process(os.getpid()).over(hold):
        try:
            while (one := hold.take()) is not None:
                if _still_ours(one, hold):
                    _run(one, hold)
                    count += 1
        finally:
            _return(hold.take_rest())
    return count


def _apart(claimed: list[ClaimedDelivery]) -> tuple[list[ClaimedDelivery], list[ClaimedDelivery]]:
    """Split a claim in what runs now and what goes back, so that a delivery that was ever lost runs alone.

    A receiver that kills its worker is so charged alone, and its neighbours are not.
    """
    for position, one in enumerate(claimed):
        if one.losses:
            return claimed[: position or 1], claimed[position or 1 :]
    return claimed, []


def _return(rest: list[ClaimedDelivery]) -> None:
    """Give back what has not begun; where the database does not take it, keep it for the next drain to try."""
    rest = _stranded + rest
    _stranded.clear()
    try:
        ledger.give_back(rest)
    except Error as error:
        logger.warning("%d deliveries cannot be given back yet: %s", len(rest), error)
        _stranded.extend(rest)


def _still_ours(claimed: ClaimedDelivery, hold: Hold) -> bool:
    """Make sure of the lease where this process may have stood still since the claim."""
    if time.monotonic() - hold.claimed_at < conf.lease / 2:
        return True
    return ledger.renew(claimed, lease=conf.lease)


def _run(claimed: ClaimedDelivery, hold: Hold) -> None:
    receiver = registry.get(claimed.receiver)
    if receiver is not None:
        attempt(claimed, receiver, hold)
        return
    logger.warning(
        "Delivery %d waits for the receiver %r, which this worker does not know.", claimed.id, claimed.receiver
    )
    ledger.give_back_unroutable(claimed, delay=conf.unroutable_delay)
