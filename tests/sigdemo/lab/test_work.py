"""The work takes as long as it was asked to, and fails where it was told to."""

import asyncio
import time

import pytest

from sigdemo.lab import work
from sigdemo.lab.clock import duration
from sigdemo.lab.kinds import Kind


def test_waiting_takes_as_long_as_asked_and_cpu_work_is_sized_by_calibration() -> None:
    begin = time.monotonic()
    work.do(Kind.WAIT, 0.2, attempt=1)
    assert time.monotonic() - begin >= 0.2
    work.turns_per_second.cache_clear()
    begin = time.thread_time()
    work.do(Kind.CPU, 0.3, attempt=1)
    assert 0.15 < time.thread_time() - begin < 0.9


def test_waiting_coroutines_share_the_time() -> None:
    async def both() -> None:
        await asyncio.gather(*(work.do_async(Kind.WAIT, 0.5, attempt=1) for _ in range(6)))

    begin = time.monotonic()
    asyncio.run(both())
    assert 0.5 <= time.monotonic() - begin < 2


def test_what_fails_fails_as_often_as_it_was_told() -> None:
    for attempt in (1, 2, 3):
        with pytest.raises(work.LabFailure, match=rf"Attempt {attempt} failed, as it was told to\."):
            work.do(Kind.FAILS, 0, attempt=attempt)
    with pytest.raises(work.LabFailure):
        asyncio.run(work.do_async(Kind.FAILS_ONCE, 0, attempt=1))
    asyncio.run(work.do_async(Kind.FAILS_ONCE, 0, attempt=2))


def test_durations_have_a_sensible_number_of_digits() -> None:
    assert list(map(duration, (0.000421, 0.00312, 0.5124, 2.0041))) == ["0.42 ms", "3.1 ms", "512 ms", "2,004 ms"]
