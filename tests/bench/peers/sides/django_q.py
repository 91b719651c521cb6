"""Django-Q2: a function by its path."""

from django_q.tasks import async_task

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note


def send(order: Order) -> None:
    """Queue the function."""
    async_task(fetch_and_note, order.pk)
