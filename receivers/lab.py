"""Who does the lab's work: the same body as a plain, an async and a queued receiver.

The decorated functions are the first of up to eight receivers; those beyond it are the same functions once more.
"""

from functools import partial
from typing import Any

from django.dispatch import receiver

from sigdemo.lab.kinds import ATTEMPTS, MOST_RECEIVERS
from sigdemo.lab.models import LabLane
from sigdemo.lab.signals import async_work_wanted, crash_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.spans import perform, perform_async
from signals_app.dispatcher import queued, queued_receiver

LOW = -10  # orders do not wait for the lab
CRASH_QUEUE = "lab-crash"  # served by the crash test's own workers alone


@receiver(work_wanted)
def work_at_once(sender: object, lane: LabLane, **kwargs: Any) -> None:
    perform(lane, **kwargs)


@receiver(async_work_wanted)
async def work_concurrently(sender: object, lane: LabLane, **kwargs: Any) -> None:
    await perform_async(lane, **kwargs)


@queued_receiver(queued_work_wanted, max_attempts=3, priority=LOW)
def work_in_a_worker(sender: object, lane: LabLane, **kwargs: Any) -> None:
    perform(lane, **kwargs)


def is_wanted(seat: int, *, lane: LabLane, **kwargs: Any) -> bool:
    """Tell at send() whether this receiver is one of the run's fan-out."""
    return seat in lane.seats()


for seat in range(2, MOST_RECEIVERS + 1):
    work_wanted.connect(partial(work_at_once, seat=seat), weak=False, dispatch_uid=f"lab-{seat}")
    async_work_wanted.connect(partial(work_concurrently, seat=seat), weak=False, dispatch_uid=f"lab-{seat}")
    by_queue = queued(
        work_in_a_worker.func,
        key=f"{work_in_a_worker.key}-{seat}",
        when=partial(is_wanted, seat),
        max_attempts=ATTEMPTS,
        priority=LOW,
    )
    queued_work_wanted.connect(by_queue, weak=False, dispatch_uid=f"lab-{seat}")

crash_by_queue = queued(
    work_in_a_worker.func,
    key="receivers.lab.crash",
    queue=CRASH_QUEUE,
    max_attempts=ATTEMPTS,
)
crash_wanted.connect(crash_by_queue, weak=False, dispatch_uid="lab-crash")
