"""RQ, by django-rq."""

import django_rq

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note


def send(order: Order) -> None:
    """Queue the function."""
    django_rq.enqueue(fetch_and_note, order.pk)
