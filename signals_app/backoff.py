"""How long to wait before the next attempt: frozen values that are called with the number of attempts so far."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Backoff = Callable[[int], float]
"""Takes the number of attempts made so far (1 or more), returns seconds (0 or more) until the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """A growing delay with jitter: a random share of it is taken off, so that retries do not come in step."""

    cap: float
    jitter: float

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share between 0 and 1, not {self.jitter!r}.")
        if not 0 <= self.cap < float("inf"):
            raise ValueError(f"cap takes zero or more seconds, not {self.cap!r}.")

    def __call__(self, attempts: int) -> float:
        delay = min(self.cap, self.delay(max(1, attempts)))
        return delay * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, guards nothing

    def delay(self, attempts: int) -> float:
        """Return the delay in seconds before jitter and cap."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Exponential(_Curve):
    base: float

    def __repr__(self) -> str:
        return f"exponential(base={self.base:g}, cap={self.cap:g}, jitter={self.jitter:g})"

    def delay(self, attempts: int) -> float:
        # past the 64th attempt any cap is reached; the bound keeps the power from overflowing
        return float(self.base ** min(attempts, 64))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Linear(_Curve):
    step: float

    def __repr__(self) -> str:
        if self.step == self.cap:
            return f"fixed({self.step:g}, jitter={self.jitter:g})"
        return f"linear(step={self.step:g}, cap={self.cap:g}, jitter={self.jitter:g})"

    def delay(self, attempts: int) -> float:
        return self.step * attempts


def exponential(*, base: float = 2, cap: float = 600, jitter: float = 0.25) -> Backoff:
    """Return a backoff of ``base ** attempts`` seconds: 2, 4, 8 … up to ``cap``.

    Raises ValueError where base is below 1, cap is negative or jitter is outside 0 to 1.
    """
    if not 1 <= base <= 1000:
        raise ValueError(f"base lies between 1 and 1000, not {base!r}.")
    return _Exponential(base=base, cap=cap, jitter=jitter)


def linear(*, step: float = 10, cap: float = 600, jitter: float = 0.25) -> Backoff:
    """Return a backoff of ``step * attempts`` seconds: 10, 20, 30 … up to ``cap``.

    Raises ValueError where step or cap is negative or jitter is outside 0 to 1.
    """
    if not 0 <= step < float("inf"):
        raise ValueError(f"step takes zero or more seconds, not {step!r}.")
    return _Linear(step=step, cap=cap, jitter=jitter)


def fixed(seconds: float, *, jitter: float = 0) -> Backoff:
    """Return a backoff that is the same before every attempt.

    Raises ValueError where seconds is negative or jitter is outside 0 to 1.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"fixed takes zero or more seconds, not {seconds!r}.")
    return _Linear(step=seconds, cap=seconds, jitter=jitter)
