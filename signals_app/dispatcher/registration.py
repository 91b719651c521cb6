"""Every queued receiver by its key, and whether anything is connected to it."""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any, Generic, TypeVar, cast

from django.dispatch import Signal

from signals_app.exceptions import ReceiverError
from signals_app.payloads import names

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


def require_unconnected(func: Callable[..., object]) -> None:
    """Raise ReceiverError, with the cure, where a signal calls this function itself.

    A connection with ``weak=False`` is found where the signal is a name in the function's module, or in a module that
    is a name there; any other wherever its signal is.
    """
    signal = next((one for one in _candidates(func) if _calls(one, func)), None)
    if signal is not None:
        raise ReceiverError(
            f"{func.__module__}.{func.__qualname__} is itself connected to "
            f"{names.signal_name(signal) or 'a signal'}, which would run it in the sender's process. "
            f"Put @receiver(...) above @queued; to have both, connect {func.__name__}.func afterwards; where another "
            "app connected it, disconnect it first."
        )


def _candidates(func: Callable[..., object]) -> Iterable[Signal]:
    """Return every signal there is where something refers to the function weakly, as connections do; else the near."""
    if weakref.getweakrefcount(getattr(func, "__func__", func)):
        return _signals_among(gc.get_objects())  # some milliseconds, and next to always to find one
    return _near(getattr(func, "__globals__", {}))


def _near(namespace: dict[str, Any]) -> Iterator[Signal]:
    values = list(namespace.values())
    yield from _signals_among(values)
    for module in values:
        if issubclass(type(module), ModuleType):
            yield from _signals_among(list(names.namespace(module).values()))


def _signals_among(values: Iterable[object]) -> Iterator[Signal]:
    # types are compared, because isinstance() would evaluate a lazy object
    return (cast("Signal", value) for value in values if issubclass(type(value), Signal))


def _calls(signal: Signal, func: Callable[..., object]) -> bool:
    for _, receiver, *_ in list(signal.receivers):
        target = receiver() if isinstance(receiver, weakref.ReferenceType) else receiver
        if type(target) is type(func) and target == func:
            return True
    return False
