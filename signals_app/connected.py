"""Which signals call a function as it is, which tells that its decorators stand in the wrong order.

``@queued`` over ``@receiver(...)`` gets a function that its signal calls already: the work would be done in the
sender's process, and the queued receiver be called by nobody. Nothing of Django says so.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any, cast

from django.dispatch import Signal

from signals_app import naming
from signals_app.exceptions import ReceiverError


def require_unconnected(func: Callable[..., object]) -> None:
    """Raise ReceiverError, with the cure, where a signal calls this function itself.

    A connection with ``weak=False`` is found where the signal is a name in the function's module, or in a module that
    is a name there; any other wherever its signal is.
    """
    signal = next((one for one in _candidates(func) if _calls(one, func)), None)
    if signal is not None:
        raise ReceiverError(
            f"{func.__module__}.{func.__qualname__} is itself connected to "
            f"{naming.signal_name(signal) or 'a signal'}, which would run it in the sender's process. "
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
            yield from _signals_among(list(naming.namespace(module).values()))


def _signals_among(values: Iterable[object]) -> Iterator[Signal]:
    # types are compared, because isinstance() would evaluate a lazy object
    return (cast("Signal", value) for value in values if issubclass(type(value), Signal))


def _calls(signal: Signal, func: Callable[..., object]) -> bool:
    for _, receiver, *_ in list(signal.receivers):
        target = receiver() if isinstance(receiver, weakref.ReferenceType) else receiver
        if type(target) is type(func) and target == func:
            return True
    return False
