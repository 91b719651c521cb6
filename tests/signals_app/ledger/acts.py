"""What senders and workers do, in one line each."""

from __future__ import annotations

from typing import Any

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Delivery
from tests.testapp.receivers import enqueue, nothing


def put(to: QueuedReceiver = nothing, **columns: Any) -> Delivery:
    """Enqueue a delivery, with other columns than it would have."""
    delivery = enqueue(to)
    if columns:
        Delivery.objects.filter(pk=delivery.pk).update(**columns)
        delivery.refresh_from_db()
    return delivery


def claim(owner: str = "me", *, limit: int = 10, lease: float = 30, queue: str = "") -> list[ClaimedDelivery]:
    return ledger.claim(queue or conf.queue, owner=owner, limit=limit, lease=lease)


def claimed(limit: int = 10, *, queue: str = "") -> list[int]:
    """Claim, and return the ids."""
    return [one.id for one in claim(limit=limit, queue=queue)]
