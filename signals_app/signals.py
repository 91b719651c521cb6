"""Signals about deliveries, sent in the worker's process right after the record is written; of a lost attempt, in the
process of the pusher that found it.

For metrics, alerts and tests. They are sent with ``send_robust``: a listener that raises is logged and cannot harm
the delivery. ``sender`` is the ``QueuedReceiver``, or None where this process does not know it.
"""

from django.dispatch import Signal

delivery_started = Signal()  # the receiver is about to run; delivery: ClaimedDelivery
delivery_succeeded = Signal()  # SUCCESSFUL is on the record; delivery: ClaimedDelivery, seconds: float
delivery_attempt_failed = Signal()  # an attempt failed; delivery, outcome: Outcome, exception
delivery_failed = Signal()  # FAILED is on the record; delivery, outcome: Outcome, exception

# Sent in a worker once all deliveries of one send() have ended, by the ``sender`` of that send; of those sends only for
# whose sender anybody was connected then. emission: UUID, sent: str (the signal's name), arguments: dict (those of its
# first delivery), batch: BatchResult
emission_settled = Signal()
