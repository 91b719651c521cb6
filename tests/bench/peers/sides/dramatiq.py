"""Dramatiq, by django-dramatiq."""

import dramatiq

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note

ran = dramatiq.actor(fetch_and_note)


def send(order: Order) -> None:
    """Queue the message."""
    ran.send(order.pk)
