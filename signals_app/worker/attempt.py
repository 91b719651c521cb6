"""One attempt: run the receiver of a claimed delivery and record how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from django.db import DataError, Error, transaction

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.dispatcher.context import restored
from signals_app.dispatcher.current import CurrentDelivery, running
from signals_app.exceptions import Defer, LeaseLost, NotBegun
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Outcome, State
from signals_app.payloads import names
from signals_app.processes.tree import ForkGuard
from signals_app.redaction.logs import get_logger
from signals_app.worker.connections import Sessions, reconnect, retry_while_unavailable
from signals_app.worker.failures import Deferral, classify, deferral
from signals_app.worker.heartbeat import ClaimedBatch, Run
from signals_app.worker.timeouts import call_within

logger = get_logger("signals_app.worker")


def attempt(claimed: ClaimedDelivery, receiver: QueuedReceiver, batch: ClaimedBatch) -> None:
    """Run a receiver under its timeout and record the outcome.

    Raises NotBegun where the database fails before the receiver is called, and the database's error where the outcome
    cannot be recorded, not even after as many tries as fit in a lease; then the lease runs out.
    """
    if seconds_left(claimed, receiver) <= 0:
        expire(claimed, f"It was not begun within {receiver.options.expires:g} s of its send.")
        return
    current = CurrentDelivery(
        id=claimed.id,
        emission=claimed.emission,
        attempt=claimed.attempt,
        max_attempts=claimed.max_attempts,
        depth=claimed.depth,
    )
    with events.attempt_span(claimed):
        _attempt(Run(claimed=claimed, receiver=receiver, current=current, timeout=receiver.options.timeout), batch)


def seconds_left(claimed: ClaimedDelivery, receiver: QueuedReceiver) -> float:
    """Return for how long a delivery may still be begun. Raises NotBegun where the database fails."""
    expires = receiver.options.expires
    if not expires or claimed.attempt > 1:
        return math.inf
    with before_it_begins():
        return expires - ledger.age_of(claimed)


@contextmanager
def before_it_begins() -> Iterator[None]:
    """Raise NotBegun where the database fails in the block."""
    try:
        yield
    except Error as error:
        reconnect(error)
        raise NotBegun(str(error)) from error


def expire(claimed: ClaimedDelivery, reason: str) -> None:
    """Record that a delivery is not begun any more."""
    end = Failure(outcome=Outcome.EXPIRED, state=State.CANCELLED, ran=0.0, message=reason)
    if _record(lambda: ledger.record_failure(claimed, end), ledger.has_failed, claimed):
        events.cancelled(claimed, outcome=end.outcome, seconds=0.0, reason=reason)


def _attempt(run: Run, batch: ClaimedBatch) -> None:
    claimed, receiver = run.claimed, run.receiver
    events.started(claimed, receiver=receiver, wait=max(0.0, claimed.waited + run.since - batch.claimed_at))
    sessions = Sessions()
    is_atomic = receiver.options.atomic
    end: Failure | Deferral | None = None
    try:
        with batch, running(run.current), ForkGuard():
            try:
                (_call_atomically if is_atomic else _call)(run, batch, sessions)
                sessions.require_closed()
            except (NotBegun, LeaseLost):
                raise
            except BaseException as error:
                # a backoff, or the text of an error, may take for ever: the heartbeat, which still watches, ends it
                batch.is_judged = True
                is_deferral = issubclass(type(error), Defer)
                end = (deferral if is_deferral else classify)(error, claimed, receiver, ran=run.seconds)
                raise
    except NotBegun:
        raise
    except LeaseLost:
        sessions.mend()
        _record_stale(run)
    except BaseException as error:  # SystemExit and the like end the attempt, not the worker
        sessions.mend()
        if is_atomic and retry_while_unavailable(lambda: _stands(ledger.is_successful, claimed), seconds=conf.lease):
            # the commit's answer was lost on the way, or a function given to on_commit() failed after it
            logger.exception("Delivery %d is SUCCESSFUL; what followed its commit failed.", claimed.id)
            events.succeeded(claimed, receiver=receiver, seconds=run.seconds)
        elif end is None:  # no memory was left to classify it
            raise
        else:
            _record_end(run, end, error)
    else:
        if is_atomic or _record(lambda: _succeed(run), ledger.is_successful, claimed):
            events.succeeded(claimed, receiver=receiver, seconds=run.seconds)
        else:
            _record_stale(run)


def _call(run: Run, batch: ClaimedBatch, sessions: Sessions) -> None:
    batch.begin(run)
    context = ExitStack() if run.claimed.context else None
    try:
        try:
            call_within(run.timeout, _receive, {"run": run, "sessions": sessions, "context": context})
        finally:
            sessions.unwatch()
        if run.receiver.options.atomic:
            sessions.restore()
    except BaseException as error:
        if context is not None:
            with suppress(Exception):  # it may need SQL, which a broken transaction refuses; the first error counts
                context.__exit__(type(error), error, error.__traceback__)
        raise
    if context is not None:
        context.close()


def _receive(run: Run, sessions: Sessions, context: ExitStack | None) -> Any:
    """Call the receiver in the project's context, which stays entered for what a coroutine still has to do."""
    if context is not None:
        context.enter_context(restored(run.claimed.context))
    sessions.watch(anew=context is not None)  # what the context does to its session is not the receiver's
    decoded = payloads.decode_arguments(run.claimed.payload)
    signal = names.find_signal(run.claimed.signal)
    return run.receiver.func(signal=signal, sender=decoded.sender, **decoded.arguments)


def _call_atomically(run: Run, batch: ClaimedBatch, sessions: Sessions) -> None:
    """Call the receiver and record success in one transaction with the receiver's own writes.

    The transaction may have to wait for SQLite's one write lock; the receiver's time begins after that.
    """
    with ExitStack() as stack:
        with before_it_begins():
            stack.enter_context(transaction.atomic(using=ledger.connection().alias))
        _call(run, batch, sessions)
        if not _succeed(run):
            raise LeaseLost
        _commit(stack, run)


def _commit(stack: ExitStack, run: Run) -> None:
    """Commit, and have what the receiver gave to on_commit() run in the project's context, which suppresses nothing."""
    failed: BaseException | None = None
    with restored(run.claimed.context) if ledger.connection().run_on_commit else nullcontext():
        try:
            stack.close()
        except BaseException as error:
            failed = error
            raise
    if failed is not None:
        raise failed


def _succeed(run: Run) -> bool:
    done, total = run.current.steps
    return ledger.succeed(run.claimed, ran=run.seconds, done=done, total=total)


def _record_stale(run: Run) -> None:
    retry_while_unavailable(lambda: ledger.record_stale(run.claimed, ran=run.seconds), seconds=conf.lease)
    events.stale(run.claimed, seconds=run.seconds)


def _record_end(run: Run, end: Failure | Deferral, error: BaseException) -> None:
    if isinstance(end, Failure):
        _record_failure(run, end, error)
    elif _record(lambda: ledger.defer(run.claimed, delay=end.delay), ledger.is_deferred, run.claimed):
        events.deferred(run.claimed, seconds=end.ran, delay=end.delay, reason=end.reason)
    else:
        _record_stale(run)


def _record_failure(run: Run, end: Failure, error: BaseException) -> None:
    claimed = run.claimed
    try:
        is_recorded = _record(lambda: ledger.record_failure(claimed, end), ledger.has_failed, claimed)
    except DataError as refused:
        logger.warning("The texts of delivery %d's error are recorded as ASCII: %s", claimed.id, refused)
        end = end.in_ascii()
        is_recorded = _record(lambda: ledger.record_failure(claimed, end), ledger.has_failed, claimed)
    if not is_recorded:
        events.stale(claimed, seconds=end.ran)
    elif end.state == State.CANCELLED:
        events.cancelled(claimed, outcome=end.outcome, seconds=end.ran, reason=end.message)
    else:
        events.failed(claimed, end, receiver=run.receiver, error=error)


def _record(write: Callable[[], bool], already: Callable[[ClaimedDelivery], bool], claimed: ClaimedDelivery) -> bool:
    """Write an outcome; where that costs the connection, check on a new one whether it was written, or retry.

    A long receiver is the likeliest to find its connection gone. After a lease others decide, and nobody waits for us.
    """
    tries = iter((write,))

    def settle() -> bool:
        return next(tries, lambda: _stands(already, claimed) or write())()

    return retry_while_unavailable(settle, seconds=conf.lease)


def _stands(already: Callable[[ClaimedDelivery], bool], claimed: ClaimedDelivery) -> bool:
    """Tell whether an outcome is on the record, though a lost connection of ours may still be writing it."""
    ledger.wait_for_writer(claimed)
    return already(claimed)
