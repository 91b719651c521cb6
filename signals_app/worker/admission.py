"""Whether a claimed delivery may begin now, and which one is to run in its place."""

from __future__ import annotations

from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery


def admit(claimed: ClaimedDelivery, receiver: QueuedReceiver) -> ClaimedDelivery | None:
    """Return the delivery to run now; None where none may, and what was claimed has been written back.

    Raises NotBegun where the database fails.
    """
    # 1 coalescing: the newest of its receiver and key runs in its place
    # 2 its lane: a slot, or else it is parked
    # 3 its bucket: a turn by the rate, or else it is due later
    return claimed
