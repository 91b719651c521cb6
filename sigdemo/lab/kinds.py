"""The choices of the lab: six ways to get work done, kinds of work, and how work ends."""

from django.db import models


class Way(models.TextChoices):
    """How a request gets work done, in the order in which "run all" takes them."""

    INLINE = "inline", "Inline call"
    SIGNAL = "signal", "Signal"
    ASYNC_SIGNAL = "async-signal", "Async signal"
    THREAD = "thread", "Thread"
    THREAD_JOIN = "thread-join", "Thread + join"
    QUEUED = "queued", "Queued receiver"


# The ways whose work is over when the request is: what has not begun by then never will.
IN_THE_REQUEST = (Way.INLINE, Way.SIGNAL, Way.ASYNC_SIGNAL, Way.THREAD_JOIN)


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


class Death(models.TextChoices):
    """How the crash test ends its sandbox process."""

    SIGTERM = "SIGTERM", "SIGTERM"
    SIGKILL = "SIGKILL", "SIGKILL"
    EXIT = "os._exit", "os._exit"


SHORTEST, LONGEST = 0.1, 5.0  # seconds of work
MOST_RECEIVERS = 8
ATTEMPTS = 3  # that a queued receiver of the lab has
