"""Who does the lab's work: the same function body as a plain, an async and a queued receiver."""

from functools import partial
from typing import Any

from sigdemo.lab.kinds import ATTEMPTS, MOST_RECEIVERS
from sigdemo.lab.models import LabLane
from sigdemo.lab.signals import async_work_wanted, crash_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.spans import perform, perform_async
from signals_app.backoff import fixed
from signals_app.dispatcher import current_delivery, queued
from signals_app.models import Delivery

BEHIND_THE_SHOP = -10  # orders do not wait for the lab
CRASH_QUEUE = "lab-crash"  # served by the crash test's own workers alone


def work_at_once(sender: object, lane: LabLane, seat: int, **kwargs: Any) -> None:
    """Work in the request that sent the signal."""
    if seat in lane.seats():
        perform(lane, seat=seat)


async def work_concurrently(sender: object, lane: LabLane, seat: int, **kwargs: Any) -> None:
    """Work beside the other coroutines of the same send."""
    if seat in lane.seats():
        await perform_async(lane, seat=seat)


def work_in_a_worker(sender: object, lane: LabLane, **kwargs: Any) -> None:
    """Work in a worker process, when it gets there."""
    current = current_delivery()
    delivery = Delivery.objects.get(pk=current.id)
    perform(lane, seat=seat_of(delivery.receiver), attempt=current.attempt, enqueued_at=delivery.enqueued_at)


def is_wanted(seat: int, *, lane: LabLane, **kwargs: Any) -> bool:
    """Tell at send() whether this receiver is one of the run's fan-out."""
    return seat in lane.seats()


def key_of(seat: int) -> str:
    """Return the key of the queued receiver with that number."""
    return f"receivers.lab.work_in_a_worker-{seat}"


def seat_of(key: str) -> int:
    """Return the number in a queued receiver's key."""
    return int(key.rpartition("-")[2])


for seat in range(1, MOST_RECEIVERS + 1):
    work_wanted.connect(partial(work_at_once, seat=seat), weak=False, dispatch_uid=f"lab-{seat}")
    async_work_wanted.connect(partial(work_concurrently, seat=seat), weak=False, dispatch_uid=f"lab-{seat}")
    by_queue = queued(
        work_in_a_worker,
        key=key_of(seat),
        when=partial(is_wanted, seat),
        priority=BEHIND_THE_SHOP,
        max_attempts=ATTEMPTS,
        backoff=fixed(0.3),
        timeout=60,
        missing="skip",
    )
    queued_work_wanted.connect(by_queue, weak=False, dispatch_uid=f"lab-{seat}")

crash_by_queue = queued(
    work_in_a_worker,
    key="receivers.lab.crash-1",
    queue=CRASH_QUEUE,
    max_attempts=ATTEMPTS,
    backoff=fixed(0.1),
    timeout=60,
    missing="skip",
)
crash_wanted.connect(crash_by_queue, weak=False, dispatch_uid="lab-crash")
