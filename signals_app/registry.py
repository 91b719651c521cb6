"""Every queued receiver of this process by its key: what a worker can run, and nothing else."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Generic, TypeVar

from signals_app.exceptions import ReceiverError

R = TypeVar("R")
Function = Callable[..., object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry(Generic[R]):
    """A receiver, its function, and the run of its module's body that entered it, None where it was another's."""

    receiver: R
    func: Function
    body: CodeType | None


class Registry(Generic[R]):
    """Keys and the receivers they stand for."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[R]] = {}

    def add(self, key: str, receiver: R, func: Function) -> None:
        """Enter a receiver. Raises ReceiverError where another function has the key.

        The same function, defined anew by a module that is loaded once more, replaces the old one.
        """
        made = _Entry(receiver=receiver, func=func, body=_body(func.__module__))
        known = self._entries.get(key)
        if known and not _is_renewed(known, made):
            raise ReceiverError(_taken(key, known.func, func))
        self._entries[key] = made

    def get(self, key: str) -> R | None:
        """Return the receiver of a key, or None when this process does not know it."""
        known = self._entries.get(key)
        return known.receiver if known else None

    def all(self) -> list[R]:
        """Return every receiver, by key."""
        return [self._entries[key].receiver for key in sorted(self._entries)]

    def forget(self, key: str) -> None:
        """Remove a receiver; its waiting deliveries are unroutable in this process from now on."""
        self._entries.pop(key, None)


def _is_renewed(known: _Entry[R], made: _Entry[R]) -> bool:
    """Tell whether two entries are of one function: at one place, or of one name in two runs of its module."""
    if _name(known.func) != _name(made.func):
        return False
    return _place(known.func) == _place(made.func) or (made.body is not None and made.body is not known.body)


def _taken(key: str, known: Function, func: Function) -> str:
    taken = f"The key {key!r} already belongs to {_name(known)}"
    if _name(known) == _name(func):
        return f"{taken}, which is defined twice in its module. Rename one of the two, or give it a key=... of its own."
    if _place(known) == _place(func):
        return f"{taken}, which is the same as {_name(func)}: the file was imported under two names. Import it as one."
    return f"{taken}. Give {_name(func)} a key=... of its own."


def _body(module: str) -> CodeType | None:
    """Return the code of the module's body that is being run. Each time a file is loaded, that is another object."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]  # None ends it
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == module:
            return frame.f_code
    return None


def _name(func: Function) -> str:
    return f"{func.__module__}.{func.__qualname__}"


def _place(func: Function) -> tuple[str, int]:
    """Return the file and the line where a function is written, whatever decorators made of it."""
    code = getattr(inspect.unwrap(getattr(func, "__func__", func)), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)
