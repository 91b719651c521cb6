"""Two clocks read at one moment: the wall's places it on an axis, the monotonic one measures from it."""

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
