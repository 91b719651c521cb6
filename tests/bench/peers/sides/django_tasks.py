"""Django's tasks, with the database backend."""

from django.tasks import task

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note


@task
def ran(pk: int) -> None:
    """Fetch the order and note it, in a worker."""
    fetch_and_note(pk)


def send(order: Order) -> None:
    """Queue the task."""
    ran.enqueue(order.pk)
