"""Receivers that run longer than they may, each in its own way; after ``times`` attempts they behave."""

import asyncio
import hashlib
import itertools
import operator
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from signals_app.backoff import fixed
from signals_app.dispatcher import QueuedReceiver, queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect, leave_effect_async


def late(key: str = "") -> Callable[[Callable[..., Any]], QueuedReceiver]:
    """Make a function a receiver with a short timeout and one retry; one that has a key is atomic."""
    return queued(key=key, atomic=bool(key), timeout=0.3, max_attempts=2, backoff=fixed(0))


def overruns(times: int) -> bool:
    """Note the attempt, and tell whether it is one of those that take too long."""
    delivery = journal.attempt()
    return delivery.attempt <= times


def calculate(seconds: float) -> None:
    """Keep the interpreter busy in C, which neither looks for signals nor lets another thread run."""
    until = time.monotonic() + seconds
    deque(itertools.takewhile(partial(operator.gt, until), iter(time.monotonic, None)), maxlen=0)


def digest() -> None:
    """Work in C for minutes; other threads run meanwhile, and signals wait."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)


@late()
def sleeps(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        time.sleep(60)


@late()
def swallows_and_returns(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        with suppress(BaseException):
            time.sleep(60)


@late()
def swallows_and_goes_on(sender: object, times: int, **kwargs: Any) -> None:
    while overruns(times):
        with suppress(BaseException):
            time.sleep(60)
        time.sleep(60)


@late()
def raises_another_error(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        try:
            time.sleep(60)
        except BaseException:
            raise SystemExit("a library thinks that this ends everything") from None


@late()
def blocks_signals(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(60)


@late()
def digests_in_c(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        digest()


@late()
def calculates_in_c(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        calculate(0.6)


@late()
async def awaits(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        await asyncio.sleep(60)


@late()
async def swallows_its_cancellation(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@late()
async def awaits_for_ever(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)


@late()
async def blocks_its_loop(sender: object, times: int, **kwargs: Any) -> None:
    if overruns(times):
        time.sleep(60)  # noqa: ASYNC251  # what nobody should do


@late(key="exactly_once.sleeps")
def sleeps_atomically(sender: object, times: int, **kwargs: Any) -> None:
    is_late = overruns(times)
    leave_effect("sleeps")
    if is_late:
        time.sleep(60)


@late(key="exactly_once.swallows")
def swallows_atomically(sender: object, times: int, **kwargs: Any) -> None:
    is_late = overruns(times)
    leave_effect("swallows")
    with suppress(BaseException):
        time.sleep(60 if is_late else 0)


@late(key="exactly_once.digests")
def digests_atomically(sender: object, times: int, **kwargs: Any) -> None:
    is_late = overruns(times)
    leave_effect("digests")
    if is_late:
        digest()


@late(key="exactly_once.awaits")
async def awaits_atomically(sender: object, times: int, **kwargs: Any) -> None:
    is_late = overruns(times)
    await leave_effect_async("awaits")
    if is_late:
        await asyncio.sleep(60)


@queued(key="exactly_once.keeps_the_interpreter", atomic=True, timeout=0.5, max_attempts=9, backoff=fixed(0))
def keeps_the_interpreter(sender: object, times: int, seconds: float, **kwargs: Any) -> None:
    is_late = overruns(times)
    leave_effect("keeps")
    if is_late:
        calculate(seconds)


WAYS = [
    sleeps,
    swallows_and_returns,
    swallows_and_goes_on,
    raises_another_error,
    blocks_signals,
    digests_in_c,
    calculates_in_c,
    awaits,
    swallows_its_cancellation,
    awaits_for_ever,
    blocks_its_loop,
    sleeps_atomically,
    swallows_atomically,
    digests_atomically,
    awaits_atomically,
]
