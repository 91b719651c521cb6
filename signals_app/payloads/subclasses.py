"""Values of a subclass of a type that travels: as values of that type, where nothing would be lost by it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import takewhile
from typing import Any
from uuid import UUID

from signals_app.payloads import containers, scalars
from signals_app.payloads.classes import stray_attributes
from signals_app.payloads.cures import cure_for
from signals_app.payloads.walks import Encode, Encoder, Json, Refusal


def _items(kind: Any, value: Any) -> object:
    return kind(kind.__iter__(value))


# The type is an argument, since a library that freezes time puts its own classes in the place of our module's names.
# The methods are those of the type, so that what a subclass overrides is passed by.
_PLAIN: dict[type, Callable[[Any, Any], object]] = {
    int: lambda kind, value: kind.__index__(value),
    float: lambda kind, value: kind.__float__(value),
    str: lambda kind, value: kind.__str__(value),
    bytes: lambda kind, value: kind.__bytes__(value),
    bytearray: lambda kind, value: kind.copy(value),
    datetime: lambda kind, value: kind.combine(kind.date(value), kind.timetz(value)),
    date: lambda kind, value: kind.fromordinal(kind.toordinal(value)),
    time: lambda kind, value: kind.fromisoformat(kind.isoformat(value)).replace(tzinfo=value.tzinfo, fold=value.fold),
    timedelta: lambda kind, value: kind.__pos__(value),
    Decimal: lambda kind, value: kind(value),
    UUID: lambda kind, value: kind(int=value.int),
    list: _items,
    tuple: _items,
    set: _items,
    frozenset: _items,
    dict: lambda kind, value: kind(kind.items(value)),
    OrderedDict: lambda kind, value: dict(kind.items(value)),
}
_ENCODERS: dict[type, Encode] = scalars.ENCODERS | containers.ENCODERS
_ENCODERS[OrderedDict] = _ENCODERS[dict]
_CONTAINERS = (list, tuple, set, frozenset, dict, OrderedDict)
_READING = frozenset({"__missing__", "__getitem__", "__iter__", "__len__", "__contains__", "keys", "items", "get"})


def encoder_of(kind: type) -> Encode | None:
    """Return what writes values of a subclass as values of their base, and refuses those that hold or mean more."""
    base = next((base for base in kind.__mro__ if base in _PLAIN), None)
    return partial(_encode, base) if base else None


def _encode(base: type, value: Any, walk: Encoder) -> Json:
    plain = _PLAIN[base](base, value)
    lost = _lost(value, plain, base)
    if lost:
        raise Refusal(value, f"is more than a plain {base.__name__}: {lost} would be lost", cure_for(type(value)))
    return _ENCODERS[base](plain, walk)


def _lost(value: Any, plain: object, base: type) -> str:
    kind = type(value)
    above = list(takewhile(lambda one: one is not base, kind.__mro__))
    for attribute in stray_attributes(value, above):
        return f"its attribute {attribute}"
    for one in above:
        for name in sorted(_READING & vars(one).keys()) if base in _CONTAINERS else ():
            return f"its own {name}()"
    return "" if _equal(plain, value) else "what makes it unequal to one"


def _equal(plain: object, value: object) -> bool:
    try:
        return bool(plain == value) or bool(plain != plain)  # NaN equals nothing
    except Exception:  # whatever an __eq__ of the class raises
        return False
