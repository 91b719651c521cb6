"""Running a receiver under its time limit, in the main thread of a worker process."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from asgiref.sync import async_to_sync

from signals_app.sessions import stop_queries


class TimedOut(BaseException):
    """The receiver ran longer than its timeout.

    Not an Exception, so that a receiver's own ``except Exception`` does not swallow it.
    """


def call_within(seconds: float, func: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a receiver and return its value. Raises TimedOut when that took longer than ``seconds``.

    A plain function is interrupted by SIGALRM, a coroutine is cancelled. A receiver that swallows the interruption is
    found out by the clock when it returns; one that never returns is ended by the heartbeat.
    """
    end = time.monotonic() + seconds
    try:
        value = _call(seconds, func, arguments)
    except TimedOut:
        raise
    except BaseException as error:  # a receiver or a library may turn the interruption into an error of its own
        if time.monotonic() > end:
            raise _timed_out(seconds) from error
        raise
    if time.monotonic() > end:
        raise _timed_out(seconds)
    return value


def _call(seconds: float, func: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if threading.current_thread() is threading.main_thread():
        value = _interruptible(seconds, lambda: func(**arguments))
    else:
        value = func(**arguments)  # signals reach the main thread only; the clock still tells
    if inspect.isawaitable(value):
        value = async_to_sync(_bounded)(seconds, value)
    return value


def _timed_out(seconds: float) -> TimedOut:
    return TimedOut(f"The receiver ran longer than its timeout of {seconds:g} s.")


async def _bounded(seconds: float, value: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await value
    except TimeoutError:
        if limit.expired():
            raise _timed_out(seconds) from None
        raise


def _interruptible(seconds: float, call: Callable[[], Any]) -> Any:
    armed = True

    def on_alarm(signum: int, frame: FrameType | None) -> None:
        if armed:
            stop_queries()
            raise _timed_out(seconds)

    # Django-Q's own alarm for the hint shares this timer: put it back, less the time we took
    old_handler = signal.signal(signal.SIGALRM, on_alarm)
    started = time.monotonic()
    old_left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            return call()
        finally:
            armed = False
    finally:
        left = max(0.001, old_left - (time.monotonic() - started)) if old_left else 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old_handler)
        signal.setitimer(signal.ITIMER_REAL, left)
