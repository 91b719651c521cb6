"""The loop of a worker: claim what is due and run it until nothing is due, then wait on watch for more, or go."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Sequence

from django.db import Error, reset_queries

from signals_app import events, ledger
from signals_app.conf import conf, is_queue
from signals_app.dispatcher import registry
from signals_app.exceptions import NotBegun
from signals_app.ledger import QUICK, ClaimedDelivery
from signals_app.payloads.errors import shown
from signals_app.processes.identity import current_process
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker.admission import admit
from signals_app.worker.attempt import attempt, goes_on, record_kept
from signals_app.worker.connections import AWAY, FIRST_PAUSE, reconnect, retry_while_unavailable, sleep_for
from signals_app.worker.heartbeat import ClaimedBatch, heartbeat_of
from signals_app.worker.isolation import Isolation
from signals_app.worker.watch import WATCH, duty, stop_listening, wait_for_work

logger = get_logger("signals_app.worker")


class UncertainClaims:
    """Open once the database failed over a claim or a return: a claim may stand although its answer was lost.

    Without it such deliveries would wait for the end of their lease, and be charged an attempt that never began.
    """

    def __init__(self) -> None:
        self.is_open = False
        # ids and tokens of what began and could not be recorded: it ran, so its lease decides
        self.begun: deque[tuple[int, int]] = deque(maxlen=100)

    def release_unstarted(self, queue: str, *, owner: str) -> None:
        """Give back whatever this process holds and has not begun. Call it when it should hold nothing."""
        if self.is_open:
            count = ledger.give_back_unstarted(queue, owner=owner, begun=self.begun)
            self.is_open = False
            if count:
                logger.warning("%d claimed deliveries that had not begun are given back.", count)

    def give_back(self, claimed: Sequence[ClaimedDelivery]) -> None:
        """Give back what has not begun; where the database refuses, the next ``release_unstarted()`` does it."""
        try:
            ledger.give_back(claimed)
        except Error as error:
            logger.warning("%d deliveries cannot be given back yet: %s", len(claimed), error)
            self.is_open = True
            reconnect(error)


_uncertain = UncertainClaims()


class Trouble:
    """While claims fail, each on a new connection, this process waits longer and longer, and may end."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed_at = 0.0
        self._pause = FIRST_PAUSE

    def is_over(self) -> None:
        liveness.claim_succeeded()
        self._since = None

    def goes_on(self, error: Error) -> None:
        """Wait after a failed claim; end the process where the claims of others succeed meanwhile."""
        if not isinstance(error, AWAY):
            liveness.claim_failed()
        now = time.monotonic()
        if self._since is None or now - self._failed_at > conf.stall + conf.lease:  # another reason
            self._since, self._pause = now, FIRST_PAUSE
        self._failed_at = now
        if now - self._since > conf.stall and liveness.claimed_at > self._since:
            logger.critical("The claims of this worker alone have failed for %.0f s; it ends.", conf.stall)
            logging.shutdown()
            os._exit(70)
        self._pause = sleep_for(self._pause)


_trouble = Trouble()


def drain(queue: object) -> int:
    """Run due deliveries of a queue until none is due or the time slice is over; return how many were run.

    A time slice keeps Django-Q's plain tasks from starving behind a long queue. A hint that names no queue is logged
    and runs nothing: an error would only have Django-Q try the same task again.
    """
    if not is_queue(queue):
        logger.error("A hint names no queue but %s; nothing was run for it.", shown(queue))
        return 0
    reset_queries()  # no request does it in a worker
    owner = str(current_process())
    try:
        _uncertain.release_unstarted(queue, owner=owner)
        until, end = time.monotonic() + WATCH, time.monotonic() + conf.time_slice
        ran = _work_through(queue, owner, end)
        _uncertain.release_unstarted(queue, owner=owner)
        while time.monotonic() < end and wait_for_work(queue, until):
            end = time.monotonic() + conf.time_slice
            if count := _work_through(queue, owner, end):
                duty.turns += 1
                ran += count
            _uncertain.release_unstarted(queue, owner=owner)
    except Error as error:
        _uncertain.is_open = True
        if not reconnect(error):
            raise
        does = "reach" if isinstance(error, AWAY) else "use"
        logger.warning("A worker of %s cannot %s the database: %s", queue, does, error)
        _trouble.goes_on(error)
        # at once, since nobody sends a hint for what seems to be running
        retry_while_unavailable(lambda: _uncertain.release_unstarted(queue, owner=owner), seconds=conf.lease)
        return 0
    except BaseException:  # such as Django-Q's timeout of the hint, which may come at any point
        _uncertain.is_open = True
        raise
    finally:
        events.write_after_drain()
    return ran


def _work_through(queue: str, owner: str, end: float) -> int:
    limit, ran, ahead, isolation = 1, 0, ledger.Ahead(), Isolation()
    while liveness.may_claim:
        claimed = ledger.claim(queue, owner=owner, limit=limit, lease=conf.lease, ahead=ahead)
        _trouble.is_over()
        stop_listening(queue)
        if not claimed:
            break
        count, took = _run_all(claimed, isolation, end)
        ran += count
        if time.monotonic() > end:
            break
        # by the receivers' own time: where the database is slow, to claim one by one would only make it slower
        is_quick = count >= len(claimed) and took < QUICK * count
        limit = min(limit * 2, conf.batch) if is_quick else 1
    return ran


def _run_all(claimed: list[ClaimedDelivery], isolation: Isolation, until: float = -math.inf) -> tuple[int, float]:
    """Return how many were run, and for how many seconds their receivers ran."""
    now, later = _apart(claimed)
    _uncertain.give_back(later)
    batch, count = ClaimedBatch(now, until=until), 0
    heartbeat = heartbeat_of(os.getpid())
    heartbeat.watch(batch)
    try:
        while (one := batch.take()) is not None:
            if not goes_on(batch, one):
                isolation.call(record_kept, batch, receiver=batch.kept[-1].claimed.receiver)
            if _still_ours(one, batch):
                liveness.run(one.id)
                isolation.call(_run, one, batch, receiver=one.receiver)
                count += 1
    finally:
        try:
            if batch.kept:
                isolation.call(record_kept, batch, receiver=batch.kept[-1].claimed.receiver)
        finally:
            _uncertain.begun.extend(batch.give_up_kept())
            heartbeat.rest()
            _uncertain.give_back(batch.take_rest())
    return count, batch.took


def _apart(claimed: list[ClaimedDelivery]) -> tuple[list[ClaimedDelivery], list[ClaimedDelivery]]:
    """Split a claim into what runs now and what goes back: a delivery that was ever lost runs alone.

    So a receiver that kills its worker is charged, and its neighbours are not.
    """
    for position, one in enumerate(claimed):
        if one.losses:
            return claimed[: position or 1], claimed[position or 1 :]
    return claimed, []


def _still_ours(claimed: ClaimedDelivery, batch: ClaimedBatch) -> bool:
    """Renew the lease where this process may have stood still since the claim, or given the delivery back after all.

    And where the session of the claim was lost: a crash of the server may have taken the claim back.
    """
    is_certain = batch.is_certain and batch.session.connection is batch.claimed_in
    if is_certain and time.monotonic() - batch.claimed_at < conf.lease / 2:
        return True
    return ledger.renew(claimed, lease=conf.lease)


def _run(claimed: ClaimedDelivery, batch: ClaimedBatch) -> None:
    receiver = registry.find(claimed.receiver)
    if receiver is None:
        ledger.give_back_unroutable(claimed, delay=conf.unroutable_delay)
        events.unroutable(claimed)
        return
    running = claimed
    try:
        if admitted := admit(claimed, receiver, batch):
            running = admitted
            attempt(running, receiver, batch)
    except NotBegun as error:
        logger.warning("Delivery %d goes back before it began: %s", running.id, error)
        _uncertain.give_back([running])
        _uncertain.is_open = True  # it may hold one that it took in its place, without knowing
    except BaseException:
        _uncertain.begun.append((running.id, running.token))
        raise
