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
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from asgiref.sync import async_to_sync

from signals_app.processes.tree import ForkGuard
from signals_app.worker.connections import stop_queries


class TimedOut(BaseException):
    """The receiver ran longer than its timeout.

    Not an Exception, so that a receiver's own ``except Exception`` does not swallow it.
    """


class Stopped(BaseException):
    """The receiver was stopped, since its delivery was cancelled or taken over."""


def stop_receiver() -> None:
    """Interrupt the receiver that the main thread runs, as its timeout does.

    The signal is one that the system ignores where nobody waits for it: the receiver may just have returned.
    """
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)


def call_within(seconds: float, func: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a receiver and return its value. Raises TimedOut when that took longer than ``seconds``.

    A plain function is interrupted by SIGALRM, a coroutine is cancelled, with the query that it is in. A receiver
    that swallows the interruption is found out by the clock when it returns; one that never returns is ended by the
    heartbeat.
    """
    end = time.monotonic() + seconds
    try:
        with ForkGuard():
            value = _with_alarm(
                seconds,
                lambda: func(**arguments),
                then=lambda: _interrupt(_timed_out(seconds)),
                at_stop=lambda: _interrupt(Stopped(Stopped.__doc__)),
            )
            if value is not None and inspect.isawaitable(value):
                # a coroutine's queries are made in this thread, where cancelling the coroutine does not reach them
                left = max(0.001, end - time.monotonic())
                coroutine = _Coroutine(value, seconds=seconds, left=left)
                value = _with_alarm(left, async_to_sync(coroutine.run), then=stop_queries, at_stop=coroutine.stop)
    except TimedOut:
        raise
    except BaseException as error:  # a receiver or a library may turn the interruption into an error of its own
        if time.monotonic() > end:
            raise _timed_out(seconds) from error
        raise
    if time.monotonic() > end:
        raise _timed_out(seconds)
    return value


def _interrupt(error: BaseException) -> None:
    stop_queries()
    raise error


def _timed_out(seconds: float) -> TimedOut:
    return TimedOut(f"The receiver ran longer than its timeout of {seconds:g} s.")


class _Coroutine:
    def __init__(self, value: Awaitable[Any], *, seconds: float, left: float) -> None:
        self._value, self._seconds, self._left = value, seconds, left
        self._cancel: Callable[[], object] = lambda: None

    async def run(self) -> Any:
        task = asyncio.current_task()
        if task is not None:
            self._cancel = partial(task.get_loop().call_soon_threadsafe, task.cancel, Stopped.__doc__)
        try:
            async with asyncio.timeout(self._left) as limit:
                with ForkGuard():  # inside of the loop, which a child shares with its parent and must not end
                    return await self._value
        except TimeoutError:
            if limit.expired():
                raise _timed_out(self._seconds) from None
            raise

    def stop(self) -> None:
        stop_queries()
        with suppress(RuntimeError):  # its loop is closed: it has just ended
            self._cancel()


def _with_alarm(
    seconds: float, call: Callable[[], Any], *, then: Callable[[], None], at_stop: Callable[[], None]
) -> Any:
    """Return what the call returns; where it takes longer or is stopped, a signal calls a function in its middle."""
    if threading.current_thread() is not threading.main_thread():
        return call()  # signals reach the main thread only; the clock still tells
    armed = True

    def on_signal(signum: int, frame: FrameType | None) -> None:
        if armed:
            (then if signum == signal.SIGALRM else at_stop)()

    # Django-Q's own alarm for the hint shares this timer: it is put back, less the time that the call took
    old_handler = _signal.signal(signal.SIGALRM, on_signal)
    old_stop = _signal.signal(signal.SIGURG, on_signal)
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
        _signal.signal(signal.SIGURG, old_stop)
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)
