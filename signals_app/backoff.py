"""How long to wait before the next attempt: frozen values that are called with the number of attempts so far.

Each function raises ValueError for what is out of range.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Backoff = Callable[[int], float]
"""Takes the number of attempts made so far (1 or more), returns seconds (0 or more) until the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """Seconds that grow with the attempts: ``base ** attempts + step * attempts``, at most ``cap``.

    A random share, at most ``jitter``, is taken off, so that retries do not come in step.
    """

    text: str  # how it was made
    base: float = 0
    step: float = 0
    cap: float
    jitter: float

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share between 0 and 1, not {self.jitter!r}.")
        if not 0 <= self.cap < float("inf"):
            raise ValueError(f"cap takes zero or more seconds, not {self.cap!r}.")

    def __call__(self, attempts: int) -> float:
        attempts = max(1, attempts)
        # past the 64th attempt any cap is reached; the bound keeps the power from overflowing
        delay = min(self.cap, float(self.base ** min(attempts, 64)) + self.step * attempts)
        return delay * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, guards nothing

    def __repr__(self) -> str:
        return self.text


def exponential(*, base: float = 2, cap: float = 600, jitter: float = 0.25) -> Backoff:
    """Return a backoff of ``base ** attempts`` seconds: 2, 4, 8 … up to ``cap``."""
    if not 1 <= base <= 1000:
        raise ValueError(f"base lies between 1 and 1000, not {base!r}.")
    return _Curve(text=f"exponential({base=:g}, {cap=:g}, {jitter=:g})", base=base, cap=cap, jitter=jitter)


def linear(*, step: float = 10, cap: float = 600, jitter: float = 0.25) -> Backoff:
    """Return a backoff of ``step * attempts`` seconds: 10, 20, 30 … up to ``cap``."""
    if not 0 <= step < float("inf"):
        raise ValueError(f"step takes zero or more seconds, not {step!r}.")
    return _Curve(text=f"linear({step=:g}, {cap=:g}, {jitter=:g})", step=step, cap=cap, jitter=jitter)


def fixed(seconds: float, *, jitter: float = 0) -> Backoff:
    """Return a backoff that is the same before every attempt."""
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"fixed takes zero or more seconds, not {seconds!r}.")
    return _Curve(text=f"fixed({seconds:g}, {jitter=:g})", step=seconds, cap=seconds, jitter=jitter)
