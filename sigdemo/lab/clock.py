"""Time in the lab: two clocks read at one moment, and durations as people read them."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.utils import timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something began."""

    wall: datetime
    monotonic: float

    @classmethod
    def now(cls) -> Self:
        """Read both clocks."""
        return cls(wall=timezone.now(), monotonic=time.monotonic())

    def elapsed(self) -> float:
        """Return the seconds since then, by the clock that never jumps."""
        return time.monotonic() - self.monotonic


def duration(seconds: float) -> str:
    """Return milliseconds with a sensible number of digits: ``0.42 ms``, ``3.1 ms``, ``512 ms``, ``2,004 ms``."""
    milliseconds = seconds * 1000
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 1 else 2
    return f"{milliseconds:,.{digits}f} ms"
