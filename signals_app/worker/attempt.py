"""One attempt: run the receiver of a claimed delivery and record how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from django.db import DataError, Error, transaction

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.context import restored
from signals_app.dispatcher.current import CurrentDelivery, running
from signals_app.exceptions import Defer, LeaseLost, NotBegun
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Outcome, State
from signals_app.payloads import names
from signals_app.processes.liveness import liveness
from signals_app.processes.tree import ForkGuard
from signals_app.redaction.logs import get_logger
from signals_app.worker.connections import Sessions, reconnect, retry_while_unavailable
from signals_app.worker.failures import Deferral, classify, deferral
from signals_app.worker.heartbeat import ClaimedBatch, Run
from signals_app.worker.timeouts import call_within

logger = get_logger("signals_app.worker")

KEPT = 0.02  # seconds for which a success may wait, to be recorded along with others
QUICK = 0.002  # seconds; while a receiver's last run in this process took less, it is known to be quick

_took: dict[str, float] = {}  # the seconds of that run, by receiver


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


def may_wait(claimed: ClaimedDelivery, receiver: QueuedReceiver | None) -> bool:
    """Tell whether the success of a delivery may be recorded a moment later, along with others.

    If its worker dies meanwhile it runs once more, uncharged, in a claim that is not its first: only once, therefore,
    and never where a second run is one too many, nor where something else waits for its end.
    """
    is_alone = not (claimed.lane or claimed.coalesce_key or claimed.batch)
    is_first = claimed.token == 1 and not claimed.is_last_attempt
    return is_first and is_alone and receiver is not None and not receiver.options.atomic


def goes_on(batch: ClaimedBatch, claimed: ClaimedDelivery) -> bool:
    """Tell whether a delivery may begin before what the batch keeps is recorded."""
    if not batch.kept:
        return True
    is_quick = _took.get(claimed.receiver, QUICK) < QUICK and may_wait(claimed, registry.get(claimed.receiver))
    return is_quick and time.monotonic() - (batch.kept[0].ended_at or 0) < KEPT


def record_kept(batch: ClaimedBatch) -> None:
    """Record the successes that a batch keeps, by one statement, and then tell of them.

    Raises the database's error where one cannot be recorded within a lease of its claim; that one, and those after it,
    are left in the batch.
    """
    kept = [run for run in batch.kept if not run.is_recorded]
    try:
        are_recorded = not kept or ledger.succeed_together([run.success() for run in kept])
    except Error as error:
        if not reconnect(error):
            raise
        are_recorded = False
    while batch.kept:
        run = batch.kept[0]
        stands = are_recorded or run.is_recorded or _record_kept(run, batch)
        del batch.kept[0]
        run.context.run(_tell_success if stands else _record_stale, run)


def _record_kept(run: Run, batch: ClaimedBatch) -> bool:
    """Record one of them where not all could be; it may be on the record by now, as an answer may have been lost."""

    def record() -> bool:
        return _stands(ledger.is_successful, run.claimed) or ledger.succeed_together([run.success()])

    return retry_while_unavailable(record, seconds=conf.lease - (time.monotonic() - batch.claimed_at))


def _keep(run: Run, batch: ClaimedBatch) -> None:
    liveness.run(0)  # if this process dies now, none of its deliveries is to blame
    run.ended_at = time.monotonic()
    with batch.lock:
        batch.kept.append(run)


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
        batch.begun = None  # rolled back with it, or found out again
        sessions.mend()
        record_kept(batch)
        if is_atomic and retry_while_unavailable(lambda: _stands(ledger.is_successful, claimed), seconds=conf.lease):
            # the commit's answer was lost on the way, or a function given to on_commit() failed after it
            logger.exception("Delivery %d is SUCCESSFUL; what followed its commit failed.", claimed.id)
            _tell_success(run)
        elif end is None:  # no memory was left to classify it
            raise
        else:
            _record_end(run, end, error)
    else:
        _record_success(run, batch)


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
        if not _succeed(run, batch):
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


def _record_success(run: Run, batch: ClaimedBatch) -> None:
    claimed, receiver = run.claimed, run.receiver
    took = _took[claimed.receiver] = run.seconds
    can_wait = may_wait(claimed, receiver) and not run.current.result
    if can_wait and (batch.kept or (took < QUICK and not batch.is_last)):
        _keep(run, batch)
        if took >= QUICK:
            record_kept(batch)
    elif receiver.options.atomic or _record(lambda: _succeed(run, batch), ledger.is_successful, claimed):
        _tell_success(run)
    else:
        _record_stale(run)


def _succeed(run: Run, batch: ClaimedBatch) -> bool:
    claimed = run.claimed
    done, total = run.current.steps
    said: dict[str, Any] = {"ran": run.seconds, "done": done, "total": total, "result": run.current.result}
    batch.begun = None  # of a try whose transaction was lost
    following = _following(claimed, batch) if claimed.batch is None else None
    if following is None:
        return ledger.succeed(claimed, **said, hand_on=partial(_hand_on, run, batch) if claimed.lane else None)
    has_ended, has_begun = ledger.succeed_and_hand_on(claimed, following, **said)
    batch.begun = following.id if has_begun else None
    return has_ended


def _hand_on(run: Run, batch: ClaimedBatch) -> bool:
    """Begin the next of an ordered lane, in the transaction in which one of it ends; False where this is another's.

    Otherwise two workers would take turns at a lane, each parking what the other one may run next.
    """
    if _is_in_order(run.claimed):
        batch.take_on(run.claimed, limit=conf.batch if run.seconds < ledger.QUICK else 1)
    following = _following(run.claimed, batch)
    if following is None or not ledger.hand_on(following):
        return False
    batch.begun = following.id
    return True


def _following(claimed: ClaimedDelivery, batch: ClaimedBatch) -> ClaimedDelivery | None:
    """Return the next of an ordered lane that the worker holds; its lane is the same."""
    if not claimed.lane or not _is_in_order(claimed):
        return None
    following = batch.following(claimed)
    return following if following and _is_in_order(following) else None


def _is_in_order(claimed: ClaimedDelivery) -> bool:
    """Tell whether its lane decides alone whether a delivery may begin, and lets one of it run at a time."""
    receiver = registry.get(claimed.receiver)
    return receiver is not None and not (receiver.options.concurrency or receiver.options.rate or claimed.coalesce_key)


def _tell_success(run: Run) -> None:
    events.succeeded(run.claimed, receiver=run.receiver, seconds=run.seconds)


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
