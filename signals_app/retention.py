"""How much of what is finished stays: the values of ``SIGNALS_APP["KEEP"]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 36_500.0  # days
STATES = ("SUCCESSFUL", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is older than ``days`` is deleted, and what comes after the ``number`` newest; None is no limit."""

    days: float | None = None
    number: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether both are numbers that a database can compare with."""
        days, number = self.days, self.number
        return (days is None or (_is_number(days, int | float) and 0 <= days <= LONGEST)) and (
            number is None or (_is_number(number, int) and 0 <= number < 2**31)
        )


DEFAULT: Mapping[str, Keep | None] = {
    "SUCCESSFUL": Keep(days=7, number=1_000_000),
    "FAILED": Keep(days=90),
    "CANCELLED": Keep(days=30),
}


def is_retention(value: Any) -> bool:
    """Tell whether value is a dict of final states and what to keep of each, or None."""
    if value is None:
        return True
    return isinstance(value, Mapping) and all(
        state in STATES and (keep is None or (isinstance(keep, Keep) and keep.is_sound))
        for state, keep in value.items()
    )


def limits(given: Mapping[str, Keep | None] | None) -> dict[str, Keep]:
    """Return the states of which not everything is kept. A state that is left out has its default."""
    wanted = {} if given is None else {**DEFAULT, **given}
    return {state: keep for state, keep in wanted.items() if keep not in (None, Keep())}


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
