"""The receiving side: on a hint, claim what is due, run it and record how it ended, until nothing is due."""

from __future__ import annotations

import logging
import os
import time

from django.db import Error, reset_queries

from signals_app import heartbeat, ledger, tallies, transitions
from signals_app.attempt import attempt
from signals_app.conf import conf, is_queue
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.doubt import Doubt
from signals_app.endurance import AWAY, Pauses, insist, start_afresh
from signals_app.exceptions import NotBegun
from signals_app.hold import Hold
from signals_app.ledger import ClaimedDelivery
from signals_app.logs import get_logger
from signals_app.payloads.walks import shown
from signals_app.processes import current_process
from signals_app.pulse import pulse
from signals_app.surroundings import Surroundings

logger = get_logger("signals_app.worker")

_doubt = Doubt()


class Trouble:
    """What this process does while its claims fail, each on a new connection: it waits longer and longer, and ends."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed_at = 0.0
        self._pauses = Pauses()

    def is_over(self) -> None:
        """Note that a claim succeeded."""
        pulse.claim()
        if self._since:
            self._since, self._pauses = None, Pauses()

    def goes_on(self, error: Error) -> None:
        """Wait after a claim that failed; end the process where others' claims succeed meanwhile."""
        if not isinstance(error, AWAY):
            pulse.fail()
        now = time.monotonic()
        if (
            self._since is None or now - self._failed_at > conf.stall + conf.lease
        ):  # what failed long ago had another reason
            self._since, self._pauses = now, Pauses()
        self._failed_at = now
        if now - self._since > conf.stall and pulse.claimed_at > self._since:
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
        _doubt.settle(queue, owner=owner)
        ran = _work_through(queue, owner)
        _doubt.settle(queue, owner=owner)
    except Error as error:
        _doubt.is_open = True
        if not start_afresh(error):
            raise
        does = "reach" if isinstance(error, AWAY) else "use"
        logger.warning("A worker of %s cannot %s the database: %s", queue, does, error)
        _trouble.goes_on(error)
        # now, for nobody sends a hint for what seems to be running
        insist(lambda: _doubt.settle(queue, owner=owner), seconds=conf.lease)
        return 0
    except BaseException:  # such as Django-Q's timeout of the hint, which may come in the middle of anything
        _doubt.is_open = True
        raise
    finally:
        tallies.write_after_drain()
    return ran


def _work_through(queue: str, owner: str) -> int:
    """Claim and run, as ``drain`` does; return how many were run."""
    end = time.monotonic() + conf.time_slice
    limit, ran, ahead = 1, 0, ledger.Ahead()
    while pulse.may_claim:
        claimed = ledger.claim(queue, owner=owner, limit=limit, lease=conf.lease, ahead=ahead)
        _trouble.is_over()
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


def _run_all(claimed: list[ClaimedDelivery]) -> int:
    """Run what one claim took; return how many were run."""
    now, later = _apart(claimed)
    _doubt.give_back(later)
    hold = Hold(now)
    surroundings = Surroundings()
    count = 0
    with heartbeat.of_process(os.getpid()).over(hold):
        try:
            while (one := hold.take()) is not None:
                if _still_ours(one, hold):
                    surroundings.call(_run, one, hold, receiver=one.receiver)
                    count += 1
        finally:
            _doubt.give_back(hold.take_rest())
    return count


def _apart(claimed: list[ClaimedDelivery]) -> tuple[list[ClaimedDelivery], list[ClaimedDelivery]]:
    """Split a claim in what runs now and what goes back, so that a delivery that was ever lost runs alone.

    A receiver that kills its worker is so charged alone, and its neighbours are not.
    """
    for position, one in enumerate(claimed):
        if one.losses:
            return claimed[: position or 1], claimed[position or 1 :]
    return claimed, []


def _still_ours(claimed: ClaimedDelivery, hold: Hold) -> bool:
    """Make sure of the lease where this process may have stood still since the claim, or given it back after all."""
    if hold.is_certain and time.monotonic() - hold.claimed_at < conf.lease / 2:
        return True
    return ledger.renew(claimed, lease=conf.lease)


def _run(claimed: ClaimedDelivery, hold: Hold) -> None:
    receiver = registry.get(claimed.receiver)
    if receiver is not None:
        _attempt(claimed, receiver, hold)
        return
    ledger.give_back_unroutable(claimed, delay=conf.unroutable_delay)
    transitions.unroutable(claimed)


def _attempt(claimed: ClaimedDelivery, receiver: QueuedReceiver, hold: Hold) -> None:
    try:
        attempt(claimed, receiver, hold)
    except NotBegun as error:
        logger.warning("Delivery %d goes back before it began: %s", claimed.id, error)
        _doubt.give_back([claimed])
    except BaseException:
        _doubt.note_begun(claimed)
        raise
