"""Running a receiver under its time limit, in the main thread of a worker process."""

from __future__ import annotations

# unlike signal, which is built on it, it makes no enumerations of handlers for each delivery
import _signal  # type: ignore[import-not-found]
import asyncio
import inspect
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from asgiref.sync import async_to_sync

from signals_app.processes.tree import ForkGuard
from signals_app.worker.connections import stop_queries


class TimedOut(BaseException):
    """The receiver ran longer than its timeout.

    Not an Exception, so that a receiver's own ``except Exception`` does not swallow it.
    """


def call_within(seconds: float, func: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a receiver and return its value. Raises TimedOut when that took longer than ``seconds``.

    A plain function is interrupted by SIGALRM, a coroutine is cancelled, with the query that it is in. A receiver
    that swallows the interruption is found out by the clock when it returns; one that never returns is ended by the
    heartbeat.
    """
    end = time.monotonic() + seconds
    try:
        with ForkGuard():
            value = _with_alarm(seconds, lambda: func(**arguments), then=lambda: _interrupt(seconds))
            if value is not None and inspect.isawaitable(value):
                # a coroutine's queries are made in this thread, where cancelling the coroutine does not reach them
                left = max(0.001, end - time.monotonic())
                value = _with_alarm(left, lambda: async_to_sync(_bounded)(seconds, left, value), then=stop_queries)
    except TimedOut:
        raise
    except BaseException as error:  # a receiver or a library may turn the interruption into an error of its own
        if time.monotonic() > end:
            raise _timed_out(seconds) from error
        raise
    if time.monotonic() > end:
        raise _timed_out(seconds)
    return value


def _interrupt(seconds: float) -> None:
    stop_queries()
    raise _timed_out(seconds)


def _timed_out(seconds: float) -> TimedOut:
    return TimedOut(f"The receiver ran longer than its timeout of {seconds:g} s.")


async def _bounded(seconds: float, left: float, value: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(left) as limit:
            with ForkGuard():  # inside of the loop, which a child shares with its parent and must not end
                return await value
    except TimeoutError:
        if limit.expired():
            raise _timed_out(seconds) from None
        raise


def _with_alarm(seconds: float, call: Callable[[], Any], *, then: Callable[[], None]) -> Any:
    """Return what the call returns; where it takes longer, SIGALRM calls ``then`` in the middle of it."""
    if threading.current_thread() is not threading.main_thread():
        return call()  # signals reach the main thread only; the clock still tells
    armed = True

    def on_alarm(signum: int, frame: FrameType | None) -> None:
        if armed:
            then()

    # Django-Q's own alarm for the hint shares this timer: it is put back, less the time that the call took
    old_handler = _signal.signal(signal.SIGALRM, on_alarm)
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
        _signal.signal(signal.SIGALRM, old_handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)
