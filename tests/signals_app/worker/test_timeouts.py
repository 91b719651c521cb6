"""Running a receiver under its time limit."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from signals_app.worker.timeouts import TimedOut, call_within


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def call(limit: float, func: Callable[..., Any], **arguments: Any) -> Any:
    return call_within(limit, func, arguments)


def test_a_timeout_of_the_receiver_itself_is_its_own_error() -> None:
    async def gives_up() -> None:
        raise TimeoutError("the service did not answer")

    with pytest.raises(TimeoutError, match="the service did not answer"):
        call(5, gives_up)


def test_swallowing_the_interruption_does_not_help() -> None:
    def stubborn() -> str:
        with suppress(BaseException):
            time.sleep(30)
        return "done"

    with pytest.raises(TimedOut, match=r"^The receiver ran longer than its timeout of 0.05 s\.$"):
        call(0.05, stubborn)


def test_outside_the_main_thread_the_clock_decides() -> None:
    with ThreadPoolExecutor() as threads, pytest.raises(TimedOut):
        threads.submit(call, 0.01, sleep, seconds=0.05).result()


def test_the_alarm_of_the_hint_is_put_back_less_the_time_taken() -> None:
    rang: list[int] = []
    old = signal.signal(signal.SIGALRM, lambda number, frame: rang.append(number))
    try:
        assert call(5, sleep, seconds=0) == "slept"
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 100)
        call(5, sleep, seconds=0.1)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 99 < left < 99.95
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        call(5, sleep, seconds=0.1)
        time.sleep(0.05)
        assert rang == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
