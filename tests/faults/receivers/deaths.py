"""Receivers that take their worker's process with them."""

import ctypes
import os
import resource
from typing import Any

from signals_app.backoff import fixed
from signals_app.dispatcher import queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect

ROOM = 64 * 2**20  # bytes that a process may still take
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def begin() -> None:
    """Note the attempt, and leave an effect that must not stay."""
    journal.attempt()
    leave_effect("before its death")


@queued(key="exactly_once.exits", atomic=True, max_attempts=3, backoff=fixed(0))
def exits(sender: object, **kwargs: Any) -> None:
    """End the process, without a word to Python."""
    begin()
    os._exit(3)


@queued(key="exactly_once.crashes", atomic=True, max_attempts=2, backoff=fixed(0))
def crashes(sender: object, **kwargs: Any) -> None:
    """Read where nothing is."""
    begin()
    ctypes.string_at(0)


@queued(key="exactly_once.takes_all_in_c", atomic=True, max_attempts=2, backoff=fixed(0))
def takes_all_in_c(sender: object, **kwargs: Any) -> None:
    """Run out of memory in a library that does not look whether it got any."""
    begin()
    _leave_room(ROOM)
    while True:
        libc.memset(libc.malloc(ROOM // 4), 1, ROOM // 4)


@queued(key="exactly_once.takes_all_in_python", atomic=True, max_attempts=2, backoff=fixed(0))
def takes_all_in_python(sender: object, **kwargs: Any) -> None:
    """Run out of memory in Python, which says so, where it still can."""
    begin()
    _leave_room(ROOM)
    taken, block = [b""], ROOM
    while True:
        try:
            taken.append(bytes(block))
        except MemoryError:
            if block < 64:
                raise
            block //= 2


def _leave_room(size: int) -> None:
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size, resource.getrlimit(resource.RLIMIT_AS)[1]))
