"""What a run is asked to be."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sigdemo.lab.kinds import Death, Kind, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A valid setting of the lab. ``death`` is set for a crash test only."""

    kind: Kind
    seconds: float
    fan_out: int
    ways: Sequence[Way]
    death: Death | None = None


def gil_enabled() -> bool | None:
    """Return whether this process's GIL is enabled; None where Python cannot tell, which is where it always is."""
    tell = getattr(sys, "_is_gil_enabled", None)
    return tell() if tell else None
