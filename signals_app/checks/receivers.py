"""Whether what is queued runs in the sender's process, or never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ReferenceType

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from signals_app.conf import Defaults, given
from signals_app.dispatcher import registry
from signals_app.dispatcher.options import TIMES, conflict_of
from signals_app.payloads.names import named_signals


@register("signals_app")
def check_connections(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no signal of a module calls the plain function of a queued receiver in place of the receiver.

    Decorators in the wrong order connect the plain function first. Whoever wants both connects it afterwards, or to
    another signal.
    """
    called = [(name, [_target(entry) for entry in list(signal.receivers)]) for signal, name in named_signals()]
    connected = {id(one) for _, targets in called for one in targets}
    found: list[CheckMessage] = []
    for name, targets in called:
        for receiver in registry.all() if targets else ():
            func = receiver.func
            # types are compared first: whatever else is connected may have an __eq__ of its own
            first = next((one for one in targets if one is receiver or (type(one) is type(func) and one == func)), None)
            if (
                first is None
                or first is receiver
                or (all(one is not receiver for one in targets) and id(receiver) in connected)
            ):
                continue
            found.append(
                Error(
                    f"{func.__module__}.{func.__qualname__} is itself connected to {name}, which runs it in the "
                    "sender's process.",
                    hint=f"Put @receiver(...) above @queued; to have both, connect {func.__name__}.func "
                    "afterwards; where another app connected it, disconnect it first.",
                    id="signals_app.E023",
                )
            )
    return found


@register("signals_app")
def check_times(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no times of a receiver exclude each other, some of its own and some of the defaults."""
    known = Defaults.known()
    if not all(known[name.upper()].accepts(given().get(name.upper(), 0)) for name in TIMES):
        return []  # another check tells
    found: list[CheckMessage] = []
    for receiver in registry.all():
        options = receiver.options
        names = [*TIMES, "coalesce"] if options.coalesce else TIMES[:2]
        if conflict := conflict_of({name: getattr(options, name) for name in names}):
            hint = "Give the receiver other times of its own; 0 takes away one that is the project's default."
            found.append(Error(f"{receiver.key}: {conflict}", hint=hint, id="signals_app.E024"))
    return found


def _target(entry: Any) -> object:
    target = entry[1]
    return target() if isinstance(target, ReferenceType) else target
