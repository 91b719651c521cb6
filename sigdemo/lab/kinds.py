"""The choices of the lab: seven ways to get work done, kinds of work, how work ends, and what a run is asked to be."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models


class Way(models.TextChoices):
    """How a request gets work done, in the order in which "run all" takes them."""

    INLINE = "inline", "Inline call"
    SIGNAL = "signal", "Signal"
    ASYNC_SIGNAL = "async-signal", "Async signal"
    THREAD = "thread", "Thread"
    THREAD_JOIN = "thread-join", "Thread + join"
    QUEUED = "queued", "Queue"
    TASK = "task", "django.tasks"


# The ways whose work is over when the request is: what has not begun by then never will.
IN_THE_REQUEST = (Way.INLINE, Way.SIGNAL, Way.ASYNC_SIGNAL, Way.THREAD_JOIN)

BY_A_WORKER = (Way.QUEUED, Way.TASK)  # the ways whose work is a delivery


class Kind(models.TextChoices):
    """What the work is."""

    WAIT = "wait", "Waiting (I/O)"
    CPU = "cpu", "CPU (pure Python)"
    FAILS = "fails", "Fails"
    FAILS_ONCE = "fails-once", "Fails once, then succeeds"


class Outcome(models.TextChoices):
    """How a receiver's work ended."""

    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    LOST = "lost", "LOST"


class Guess(models.TextChoices):
    """Who waits until the work is done, as a visitor guesses; all but nobody are ways."""

    SIGNAL = "signal", "Whoever sends the signal"
    THREAD = "thread", "Whoever starts the thread"
    QUEUED = "queued", "Whoever uses the queue"
    NOBODY = "nobody", "Nobody"


class Death(models.TextChoices):
    """How the crash test ends its sandbox process."""

    SIGTERM = "SIGTERM", "SIGTERM"
    SIGKILL = "SIGKILL", "SIGKILL"
    EXIT = "os._exit", "os._exit"


SHORTEST, LONGEST = 0.1, 5.0  # seconds of work
MOST_RECEIVERS = 8
ATTEMPTS = 3  # that a queued receiver of the lab has


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A valid setting of the lab. ``death`` is set for a crash test only; ``crash`` is one to come after the lanes."""

    kind: Kind
    seconds: float
    fan_out: int
    ways: Sequence[Way]
    death: Death | None = None
    guess: str = ""
    crash: "Plan | None" = None


def gil_enabled() -> bool | None:
    """Return whether this process's GIL is enabled; None where Python cannot tell, which is where it always is."""
    tell = getattr(sys, "_is_gil_enabled", None)
    return tell() if tell else None
