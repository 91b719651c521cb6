"""The seven ways. Each gets a lane's work done, or has it done; the lab's page shows these very lines."""

from collections.abc import Callable
from threading import Thread, current_thread

from asgiref.sync import async_to_sync
from django.db import connections, transaction

from sigdemo.lab.kinds import Way
from sigdemo.lab.models import LabLane
from sigdemo.lab.signals import async_work_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.spans import perform
from sigdemo.lab.tasks import do_work


def inline(lane: LabLane) -> None:
    for seat in lane.seats():
        perform(lane, seat=seat)


def signal(lane: LabLane) -> None:
    work_wanted.send(sender=LabLane, lane=lane)


def async_signal(lane: LabLane) -> None:
    async_to_sync(async_work_wanted.asend)(sender=LabLane, lane=lane)


def thread(lane: LabLane) -> None:
    for seat in lane.seats():
        Thread(target=perform_in_thread, args=(lane, seat)).start()


def thread_join(lane: LabLane) -> None:
    threads = [Thread(target=perform_in_thread, args=(lane, seat)) for seat in lane.seats()]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def queued(lane: LabLane) -> None:
    with transaction.atomic():
        queued_work_wanted.send(sender=LabLane, lane=lane)


def task(lane: LabLane) -> None:
    with transaction.atomic():
        for seat in lane.seats():
            do_work.enqueue(lane.pk, seat)


def perform_in_thread(lane: LabLane, seat: int) -> None:
    """Do the work, and close the database connection that this thread opened."""
    current_thread().name = f"lab-{seat}"
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
    Way.TASK: task,
}
