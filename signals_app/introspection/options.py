"""The options of a queued receiver, as people and programs read them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from signals_app import backoff
from signals_app.dispatcher import QueuedReceiver
from signals_app.introspection.callables import callee
from signals_app.options import ReceiverOptions

Value = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; ``value`` is the name of a function where it is one, and seconds where it is a time."""

    name: str
    value: Value
    is_given: bool  # False: the project's default

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return f"{self.name}={', '.join(self.value) or '()'}"
        return f"{self.name}={self.value:g}" if isinstance(self.value, float) else f"{self.name}={self.value}"


def options_of(receiver: QueuedReceiver) -> tuple[Option, ...]:
    """Return every option with the value that it has now, those that were given first."""
    resolved = receiver.options
    found = (
        Option(
            name=field.name,
            value=_value(getattr(resolved, field.name)),
            is_given=getattr(resolved.given, field.name) is not None,
        )
        for field in fields(ReceiverOptions)
    )
    return tuple(sorted(found, key=lambda option: not option.is_given))


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Collection):
        return tuple(sorted(map(str, value)))
    # a backoff of ours says what it is made of; whatever else is a function is known by its name
    return repr(value) if type(value).__module__ == backoff.__name__ else callee(value).name
