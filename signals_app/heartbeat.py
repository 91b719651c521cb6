"""A worker's second thread: renews the lease of a long run, frees what waits behind it, ends what cannot be stopped."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

from django.db import Error, connections, transaction

from signals_app import ledger
from signals_app.attempt import announce_bad_end
from signals_app.conf import conf
from signals_app.hold import Hold, Run
from signals_app.ledger import ClaimedDelivery
from signals_app.timeouts import TimedOut
from signals_app.verdict import judge

logger = logging.getLogger("signals_app.worker")

TICK = 0.25  # seconds between two looks at the worker; a run that sees one is slow
FIRST_RENEWAL = 1.0  # seconds a run lasts before its lease is renewed for the first time


class Heartbeat:
    """One per worker process. It sleeps unless the worker holds deliveries."""

    def __init__(self) -> None:
        self._hold: Hold | None = None
        self._held = threading.Event()
        self._renewed = 0.0
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    @contextmanager
    def over(self, hold: Hold) -> Iterator[None]:
        """Watch over a hold while the block runs."""
        self._hold = hold
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()
            self._hold = None

    def _beat(self) -> None:
        while True:
            self._held.wait()
            time.sleep(TICK)
            hold = self._hold
            run = hold.run if hold else None
            if hold and run and run.seconds >= TICK:
                try:
                    self._stay_with(hold, run)
                except Exception:  # this thread has to outlive whatever one run brings
                    logger.exception("The heartbeat of delivery %d failed.", run.claimed.id)

    def _stay_with(self, hold: Hold, run: Run) -> None:
        """Look after one slow run until it ends."""
        self._renewed, steps = run.since, (0, 0)
        try:
            while hold.run is run:
                if run.seconds > run.timeout + conf.grace:
                    self._end_process(hold, run)
                try:
                    self._look(hold, run)
                    if run.current.steps != steps:
                        steps = run.current.steps
                        with _briefly():
                            ledger.report_progress(run.claimed, done=steps[0], total=steps[1])
                except Error as error:
                    # an atomic receiver on SQLite holds the only write lock; nobody can take the lease over either
                    logger.debug("No heartbeat for delivery %d: %s", run.claimed.id, error)
                time.sleep(TICK)
        finally:
            connections.close_all()  # this thread's own

    def _look(self, hold: Hold, run: Run) -> None:
        hold.give_back_rest(_give_back)
        renewal = FIRST_RENEWAL if self._renewed == run.since else conf.heartbeat
        if time.monotonic() - self._renewed >= renewal:
            self._renewed = time.monotonic()
            with _briefly():
                ours = ledger.renew(run.claimed, lease=conf.lease) or ledger.is_successful(run.claimed)
            if not ours:
                logger.warning("Delivery %d was taken over while it runs here.", run.claimed.id)

    def _end_process(self, hold: Hold, run: Run) -> None:
        """Record the timeout of a receiver that nothing interrupts, and end this process with it."""
        with hold.lock:
            if hold.run is not run:
                return
            error = TimedOut(
                f"The receiver did not stop at its timeout of {run.timeout:g} s, nor within {conf.grace:g} s more; "
                "its worker process was ended."
            )
            end = replace(judge(error, run.claimed, run.receiver, ran=run.seconds), traceback=_main_stack())
            try:
                with _briefly():
                    recorded = ledger.end_badly(run.claimed, end)
                if recorded:
                    announce_bad_end(run, end, error)
            except Error:  # then it is found lost, and says so
                logger.exception("The timeout of delivery %d was not recorded.", run.claimed.id)
            logger.critical("%s Delivery %d, %s.", error, run.claimed.id, run.claimed.receiver)
            logging.shutdown()
            os._exit(70)


def _give_back(rest: Sequence[ClaimedDelivery]) -> None:
    """Give back in a transaction of its own: once this returns, it is done."""
    with _briefly():
        ledger.give_back(rest)


@contextmanager
def _briefly() -> Iterator[None]:
    """A transaction that waits a moment only for a lock: the receiver's own may hold it for long."""
    db = ledger.connection()
    if db.vendor == "sqlite":
        with db.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 200")
    with transaction.atomic(using=db.alias):
        if db.vendor == "postgresql":
            with db.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
        yield


def _main_stack() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else ""


@lru_cache(maxsize=1)  # a fork changes the pid, and has none of its parent's threads
def of_process(pid: int) -> Heartbeat:
    """Return the heartbeat of the calling process; ``pid`` is its own."""
    return Heartbeat()
