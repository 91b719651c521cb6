"""What a worker holds, and the second thread that watches over it.

The thread renews the lease of a long run, gives back what waits behind it, and ends what cannot be stopped.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType

from django.db import Error, connections

from signals_app import events, ledger
from signals_app.backoff import exponential
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.dispatcher.current import CurrentDelivery
from signals_app.ledger import ClaimedDelivery, Success
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker.failures import classify
from signals_app.worker.timeouts import TimedOut, stop_receiver

logger = get_logger("signals_app.worker")

TICK = 0.25  # seconds between two looks at the worker; a run that lasts through one is slow
LAST_WAIT = 5.0  # seconds to wait for a lock before the process ends without recording why
FIRST_RENEWAL = 1.0  # seconds after which the lease of a run is renewed for the first time


@dataclass(slots=True, kw_only=True)
class Run:
    """A receiver at work. ``since`` is a reading of the monotonic clock, ``timeout`` is in seconds."""

    claimed: ClaimedDelivery
    receiver: QueuedReceiver
    current: CurrentDelivery
    timeout: float
    since: float = field(default_factory=time.monotonic)
    context: Context = field(default_factory=copy_context)  # in which a success that is kept is told of
    ended_at: float | None = None  # a reading of the same clock, of a success that is kept
    is_recorded: bool = False  # by the heartbeat

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        return (self.ended_at or time.monotonic()) - self.since

    def success(self) -> Success:
        """Return the success of a run that has ended."""
        now, (done, total) = time.monotonic(), self.current.steps
        began, ended = now - self.since, now - (self.ended_at or now)
        return Success(claimed=self.claimed, began=began, ended=ended, done=done, total=total)


class ClaimedBatch:
    """Shared by the worker's main thread, which takes from it, and its heartbeat, which may give the rest back.

    The heartbeat watches over a run that begins within a ``with`` block of it; after the block the main thread alone
    decides.
    """

    def __init__(self, claimed: Sequence[ClaimedDelivery], *, until: float = -math.inf) -> None:
        self.until = until  # on the monotonic clock: after that it takes on no more
        self.session = ledger.connection()  # the main thread's, in which its receivers write
        self.claimed_in = self.session.connection
        self.is_private = self.session.in_atomic_block  # claimed within a test's transaction, so nobody else sees it
        self.lock = threading.RLock()  # whoever has it decides what becomes of the run and of the rest
        self._waiting = deque(claimed)
        self.run: Run | None = None  # the receiver at work right now
        self.taken: ClaimedDelivery | None = None  # the delivery that was taken last
        self.kept: list[Run] = []  # what succeeded and is not recorded yet, or not told of
        self.begun: int | None = None  # what the one before it has handed its lane on to
        self.claimed_at = time.monotonic()
        self.took = 0.0  # seconds of its receivers so far
        self.is_judged = False  # whether the main thread asks what its error means, and so the receiver's own backoff
        self.is_certain = True  # False once some of it may have been given back without our knowing

    def take(self) -> ClaimedDelivery | None:
        """Return the next delivery to run, or None when none is left."""
        with self.lock:
            self.taken = self._waiting.popleft() if self._waiting else None
            return self.taken

    def take_rest(self) -> list[ClaimedDelivery]:
        """Return every delivery that has not begun; they are the caller's to give back."""
        with self.lock:
            rest = list(self._waiting)
            self._waiting.clear()
        return rest

    def following(self, claimed: ClaimedDelivery) -> ClaimedDelivery | None:
        """Return the delivery that this worker runs next, where it is of the same lane."""
        with self.lock:
            following = self._waiting[0] if self._waiting else None
        return following if following and following.lane == claimed.lane else None

    def take_on(self, claimed: ClaimedDelivery, *, limit: int) -> None:
        """Claim what is behind a delivery that ends in this transaction, where nothing else waits."""
        with self.lock:
            if not self._waiting and time.monotonic() < self.until and liveness.may_claim:
                self._waiting.extend(ledger.claim_next(claimed, limit=limit, lease=conf.lease))
                self.claimed_at = time.monotonic()

    def park(self, claimed: ClaimedDelivery, *, slots: int) -> None:
        """Park a delivery that was taken, and those of its lane that follow; where that raises they stay."""
        with self.lock:
            same = [one for one in self._waiting if one.lane == claimed.lane]
            ledger.park_behind([claimed, *same], slots=slots)
            self._waiting = deque(one for one in self._waiting if one.lane != claimed.lane)

    def give_back_rest(self) -> None:
        """Give back every delivery that has not begun; where that raises they stay in the batch."""
        with self.lock:
            if self._waiting and not self.is_private:
                self.is_certain = False
                with ledger.short_lock_timeout():  # a transaction of its own: once it ends, they are given back
                    ledger.give_back(tuple(self._waiting))
                self._waiting.clear()
                self.is_certain = True

    @property
    def is_last(self) -> bool:
        """Whether nothing waits behind what was taken."""
        return not self._waiting

    def record_kept(self) -> None:
        """Record what is kept beside a run that turned out slow; the main thread tells of it, or of what is refused."""
        with self.lock:
            kept = [run for run in self.kept if not run.is_recorded]
            if kept and not self.is_private:
                with ledger.short_lock_timeout():
                    is_recorded = ledger.succeed_together([run.success() for run in kept])
                for run in kept:
                    run.is_recorded = is_recorded

    def give_up_kept(self) -> list[tuple[int, int]]:
        """Keep nothing any more; return the ids and tokens of what could not be recorded."""
        with self.lock:
            kept, self.kept = self.kept, []
        return [(run.claimed.id, run.claimed.token) for run in kept]

    def begin(self, run: Run) -> None:
        """Note that a receiver is at work: its time begins now, whatever its transaction had to wait for."""
        self.is_judged = False
        run.since = time.monotonic()
        self.run = run

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        with self.lock:  # waits for the heartbeat, if that ends the run just now
            if self.run is not None:
                self.took += self.run.seconds
            self.run = None


class Heartbeat:
    """One per worker process. It sleeps unless the worker holds deliveries."""

    def __init__(self) -> None:
        self._batch: ClaimedBatch | None = None
        self._is_watching = threading.Event()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def watch(self, batch: ClaimedBatch) -> None:
        """Watch over a batch until ``rest()``."""
        self._batch = batch
        self._is_watching.set()

    def rest(self) -> None:
        """Sleep until the next batch."""
        self._is_watching.clear()
        self._batch = None

    def _beat(self) -> None:
        while True:
            self._is_watching.wait()
            batch = self._batch
            if batch and (taken := batch.taken):  # read once: the main thread may take the next at any moment
                liveness.beat(taken.id)
            time.sleep(TICK)
            batch = self._batch
            run = batch.run if batch else None
            if batch and run and run.seconds >= TICK:
                try:
                    _stay_with(batch, run)
                except Exception:  # this thread has to survive whatever happens in one run
                    logger.exception("The heartbeat of delivery %d failed.", run.claimed.id)


def _stay_with(batch: ClaimedBatch, run: Run) -> None:
    """Watch over one slow run until it ends."""
    renewed, renew_after, steps = run.since, FIRST_RENEWAL, (0, 0)
    try:
        while batch.run is run:
            liveness.beat(run.claimed.id)
            if run.seconds > run.timeout + conf.grace:
                _end_process(batch, run)
            try:
                batch.record_kept()
                batch.give_back_rest()
                if not batch.is_private and time.monotonic() - renewed >= renew_after:
                    renewed, renew_after = time.monotonic(), conf.heartbeat
                    with ledger.short_lock_timeout():
                        ours = ledger.renew(run.claimed, lease=conf.lease) or ledger.is_successful(run.claimed)
                    if not ours:
                        logger.warning("Delivery %d was cancelled or taken over while it runs here.", run.claimed.id)
                        with batch.lock:
                            if batch.run is run:
                                stop_receiver()
                if run.current.steps != steps:
                    steps = run.current.steps
                    with ledger.short_lock_timeout():
                        ledger.report_progress(run.claimed, done=steps[0], total=steps[1])
            except Error as error:
                # an atomic receiver on SQLite holds the only write lock, and the pusher knows that it is alive
                logger.debug("No heartbeat for delivery %d: %s", run.claimed.id, error)
            time.sleep(TICK)
    finally:
        connections.close_all()  # this thread's own


def _end_process(batch: ClaimedBatch, run: Run) -> None:
    """Record the timeout of a receiver that nothing interrupts, and end this process with it."""
    with batch.lock:
        if batch.run is not run:
            return
        error = TimedOut(
            f"The receiver did not stop at its timeout of {run.timeout:g} s, nor within {conf.grace:g} s more; "
            "its worker process was ended."
        ).with_traceback(_where_main_is())
        backoff = exponential() if batch.is_judged else None  # the receiver's own may be what hangs
        end = classify(error, run.claimed, run.receiver, ran=run.seconds, backoff=backoff)
        # its session may hold SQLite's one write lock. It is closed, which undoes what it began, and not rolled back: a
        # receiver that woke up in between would write without a transaction
        session = batch.session
        if session.connection is not None:
            with suppress(Error), session.wrap_database_errors:
                ledger.database(session).free_write_lock(session.connection)
        with suppress(Error):  # then they run once more
            batch.record_kept()
        try:
            with ledger.short_lock_timeout(LAST_WAIT):
                ledger.give_back(batch.take_rest())
                recorded = ledger.record_failure(run.claimed, end)
            if recorded:
                events.failed(run.claimed, end, receiver=run.receiver, error=error)
            else:
                events.stale(run.claimed, seconds=end.ran)
            for one in batch.kept:
                if one.is_recorded:
                    events.succeeded(one.claimed, receiver=one.receiver, seconds=one.seconds)
            events.write(beside=True)
        except Error:  # then it is recorded as lost later
            logger.exception("The timeout of delivery %d was not recorded.", run.claimed.id)
        logger.critical("%s Delivery %d, %s.", error, run.claimed.id, run.claimed.receiver)
        logging.shutdown()
        os._exit(70)


def _where_main_is() -> TracebackType | None:
    """Return the main thread's stack as the traceback of an error raised there."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    trace: TracebackType | None = None
    while frame:
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 0)
        frame = frame.f_back
    return trace


@lru_cache(maxsize=1)  # a fork changes the pid, and has none of its parent's threads
def heartbeat_of(pid: int) -> Heartbeat:
    """Return the heartbeat of the calling process; ``pid`` is its own."""
    return Heartbeat()
