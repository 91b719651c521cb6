"""Receivers that do what none should: end their process, outlive their timeout, return and raise what is odd."""

import asyncio
import ctypes
import hashlib
import itertools
import operator
import os
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from signals_app.backoff import fixed
from signals_app.dispatcher import QueuedReceiver, queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect, leave_effect_async


def twice(key: str, *, timeout: float = 60, max_attempts: int = 2) -> Callable[[Callable[..., Any]], QueuedReceiver]:
    """Make a function a receiver with one retry; one that promises to take effect exactly once is atomic."""
    atomic = key.startswith("exactly_once.")
    return queued(key=key, atomic=atomic, max_attempts=max_attempts, backoff=fixed(0), timeout=timeout)


# those that end their process

ROOM = 64 * 2**20  # bytes that a process may still take
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def take_all_in_c() -> NoReturn:
    """Run out of memory in a library that does not check whether it got any."""
    leave_room()
    while True:
        libc.memset(libc.malloc(ROOM // 4), 1, ROOM // 4)


def take_all_in_python() -> NoReturn:
    """Run out of memory in Python, which says so, where it still can."""
    leave_room()
    taken, block = [b""], ROOM
    while True:
        try:
            taken.append(bytes(block))
        except MemoryError:
            if block < 64:
                raise
            block //= 2


def leave_room() -> None:
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.getrlimit(resource.RLIMIT_AS)[1]))


DEATHS: dict[str, Callable[[], object]] = {
    "exits, without a word to Python": lambda: os._exit(3),
    "reads where nothing is": lambda: ctypes.string_at(0),
    "takes all memory in C": take_all_in_c,
    "takes all memory in Python": take_all_in_python,
}


@twice("exactly_once.dies")
def dies(sender: object, how: str, **kwargs: Any) -> None:
    journal.attempt()
    leave_effect("before its death")  # must not stay
    DEATHS[how]()


# those that run longer than they may, in their first attempts


def calculate(seconds: float) -> None:
    """Keep the interpreter busy in C, which neither looks for signals nor lets another thread run."""
    until = time.monotonic() + seconds
    deque(itertools.takewhile(partial(operator.gt, until), iter(time.monotonic, None)), maxlen=0)


def digest() -> None:
    """Work in C for minutes; other threads run meanwhile, and signals wait."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)


def swallow_and_return() -> None:
    with suppress(BaseException):
        time.sleep(60)


def swallow_and_go_on() -> None:
    while True:
        swallow_and_return()


def raise_another_error() -> None:
    try:
        time.sleep(60)
    except BaseException:
        raise SystemExit("a library thinks that this ends everything") from None


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


async def swallow_the_cancellation() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


async def await_for_ever() -> None:
    while True:
        await swallow_the_cancellation()


async def block_the_loop() -> None:
    time.sleep(60)  # noqa: ASYNC251  # what nobody should do


OVERRUNS: dict[str, Callable[[], object]] = {
    "sleeps": partial(time.sleep, 60),
    "swallows and returns": swallow_and_return,
    "swallows and goes on": swallow_and_go_on,
    "raises another error": raise_another_error,
    "blocks signals": block_signals,
    "digests in C": digest,
    "calculates in C": partial(calculate, 0.6),
}
OVERRUNS_ASYNC: dict[str, Callable[[], Awaitable[object]]] = {
    "awaits": partial(asyncio.sleep, 60),
    "swallows its cancellation": swallow_the_cancellation,
    "awaits for ever": await_for_ever,
    "blocks its loop": block_the_loop,
}


@twice("at_least_once.overruns", timeout=0.3)
def overruns(sender: object, how: str, times: int, **kwargs: Any) -> None:
    if journal.attempt().attempt <= times:
        OVERRUNS[how]()


@twice("at_least_once.overruns_async", timeout=0.3)
async def overruns_async(sender: object, how: str, times: int, **kwargs: Any) -> None:
    if journal.attempt().attempt <= times:
        await OVERRUNS_ASYNC[how]()


@twice("exactly_once.overruns", timeout=0.3)
def overruns_atomically(sender: object, how: str, times: int, **kwargs: Any) -> None:
    is_late = journal.attempt().attempt <= times
    leave_effect(how)
    if is_late:
        OVERRUNS[how]()


@twice("exactly_once.overruns_async", timeout=0.3)
async def overruns_async_atomically(sender: object, how: str, times: int, **kwargs: Any) -> None:
    is_late = journal.attempt().attempt <= times
    await leave_effect_async(how)
    if is_late:
        await OVERRUNS_ASYNC[how]()


WAYS = [
    *[(overruns, how) for how in OVERRUNS],
    *[(overruns_async, how) for how in OVERRUNS_ASYNC],
    *[(overruns_atomically, how) for how in ("sleeps", "swallows and returns", "digests in C")],
    (overruns_async_atomically, "awaits"),
]


@twice("exactly_once.keeps_the_interpreter", timeout=0.5, max_attempts=9)
def keeps_the_interpreter(sender: object, times: int, seconds: float, **kwargs: Any) -> None:
    is_late = journal.attempt().attempt <= times
    leave_effect("keeps")
    if is_late:
        calculate(seconds)


# those that return what nobody can send on, or raise what is no error


class Unprintable(Exception):
    """Has no text, and cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError("no words")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


VALUES: dict[str, Callable[[], object]] = {
    "a lock": threading.Lock,
    "a lambda": lambda: lambda: None,
    "a generator": lambda: (number for number in range(3)),
    "32 MB": lambda: bytes(32 * 2**20),
    "itself": recursive,
    "a deep list": lambda: nested(100_000),
    "an error": lambda: SystemExit(3),
}
ERRORS: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "SystemExit without a status": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "CancelledError": asyncio.CancelledError,
    "BaseException": lambda: BaseException("the root of all"),
    "a group": lambda: BaseExceptionGroup("many", [SystemExit(1), KeyboardInterrupt()]),
    "one without words": Unprintable,
    "one that is a megabyte long": lambda: ValueError("no" * 2**19),
    "NUL": lambda: ValueError("\0 \ud800"),
}


@twice("exactly_once.is_odd")
def is_odd(sender: object, value: str = "", error: str = "", **kwargs: Any) -> object:
    journal.attempt()
    leave_effect(value or error)
    if error:
        raise ERRORS[error]()
    return VALUES[value]()


@twice("exactly_once.is_odd_async")
async def is_odd_async(sender: object, value: str = "", error: str = "", **kwargs: Any) -> object:
    journal.attempt()
    await leave_effect_async(value or error)
    if error:
        raise ERRORS[error]()
    return VALUES[value]()


def endless(number: int) -> int:
    return endless(number + 1) + 1


@twice("at_least_once.never_comes_back")
def never_comes_back(sender: object, **kwargs: Any) -> int:
    """Call itself until Python has had enough."""
    journal.attempt()
    return endless(0)
