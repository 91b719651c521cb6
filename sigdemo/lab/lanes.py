"""The six ways. Each gets a lane's work done, or has it done; the lab's page shows these very lines."""

import threading
from collections.abc import Callable

from asgiref.sync import async_to_sync
from django.db import connections, transaction

from sigdemo.lab.kinds import Way
from sigdemo.lab.models import LabLane
from sigdemo.lab.signals import async_work_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.spans import perform


def inline(lane: LabLane) -> None:
    """Call what does the work, one after another."""
    for seat in lane.seats():
        perform(lane, seat=seat)


def signal(lane: LabLane) -> None:
    """Send a signal. Whoever receives it works here and now."""
    work_wanted.send(sender=LabLane, lane=lane)


def async_signal(lane: LabLane) -> None:
    """Send it to coroutines. They share the time, and still the request waits for them."""
    async_to_sync(async_work_wanted.asend)(sender=LabLane, lane=lane)


def thread(lane: LabLane) -> None:
    """Start threads and look no further."""
    start_threads(lane)


def thread_join(lane: LabLane) -> None:
    """Start threads and wait for them."""
    for one in start_threads(lane):
        one.join()


def start_threads(lane: LabLane) -> list[threading.Thread]:
    """Start one thread for each receiver."""
    threads = [threading.Thread(None, perform_in_thread, f"lab-{seat}", (lane, seat)) for seat in lane.seats()]
    for one in threads:
        one.start()
    return threads


def queued(lane: LabLane) -> None:
    """Send a signal. Each queued receiver leaves a row; a worker does the work."""
    with transaction.atomic():
        queued_work_wanted.send(sender=LabLane, lane=lane)


def perform_in_thread(lane: LabLane, seat: int) -> None:
    """Do the work, and close the database connection that this thread opened."""
    try:
        perform(lane, seat=seat)
    finally:
        connections.close_all()


SEND: dict[Way, Callable[[LabLane], None]] = {
    Way.INLINE: inline,
    Way.SIGNAL: signal,
    Way.ASYNC_SIGNAL: async_signal,
    Way.THREAD: thread,
    Way.THREAD_JOIN: thread_join,
    Way.QUEUED: queued,
}
