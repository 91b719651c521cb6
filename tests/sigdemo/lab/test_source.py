"""The code on the lab's page is the code that runs."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from receivers import lab as receivers
from sigdemo.lab import lanes, spans
from sigdemo.lab.kinds import Way
from sigdemo.lab.signals import async_work_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.source import code_of, receivers_of

SHOWN: dict[Way, list[Callable[..., Any]]] = {
    Way.INLINE: [lanes.inline, spans.perform],
    Way.SIGNAL: [lanes.signal, receivers.work_at_once],
    Way.ASYNC_SIGNAL: [lanes.async_signal, receivers.work_concurrently],
    Way.THREAD: [lanes.thread, lanes.start_threads],
    Way.THREAD_JOIN: [lanes.thread_join, lanes.start_threads],
    Way.QUEUED: [lanes.queued, receivers.work_in_a_worker],
}


@pytest.mark.parametrize("way", list(Way))
def test_each_way_shows_its_own_lines(way: Way) -> None:
    code = code_of(way)

    assert code == "\n\n".join(inspect.getsource(function).strip() for function in SHOWN[way])
    assert lanes.SEND[way] is SHOWN[way][0]


@pytest.mark.parametrize("way", list(Way))
def test_the_lines_are_few(way: Way) -> None:
    assert 6 <= len([line for line in code_of(way).splitlines() if line]) <= 10


def test_one_function_is_shown_once_however_often_it_is_connected() -> None:
    assert receivers_of(work_wanted) == [receivers.work_at_once]
    assert receivers_of(async_work_wanted) == [receivers.work_concurrently]
    assert receivers_of(queued_work_wanted) == [receivers.work_in_a_worker]
