"""The loop of a worker: claim what is due, run it, until nothing is due."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Sequence

from django.db import Error, reset_queries

from signals_app import events, ledger
from signals_app.conf import conf, is_queue
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.exceptions import NotBegun
from signals_app.ledger import ClaimedDelivery
from signals_app.payloads.errors import shown
from signals_app.processes.identity import current_process
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker import heartbeat
from signals_app.worker.attempt import attempt
from signals_app.worker.batch import ClaimedBatch
from signals_app.worker.connections import AWAY, Pauses, reconnect, retry_while_unavailable
from signals_app.worker.isolation import Surroundings

logger = get_logger("signals_app.worker")


class UncertainClaims:
    """Opened when the database failed over a claim or a return: a claim may stand although its answer was lost.

    Without it such deliveries would wait for the end of their lease, and be charged an attempt that never began.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._begun: deque[tuple[int, int]] = deque(maxlen=100)  # ids and tokens

    def note_begun(self, claimed: ClaimedDelivery) -> None:
        """Keep what was begun and could not be recorded from being given back: it ran, and its lease decides."""
        self._begun.append((claimed.id, claimed.token))

    def release_unstarted(self, queue: str, *, owner: str) -> None:
        """Give back whatever this process holds and has not begun. Call it when it should hold nothing."""
        if self.is_open:
            count = ledger.give_back_unstarted(queue, owner=owner, begun=self._begun)
            self.is_open = False
            if count:
                logger.warning("%d deliveries that were claimed and had not begun are given back.", count)

    def give_back(self, claimed: Sequence[ClaimedDelivery]) -> None:
        """Give back what has not begun; where the database does not take it, the next ``release_unstarted()`` does."""
        try:
            ledger.give_back(claimed)
        except Error as error:
            logger.warning("%d deliveries cannot be given back yet: %s", len(claimed), error)
            self.is_open = True
            reconnect(error)


_uncertain = UncertainClaims()


class Trouble:
    """What this process does while its claims fail, each on a new connection: it waits longer and longer, and ends."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed_at = 0.0
        self._pauses = Pauses()

    def is_over(self) -> None:
        """Note that a claim succeeded."""
        liveness.claim_succeeded()
        if self._since:
            self._since, self._pauses = None, Pauses()

    def goes_on(self, error: Error) -> None:
        """Wait after a claim that failed; end the process where others' claims succeed meanwhile."""
        if not isinstance(error, AWAY):
            liveness.claim_failed()
        now = time.monotonic()
        if (
            self._since is None or now - self._failed_at > conf.stall + conf.lease
        ):  # what failed long ago had another reason
            self._since, self._pauses = now, Pauses()
        self._failed_at = now
        if now - self._since > conf.stall and liveness.claimed_at > self._since:
            logger.critical("The claims of this worker alone have failed for %.0f s; it ends.", conf.stall)
            logging.shutdown()
            os._exit(70)
        self._pauses.take()


_trouble = Trouble()

QUICK = 0.005  # seconds: while deliveries take less on average, a claim may take twice as many


def drain(queue: object) -> int:
    """Run due deliveries of a queue until none is due or the time slice is over; return how many were run.

    A time slice keeps Django-Q's plain tasks from starving behind a long queue. What is no queue's name is logged and
    nothing is run: an error would only have Django-Q try the same task again.
    """
    if not is_queue(queue):
        logger.error("A hint names no queue but %s; nothing was run for it.", shown(queue))
        return 0
    reset_queries()  # a worker has no requests that would do it
    owner = str(current_process())
    try:
        _uncertain.release_unstarted(queue, owner=owner)
        ran = _work_through(queue, owner)
        _uncertain.release_unstarted(queue, owner=owner)
    except Error as error:
        _uncertain.is_open = True
        if not reconnect(error):
            raise
        does = "reach" if isinstance(error, AWAY) else "use"
        logger.warning("A worker of %s cannot %s the database: %s", queue, does, error)
        _trouble.goes_on(error)
        # now, for nobody sends a hint for what seems to be running
        retry_while_unavailable(lambda: _uncertain.release_unstarted(queue, owner=owner), seconds=conf.lease)
        return 0
    except BaseException:  # such as Django-Q's timeout of the hint, which may come in the middle of anything
        _uncertain.is_open = True
        raise
    finally:
        events.write_after_drain()
    return ran


def _work_through(queue: str, owner: str) -> int:
    """Claim and run, as ``drain`` does; return how many were run."""
    end = time.monotonic() + conf.time_slice
    limit, ran, ahead, surroundings = 1, 0, ledger.Ahead(), Surroundings()
    while liveness.may_claim:
        claimed = ledger.claim(queue, owner=owner, limit=limit, lease=conf.lease, ahead=ahead)
        _trouble.is_over()
        if not claimed:
            break
        started = time.monotonic()
        count = _run_all(claimed, surroundings)
        ran += count
        if time.monotonic() > end:
            break
        is_quick = count == len(claimed) and time.monotonic() - started < QUICK * count
        limit = min(limit * 2, conf.batch) if is_quick else 1
    return ran


def _run_all(claimed: list[ClaimedDelivery], surroundings: Surroundings) -> int:
    """Run what one claim took; return how many were run."""
    now, later = _apart(claimed)
    _uncertain.give_back(later)
    hold = ClaimedBatch(now)
    count = 0
    with heartbeat.of_process(os.getpid()).over(hold):
        try:
            while (one := hold.take()) is not None:
                if _still_ours(one, hold):
                    surroundings.call(_run, one, hold, receiver=one.receiver)
                    count += 1
        finally:
            _uncertain.give_back(hold.take_rest())
    return count


def _apart(claimed: list[ClaimedDelivery]) -> tuple[list[ClaimedDelivery], list[ClaimedDelivery]]:
    """Split a claim in what runs now and what goes back, so that a delivery that was ever lost runs alone.

    A receiver that kills its worker is so charged alone, and its neighbours are not.
    """
    for position, one in enumerate(claimed):
        if one.losses:
            return claimed[: position or 1], claimed[position or 1 :]
    return claimed, []


def _still_ours(claimed: ClaimedDelivery, hold: ClaimedBatch) -> bool:
    """Make sure of the lease where this process may have stood still since the claim, or given it back after all."""
    if hold.is_certain and time.monotonic() - hold.claimed_at < conf.lease / 2:
        return True
    return ledger.renew(claimed, lease=conf.lease)


def _run(claimed: ClaimedDelivery, hold: ClaimedBatch) -> None:
    receiver = registry.get(claimed.receiver)
    if receiver is not None:
        _attempt(claimed, receiver, hold)
        return
    ledger.give_back_unroutable(claimed, delay=conf.unroutable_delay)
    events.unroutable(claimed)


def _attempt(claimed: ClaimedDelivery, receiver: QueuedReceiver, hold: ClaimedBatch) -> None:
    try:
        attempt(claimed, receiver, hold)
    except NotBegun as error:
        logger.warning("Delivery %d goes back before it began: %s", claimed.id, error)
        _uncertain.give_back([claimed])
    except BaseException:
        _uncertain.note_begun(claimed)
        raise
