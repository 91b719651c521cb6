"""The code on the lab's page is the source of what runs, as a user would write it."""

import pytest

from receivers.lab import work_in_a_worker
from sigdemo.lab.kinds import ATTEMPTS, Way
from sigdemo.lab.source import code_of

QUEUED = "@queued_receiver(queued_work_wanted, max_attempts=3, priority=LOW)"


@pytest.mark.parametrize(
    ("way", "first", "last"),
    [
        (Way.INLINE, "def inline(lane):", "perform(lane, seat=seat)"),
        (Way.SIGNAL, "@receiver(work_wanted)", "work_wanted.send(sender=LabLane, lane=lane)"),
        (
            *(Way.ASYNC_SIGNAL, "@receiver(async_work_wanted)"),
            "async_to_sync(async_work_wanted.asend)(sender=LabLane, lane=lane)",
        ),
        (Way.THREAD, "def thread(lane):", "Thread(target=perform_in_thread, args=(lane, seat)).start()"),
        (Way.THREAD_JOIN, "def thread_join(lane):", "one.join()"),
        (Way.QUEUED, QUEUED, "queued_work_wanted.send(sender=LabLane, lane=lane)"),
        (Way.TASK, "@task(priority=-10)", "do_work.enqueue(lane.pk, seat)"),
    ],
)
def test_what_is_connected_and_called_is_shown_without_annotations(way: Way, first: str, last: str) -> None:
    shown = [line.strip() for line in code_of(way).splitlines()]
    assert (shown[0], shown[-1]) == (first, last)
    assert not [line for line in shown if '"""' in line or "->" in line or ": Any" in line]


def test_the_page_counts_on_as_many_attempts_as_the_decorator_asks_for() -> None:
    assert work_in_a_worker.options.max_attempts == ATTEMPTS
