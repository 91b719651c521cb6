"""One attempt: run the receiver of a claimed delivery and record how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from signals_app import ledger, naming, payloads, signals
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import LeaseLost, MissingObject
from signals_app.hold import Hold, Run
from signals_app.ledger import ClaimedDelivery
from signals_app.models import State
from signals_app.running import CurrentDelivery, running
from signals_app.sessions import Sessions
from signals_app.timeouts import call_within
from signals_app.verdict import judge

logger = logging.getLogger("signals_app.worker")


def attempt(claimed: ClaimedDelivery, receiver: QueuedReceiver, hold: Hold) -> None:
    """Run a receiver under its timeout and record the outcome.

    Raises only where the outcome cannot be recorded, not even on a new connection; then the lease runs out.
    """
    signals.delivery_started.send_robust(sender=receiver, delivery=claimed)
    run = _run_of(claimed, receiver)
    sessions = Sessions()
    is_atomic = receiver.options.atomic
    try:
        with hold.running(run):
            (_call_atomically if is_atomic else _call)(run)
        sessions.require_closed()
    except LeaseLost:
        _taken_over(run)
    except BaseException as error:  # SystemExit and the like end the attempt, not the worker
        sessions.mend()
        if is_atomic and ledger.is_successful(claimed):
            # the commit's answer was lost on the way, or a function given to on_commit() failed after it
            logger.exception("Delivery %d is SUCCESSFUL; what followed its commit failed.", claimed.id)
            _succeeded(run)
        elif isinstance(error, MissingObject) and receiver.options.missing == "skip":
            _recorded(lambda: ledger.skip(claimed), lambda: False)
            logger.info("Delivery %d is cancelled: %s", claimed.id, error)
        else:
            _end_badly(error, run)
    else:
        if is_atomic or _recorded(lambda: _succeed(run), lambda: ledger.is_successful(claimed)):
            _succeeded(run)
        else:
            _taken_over(run)


def _run_of(claimed: ClaimedDelivery, receiver: QueuedReceiver) -> Run:
    current = CurrentDelivery(
        delivery_id=claimed.id,
        emission=claimed.emission,
        attempt=claimed.attempt,
        max_attempts=claimed.max_attempts,
    )
    timeout = receiver.options.timeout
    return Run(claimed=claimed, receiver=receiver, current=current, since=time.monotonic(), timeout=timeout)


def _call(run: Run) -> None:
    decoded = payloads.decode_text(run.claimed.payload)
    arguments: dict[str, Any] = {
        **decoded.arguments,
        "signal": naming.find_signal(run.claimed.signal),
        "sender": decoded.sender,
    }
    with running(run.current):
        call_within(run.timeout, run.receiver.func, arguments)


def _call_atomically(run: Run) -> None:
    """Call the receiver and record success in one transaction with the receiver's own writes."""
    with transaction.atomic(using=ledger.connection().alias):
        _call(run)
        if not _succeed(run):
            raise LeaseLost


def _succeed(run: Run) -> bool:
    done, total = run.current.steps
    return ledger.succeed(run.claimed, ran=run.seconds, done=done, total=total)


def _succeeded(run: Run) -> None:
    signals.delivery_succeeded.send_robust(sender=run.receiver, delivery=run.claimed, seconds=run.seconds)


def _taken_over(run: Run) -> None:
    ledger.record_stale(run.claimed, ran=run.seconds)
    logger.warning("Delivery %d was taken over; its result here does not count.", run.claimed.id)


def _end_badly(error: BaseException, run: Run) -> None:
    claimed, receiver = run.claimed, run.receiver
    end = judge(error, claimed, receiver, ran=run.seconds)
    if not _recorded(lambda: ledger.end_badly(claimed, end), lambda: ledger.has_ended_badly(claimed)):
        logger.warning("Delivery %d was taken over; its error here does not count.", claimed.id)
        return
    announce_bad_end(run, end, error)


def announce_bad_end(run: Run, end: ledger.BadEnd, error: BaseException) -> None:
    """Log a bad end that is on the record, and send the signals that tell of it."""
    claimed, receiver = run.claimed, run.receiver
    signals.delivery_attempt_failed.send_robust(sender=receiver, delivery=claimed, outcome=end.outcome, exception=error)
    fate = "is FAILED" if end.state == State.FAILED else f"runs again in {end.delay:.1f} s"
    logger.warning(
        "Delivery %d (%s) ended its attempt %d of %d with %s and %s.\n%s",
        claimed.id,
        receiver.key,
        claimed.attempt,
        claimed.max_attempts,
        end.outcome,
        fate,
        end.traceback,
    )
    if end.state == State.FAILED:
        signals.delivery_failed.send_robust(sender=receiver, delivery=claimed, outcome=end.outcome, exception=error)


def _recorded(write: Callable[[], bool], already: Callable[[], bool]) -> bool:
    """Write an outcome; where the connection is lost over it, look on a new one whether it was written, or write again.

    A long receiver is the likeliest to find its connection gone.
    """
    try:
        return write()
    except (OperationalError, InterfaceError) as error:
        db = ledger.connection()
        if db.in_atomic_block:
            raise
        logger.warning("An outcome is written again on a new connection: %s", error)
        db.close()
        return already() or write()
