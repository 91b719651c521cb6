"""What every receiver does with its order."""

import os
import time

from tests.bench.peers.models import Order


def note(order: Order) -> None:
    """Write down that an order's receiver runs, where and when, and take the time that the order says."""
    line = f"{order.pk} {os.getpid()} {time.monotonic()}\n"
    journal = os.open(os.environ["PEER_JOURNAL"], os.O_WRONLY | os.O_APPEND)
    os.write(journal, line.encode())  # one write, so that lines of several processes do not mix
    os.close(journal)
    if order.seconds:
        time.sleep(order.seconds)


def fetch_and_note(pk: int) -> None:
    """Fetch the order and note it."""
    note(Order.objects.get(pk=pk))
