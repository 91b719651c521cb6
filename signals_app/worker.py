"""The receiving side: on a hint, claim what is due, run it and record how it ended, until nothing is due."""

from __future__ import annotations

import logging
import os
import time
from contextlib import nullcontext
from typing import Any

from django.db import reset_queries, transaction

from signals_app import heartbeat, ledger, naming, payloads, signals
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.exceptions import LeaseLost, MissingObject
from signals_app.hold import Hold, Run
from signals_app.ledger import ClaimedDelivery
from signals_app.models import State
from signals_app.processes import current_process
from signals_app.running import CurrentDelivery, running
from signals_app.timeouts import call_within
from signals_app.verdict import judge

logger = logging.getLogger("signals_app.worker")

QUICK = 0.005  # seconds: while deliveries take less on average, a claim may take twice as many


def drain(queue: str) -> int:
    """Run due deliveries of a queue until none is due or the time slice is over; return how many were run.

    A time slice keeps Django-Q's plain tasks from starving behind a long queue.
    """
    reset_queries()  # a worker has no requests that would do it
    end = time.monotonic() + conf.time_slice
    owner = str(current_process())
    limit, ran = 1, 0
    while True:
        claimed = ledger.claim(queue, owner=owner, limit=limit, lease=conf.lease)
        if not claimed:
            return ran
        started = time.monotonic()
        ran += _run_all(claimed)
        if time.monotonic() > end:
            return ran
        is_quick = time.monotonic() - started < QUICK * len(claimed)
        limit = min(limit * 2, conf.batch) if is_quick else 1


def _run_all(claimed: list[ClaimedDelivery]) -> int:
    """Run what one claim took; return how many were run."""
    claimed, alone = _apart(claimed)
    ledger.give_back(alone)
    hold = Hold(claimed)
    count = 0
    with heartbeat.of_process(os.getpid()).over(hold):
        try:
            while (one := hold.take()) is not None:
                if _still_ours(one, hold):
                    _run(one, hold)
                    count += 1
        finally:
            ledger.give_back(hold.take_rest())
    return count


def _apart(claimed: list[ClaimedDelivery]) -> tuple[list[ClaimedDelivery], list[ClaimedDelivery]]:
    """Split a claim in what runs now and what goes back, so that nothing shares a claim with a second attempt.

    A receiver that kills its worker is so charged alone, and its neighbours are not.
    """
    for position, one in enumerate(claimed):
        if one.attempt > 1:
            return claimed[: position or 1], claimed[position or 1 :]
    return claimed, []


def _still_ours(claimed: ClaimedDelivery, hold: Hold) -> bool:
    """Make sure of the lease where this process may have stood still since the claim."""
    if time.monotonic() - hold.claimed_at < conf.lease / 2:
        return True
    return ledger.renew(claimed, lease=conf.lease)


def _run(claimed: ClaimedDelivery, hold: Hold) -> None:
    receiver = registry.get(claimed.receiver)
    if receiver is None:
        logger.warning(
            "Delivery %d waits for the receiver %r, which this worker does not know.",
            claimed.id,
            claimed.receiver,
        )
        ledger.give_back_unroutable(claimed, delay=conf.unroutable_delay)
        return
    signals.delivery_started.send_robust(sender=receiver, delivery=claimed)
    run = Run(
        claimed=claimed,
        receiver=receiver,
        since=time.monotonic(),
        timeout=receiver.options.timeout,
    )
    hold.begin(run)
    try:
        arguments = _arguments(claimed)
        _attempt(run, arguments, hold)
    except MissingObject as error:
        _missing(error, run, hold)
    except LeaseLost:
        hold.end()
        ledger.record_stale(claimed, ran=run.seconds)
        logger.warning("Delivery %d was taken over; its result here does not count.", claimed.id)
    except BaseException as error:  # SystemExit and the like end the attempt, not the worker
        hold.end()
        _end_badly(error, run)
    else:
        signals.delivery_succeeded.send_robust(sender=receiver, delivery=claimed, seconds=run.seconds)


def _arguments(claimed: ClaimedDelivery) -> dict[str, Any]:
    decoded = payloads.decode_text(claimed.payload)
    signal = naming.find_signal(claimed.signal)
    return {**decoded.arguments, "signal": signal, "sender": decoded.sender}


def _attempt(run: Run, arguments: dict[str, Any], hold: Hold) -> None:
    """Call the receiver and record success; with ``atomic`` in one transaction with the receiver's own writes."""
    claimed, receiver = run.claimed, run.receiver
    alias = ledger.connection().alias
    current = CurrentDelivery(
        delivery_id=claimed.id,
        emission=claimed.emission,
        attempt=claimed.attempt,
        max_attempts=claimed.max_attempts,
        claimed=claimed,
    )
    with transaction.atomic(using=alias) if receiver.options.atomic else nullcontext():
        with running(current):
            call_within(run.timeout, receiver.func, arguments)
        hold.end()
        if not ledger.succeed(claimed, ran=run.seconds):
            raise LeaseLost


def _missing(error: MissingObject, run: Run, hold: Hold) -> None:
    """End a delivery whose object is gone as its ``missing`` option says."""
    hold.end()
    if run.receiver.options.missing == "skip":
        ledger.skip(run.claimed)
        logger.info("Delivery %d is cancelled: %s", run.claimed.id, error)
    else:
        _end_badly(error, run)


def _end_badly(error: BaseException, run: Run) -> None:
    claimed, receiver = run.claimed, run.receiver
    end = judge(error, claimed, receiver, ran=run.seconds)
    if not ledger.end_badly(claimed, end):
        logger.warning("Delivery %d was taken over; its error here does not count.", claimed.id)
        return
    signals.delivery_attempt_failed.send_robust(sender=receiver, delivery=claimed, outcome=end.outcome, exception=error)
    fate = "is FAILED" if end.state == State.FAILED else f"runs again in {end.delay:.1f} s"
    logger.warning(
        "Delivery %d (%s) ended its attempt %d of %d with %s and %s.",
        claimed.id,
        receiver.key,
        claimed.attempt,
        claimed.max_attempts,
        end.outcome,
        fate,
        exc_info=error,
    )
    if end.state == State.FAILED:
        signals.delivery_failed.send_robust(sender=receiver, delivery=claimed, outcome=end.outcome, exception=error)
