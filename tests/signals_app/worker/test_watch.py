"""What calls a worker on watch off."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from signals_app.conf import conf
from signals_app.ledger import Change, ChangeListener
from signals_app.processes.liveness import liveness
from signals_app.worker import watch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection[Any, Any]]:
    """Where Django-Q puts tasks for this process, a worker of a cluster."""
    taken, given = Pipe(duplex=False)
    monkeypatch.setattr(watch, "duty", watch.Duty(tasks=taken))
    liveness.begin()
    liveness.arm()
    yield given
    for end in liveness.alarm:
        os.close(end)
    liveness.alarm = ()
    liveness.begin()


def waiting(monkeypatch: pytest.MonkeyPatch, *turns: Callable[[], object]) -> None:
    """Have something happen in each wait for a commit; one more is one too many."""
    left = list(turns)

    def wait(listener: ChangeListener, seconds: float) -> Change:
        assert left, "It stays on watch."
        left.pop(0)()
        return Change.NONE

    monkeypatch.setattr(ChangeListener, "wait", wait)


@pytest.mark.parametrize("is_early", [True, False], ids=["before", "meanwhile"])
def test_a_task_that_nobody_takes_calls_a_worker_off_its_watch(
    monkeypatch: pytest.MonkeyPatch, tasks: Connection[Any, Any], is_early: bool
) -> None:
    send = partial(tasks.send, "a task")
    if is_early:
        send()
    waiting(monkeypatch, *([send] * (not is_early)))
    assert not watch.wait_for_work(conf.queue, time.monotonic() + 60)
    assert liveness.watcher == 0


def test_a_task_that_another_worker_takes_leaves_one_on_watch(
    monkeypatch: pytest.MonkeyPatch, tasks: Connection[Any, Any]
) -> None:
    assert watch.duty.tasks
    taken = watch.duty.tasks
    monkeypatch.setattr(time, "sleep", lambda seconds: taken.recv())
    waiting(monkeypatch, partial(tasks.send, "a task"), liveness.stop_claiming)
    assert not watch.wait_for_work(conf.queue, math.inf)
