"""What both directions share: the shape of JSON, how deep a value may go, and how a walk over one is broken off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from signals_app.masking import beginning

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 32  # levels of containers in one argument
TAG = "$"  # what the only key of a tagged object begins with


class BrokenOff(Exception):
    """Ends a walk; while the stack unwinds, each container adds the step that led to the culprit."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[str] = []
        self._containers: list[int] = []

    def passing(self, step: str, container: object) -> None:
        """Add the step, such as ``[3]`` or ``.lines``, by which a container holds what the walk came from."""
        self._steps.append(step)
        self._containers.append(id(container))

    def path(self, root: str) -> str:
        """Return where the culprit is, such as ``order.lines[3]``."""
        return root + "".join(reversed(self._steps))

    def cycle(self, root: str) -> str | None:
        """Return the path of a container that holds itself, or None."""
        seen: set[int] = set()
        outermost_first = list(reversed(self._containers))
        for depth, container in enumerate(outermost_first):
            if container in seen:
                return root + "".join(list(reversed(self._steps))[:depth])
            seen.add(container)
        return None


class Refusal(BrokenOff):
    """A value cannot travel. ``{argument}`` in the cure stands for the name of the argument."""

    def __init__(self, culprit: object, problem: str, cure: str) -> None:
        super().__init__()
        self.culprit = culprit
        self.problem = problem
        self.cure = cure


class TooDeep(BrokenOff):
    """Containers are nested deeper than MAX_DEPTH."""


class TooMany(BrokenOff):
    """The containers hold more items than a payload has bytes."""


class Malformed(BrokenOff):
    """A payload does not say what it should."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class Gone(BrokenOff):
    """A model instance that a payload refers to does not exist."""

    def __init__(self, model: str, pk: object, database: str) -> None:
        super().__init__()
        self.model = model
        self.pk = pk
        self.database = database


def shown(value: object) -> str:
    """Return a short text of a value for a message, whatever its ``__repr__`` does."""
    try:
        text = ascii(value)
    except Exception:  # such as the limit of 4,300 digits
        return f"a value of type {type(value).__qualname__}"
    return text if len(text) <= 60 else f"{beginning(text, 60)}…"


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Encoder(Protocol):
    """The walk from values to JSON."""

    by_value: bool  # model instances are written as snapshots
    is_deleted: bool  # their rows are about to go, so that others are written as their keys
    depth: int

    def encode(self, value: object, /) -> Json:
        """Return the JSON of a value. Raises BrokenOff."""

    def enter(self, size: int, /) -> None:
        """Go into a container of that many items. Raises TooDeep and TooMany."""

    def leave(self) -> None:
        """Come back out of it."""


class Decoder(Protocol):
    """The walk from JSON to values."""

    def decode(self, value: Json, /) -> object:
        """Return the value of JSON. Raises BrokenOff."""


Encode = Callable[[Any, Encoder], Json]
Decode = Callable[[Json, Decoder], object]
