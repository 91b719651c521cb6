"""Whether a claimed delivery may begin now, and which one is to run in its place."""

from __future__ import annotations

from dataclasses import replace

from signals_app import events, ledger
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery
from signals_app.redaction.logs import get_logger
from signals_app.worker.attempt import before_it_begins, expire, seconds_left
from signals_app.worker.heartbeat import ClaimedBatch

logger = get_logger("signals_app.worker")


def admit(claimed: ClaimedDelivery, receiver: QueuedReceiver, batch: ClaimedBatch) -> ClaimedDelivery | None:
    """Return the delivery to run now; None where none may, and what was claimed has been written back.

    Raises NotBegun where the database fails.
    """
    if claimed.coalesce_key:
        # the newest of its receiver and key runs in its place
        options = receiver.options
        with before_it_begins():
            newest, merged = ledger.coalesce(
                claimed, lease=conf.lease, debounce=options.debounce, max_wait=options.max_wait
            )
        if merged:
            events.merged(newest or claimed, number=merged, runs=newest is not None)
        if newest is None:
            return None
        claimed = newest
    if claimed.lane:
        # a slot, or else it is parked
        slots, is_begun, batch.begun = receiver.options.concurrency, batch.begun == claimed.id, None
        with before_it_begins():
            if not is_begun and not ledger.begin_in_lane(claimed, slots=slots):
                batch.park(claimed, slots=slots)
                return None
        claimed = replace(claimed, slots=slots)
    if receiver.options.rate and not _has_turn(claimed, receiver):
        return None  # it is READY again, or CANCELLED: its lane may go on
    return claimed


def _has_turn(claimed: ClaimedDelivery, receiver: QueuedReceiver) -> bool:
    """Tell whether a delivery may begin by its receiver's rate; else it is due at its turn, or has expired."""
    options = receiver.options
    if options.rate_key and not claimed.bucket:
        return True
    left = seconds_left(claimed, receiver)
    if left <= 0:
        return True  # which costs no turn: it is not run
    with before_it_begins():
        wait = ledger.take_turn(claimed, interval=options.interval, burst=options.burst, within=left)
    if wait > left:
        expire(claimed, f"Its turn by the rate {options.rate} is later than {options.expires:g} s after its send.")
    elif wait:
        logger.debug("Delivery %d waits %.3f s for its turn by the rate %s.", claimed.id, wait, options.rate)
    return not wait
