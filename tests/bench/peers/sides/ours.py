"""signals_app: the signal's own argument is the order."""

from typing import Any

from django.dispatch import Signal

from signals_app.dispatcher import queued_receiver
from tests.bench.peers.models import Order
from tests.bench.peers.work import note

order_placed = Signal()


@queued_receiver(order_placed)
def ran(sender: object, order: Order, **kwargs: Any) -> None:
    """Note the order, in a worker."""
    note(order)


def send(order: Order) -> None:
    """Send the signal."""
    order_placed.send(sender=None, order=order)
