"""The work itself: waiting, or counting in pure Python, for as long as was asked."""

import asyncio
import time
from functools import lru_cache

from sigdemo.lab.kinds import Kind

SAMPLE = 100_000  # turns that one calibration counts; about 10 ms
SAMPLES = 3


class LabFailure(Exception):
    """The work failed, as it was told to."""


def do(kind: str, seconds: float, *, attempt: int) -> None:
    """Do work of a kind for ``seconds``. Raises LabFailure where the kind says so, after that time."""
    if kind == Kind.CPU:
        count(turns_for(seconds))
    else:
        time.sleep(seconds)
    _fail_as_told(kind, attempt)


async def do_async(kind: str, seconds: float, *, attempt: int) -> None:
    """Do the same as a coroutine: waiting lets others run, counting does not."""
    if kind == Kind.CPU:
        count(turns_for(seconds))
    else:
        await asyncio.sleep(seconds)
    _fail_as_told(kind, attempt)


def count(turns: int) -> int:
    """Keep one CPU busy with pure Python, which holds the GIL."""
    total = 0
    for turn in range(turns):
        total = (total * 31 + turn) % 1_000_003
    return total


def turns_for(seconds: float) -> int:
    """Return how many turns keep this process's CPU busy for ``seconds``, had it a CPU to itself."""
    return max(1, round(seconds * turns_per_second()))


@lru_cache(maxsize=1)
def turns_per_second() -> float:
    """Measure, once per process, by the time that this thread spent on a CPU: what else runs does not count."""
    return SAMPLE / min(_sample() for _ in range(SAMPLES))


def _sample() -> float:
    begin = time.thread_time()
    count(SAMPLE)
    return max(time.thread_time() - begin, 1e-6)


def _fail_as_told(kind: str, attempt: int) -> None:
    if kind == Kind.FAILS or (kind == Kind.FAILS_ONCE and attempt == 1):
        raise LabFailure(f"Attempt {attempt} failed, as it was told to.")
