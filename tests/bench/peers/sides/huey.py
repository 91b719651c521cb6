"""Huey, by its Django integration."""

from huey.contrib.djhuey import db_task

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note

ran = db_task()(fetch_and_note)


def send(order: Order) -> None:
    """Queue the task."""
    ran(order.pk)
