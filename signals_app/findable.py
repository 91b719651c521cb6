"""What a function must be so that a worker, in another process, can find and call it again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType

from django.dispatch import Signal

from signals_app.exceptions import ReceiverError

_AT_MODULE_LEVEL = "with def at the top level of a module that every worker imports"
_CALLED = f"write a function that calls it, {_AT_MODULE_LEVEL}"


def require_findable(func: object) -> None:
    """Raise ReceiverError, with the cure, unless a worker could find this function and call it with any argument."""
    if isinstance(func, classmethod):
        raise ReceiverError(
            f"{func.__func__.__qualname__} is a classmethod, which has no class yet; make it a staticmethod."
        )
    if isinstance(func, Signal):
        raise ReceiverError("queued takes a function, not a signal; write @queued_receiver(signal) instead.")
    if not inspect.isroutine(func) or not hasattr(func, "__module__"):  # a method of C has none
        raise ReceiverError(f"{func!r} is not a function, so a worker could not find it by name; {_CALLED}.")
    name = f"{func.__module__}.{func.__qualname__}"
    owner = getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, type | ModuleType):
        raise ReceiverError(
            f"{name} is bound to an instance of {type(owner).__name__}, which exists in this process only; "
            f"write a function that makes or finds one and calls it, {_AT_MODULE_LEVEL}."
        )
    if "<lambda>" in func.__qualname__:
        raise ReceiverError(f"{name} is a lambda, which a worker cannot find by name; define it {_AT_MODULE_LEVEL}.")
    if "<locals>" in func.__qualname__:
        raise ReceiverError(
            f"{name} is nested in another function, so a worker cannot find it; define it {_AT_MODULE_LEVEL}. If a "
            "decorator returned it, put @functools.wraps above the function within the decorator."
        )
    if func.__module__ == "__main__":
        raise ReceiverError(
            f"{name} lives in the script that was started, which no worker imports; define it {_AT_MODULE_LEVEL}."
        )
    _require_call(func, name)


def required_arguments(func: Callable[..., object]) -> frozenset[str]:
    """Return the names, beside sender and signal, without which a function cannot be called."""
    # as it is called: a decorator may give what the function within takes
    called = func.__func__ if isinstance(func, staticmethod) else func
    try:
        parameters = inspect.signature(called, follow_wrapped=False).parameters.values()
    except ValueError:  # what functools.cache makes, for instance, takes anything and looks later
        return frozenset()
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(p.name for p in parameters if p.kind in plain and p.default is p.empty) - {"sender", "signal"}


def _require_call(func: Callable[..., object], name: str) -> None:
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise ReceiverError(f"{name} is a generator: calling it would run nothing. Return instead of yield.")
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except ValueError:  # of C, and it does not say
        parameters = []
    if not any(p.kind == p.VAR_KEYWORD for p in parameters):
        raise ReceiverError(f"{name} must accept keyword arguments; add **kwargs to its parameters, or {_CALLED}.")
    for p in parameters:
        if p.kind == p.POSITIONAL_ONLY or (p.name == "self" and p.default is p.empty):
            raise ReceiverError(
                f"{name} takes {p.name!r} by position, but a signal passes everything by keyword; "
                f"{'make it a staticmethod' if p.name == 'self' else 'drop the / from its parameters'}."
            )
