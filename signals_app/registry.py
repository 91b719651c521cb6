"""Every queued receiver of this process by its key: what a worker can run, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from signals_app.exceptions import ReceiverError

R = TypeVar("R")


class Registry(Generic[R]):
    """Keys and the receivers they stand for."""

    def __init__(self) -> None:
        self._receivers: dict[str, tuple[R, Callable[..., object]]] = {}

    def add(self, key: str, receiver: R, func: Callable[..., object]) -> None:
        """Enter a receiver. Raises ReceiverError where another function has the key.

        The same function, defined anew by a reloaded module, replaces the old one.
        """
        known = self._receivers.get(key)
        if known and _place(known[1]) != _place(func):
            raise ReceiverError(
                f"The key {key!r} already belongs to {known[1].__module__}.{known[1].__qualname__}. "
                f"Give {func.__module__}.{func.__qualname__} a key=... of its own."
            )
        self._receivers[key] = (receiver, func)

    def get(self, key: str) -> R | None:
        """Return the receiver of a key, or None when this process does not know it."""
        known = self._receivers.get(key)
        return known[0] if known else None

    def all(self) -> list[R]:
        """Return every receiver, by key."""
        return [self._receivers[key][0] for key in sorted(self._receivers)]

    def forget(self, key: str) -> None:
        """Remove a receiver; its waiting deliveries are unroutable in this process from now on."""
        self._receivers.pop(key, None)


def _place(func: Callable[..., object]) -> tuple[str, str, int]:
    """Return where a function is defined: module, qualified name, line."""
    code = getattr(getattr(func, "__func__", func), "__code__", None)
    return func.__module__, func.__qualname__, code.co_firstlineno if code else 0
