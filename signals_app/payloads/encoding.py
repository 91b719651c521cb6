"""Signal arguments to JSON text."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from inspect import signature
from itertools import takewhile
from typing import Any, cast
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Model
from django.utils.functional import LazyObject, Promise, empty

from signals_app.conf import conf
from signals_app.exceptions import PayloadError, PayloadTooLarge
from signals_app.payloads import classes, instances, values
from signals_app.payloads.classes import stray_attributes
from signals_app.payloads.errors import (
    MAX_DEPTH,
    BrokenOff,
    Encode,
    Encoder,
    Json,
    Refusal,
    TooDeep,
    TooMany,
    cure_for,
    shown,
    size_of,
)
from signals_app.payloads.names import label


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
_CONTAINERS = (list, tuple, set, frozenset, dict, OrderedDict)
_READING = frozenset({"__missing__", "__getitem__", "__iter__", "__len__", "__contains__", "keys", "items", "get"})


def _encode_as_base(base: type, value: Any, walk: Encoder) -> Json:
    """Write a value of a subclass as one of its base. Raises Refusal where it holds or means more."""
    plain = _PLAIN[base](base, value)
    lost = _lost(value, plain, base)
    if lost:
        raise Refusal(value, f"is more than a plain {base.__name__}: {lost} would be lost", cure_for(type(value)))
    return _by_type[dict if base is OrderedDict else base](plain, walk)


def _lost(value: Any, plain: object, base: type) -> str:
    kind = type(value)
    above = list(takewhile(lambda one: one is not base, kind.__mro__))
    for attribute in stray_attributes(value, above):
        return f"its attribute {attribute}"
    for one in above:
        for name in sorted(_READING & vars(one).keys()) if base in _CONTAINERS else ():
            return f"its own {name}()"
    with suppress(Exception):  # whatever an __eq__ of the class raises
        if plain == value or plain != plain:  # NaN equals nothing
            return ""
    return "what makes it unequal to one"


_to_text = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode
_by_type: dict[type, Encode] = values.ENCODERS

# of a row that goes, only values can travel: of the instance all, of what a cascade began with the key
_DELETIONS = {f"django.db.models.signals.{when}_delete": ("instance",) for when in ("pre", "post")}


class _Walk(Encoder):
    __slots__ = ()

    def encode(self, value: object) -> Json:
        kind = type(value)
        encode = _by_type.get(kind)
        return encode(value, self) if encode else _by_family(kind)(value, self)


def _by_family(kind: type) -> Encode:
    # types are compared, because isinstance() would evaluate a lazy object
    if issubclass(kind, Model):
        return instances.encode_instance
    if issubclass(kind, type):
        return classes.encode_class
    if issubclass(kind, Enum):
        return classes.encode_enum
    if issubclass(kind, LazyObject):
        return _encode_lazy_object
    if issubclass(kind, Promise):
        return _encode_promise
    if hasattr(kind, "__dataclass_fields__"):
        return classes.encode_dataclass
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return classes.encode_namedtuple
    base = next((base for base in kind.__mro__ if base in _PLAIN), None)
    return partial(_encode_as_base, base) if base else _refuse


def _encode_lazy_object(value: LazyObject[Any], walk: Encoder) -> Json:
    if value._wrapped is empty:
        value._setup()
    walk.enter(0)  # one that wraps itself would never end
    written = walk.encode(value._wrapped)
    walk.leave()
    return written


def _encode_promise(value: Promise, walk: Encoder) -> Json:
    # the result of lazy() has no public way to its value but the methods of the value's type
    cast = getattr(value, "_proxy____cast", None)
    made = cast() if cast else str(value)
    if issubclass(type(made), str) and bool(made) != bool(str.__str__(made)):
        return _refuse(made, walk)  # a plural without its number: a text that only % makes
    return walk.encode(made)


def _refuse(value: object, walk: Encoder) -> Json:
    raise Refusal(value, "cannot travel to a worker", cure_for(type(value)))


def encode_arguments(
    arguments: Mapping[str, object],
    *,
    sender: object,
    signal: str,
    receiver: str,
    snapshot: Collection[str] = (),
    func: Callable[..., object] | None = None,
) -> str:
    """Return the JSON text of a send: ``{"sender": …, "arguments": {…}}``.

    ``signal`` and ``receiver`` are names; ``snapshot`` names the arguments whose model instances travel by value, also
    where another argument is the same instance. A sender that cannot travel, such as a service object or an unsaved
    instance, does so as its class, and where a worker would not find that, as its label. What a signal of Django's own
    brings and cannot travel stays behind, unless ``func`` cannot be called without it. Raises PayloadError for a value
    of a type that cannot travel, and PayloadTooLarge beyond ``SIGNALS_APP["MAX_PAYLOAD"]`` bytes of UTF-8.
    """
    limit = conf.max_payload
    walk = _Walk(limit)
    walk.is_deleted = signal in _DELETIONS
    by_value = {id(arguments[name]) for name in [*snapshot, *_DELETIONS.get(signal, ())] if name in arguments}
    first: dict[int, str] = {}  # by which name an instance travels that two arguments share
    written: dict[str, Json] = {}
    name = ""
    try:
        written_sender = _encode_sender(sender, limit)
        for name, value in arguments.items():
            try:
                name.encode()
            except UnicodeEncodeError:
                raise Refusal(name, "is a name that UTF-8 cannot hold", "Rename it.") from None
            if issubclass(type(value), Model) and first.setdefault(id(value), name) != name:
                written[name] = {"$argument": first[id(value)]}
                continue
            walk.by_value, walk.depth = id(value) in by_value, 0
            try:
                written[name] = walk.encode(value)
            except (Refusal, TooDeep) as broken:
                if not _stays_behind(value, name, broken, signal, func):
                    raise
        text = _to_text({"sender": written_sender, "arguments": written})
    except TooMany:
        raise _too_large(f"more than {limit:,}", limit, name, signal, receiver) from None
    except BrokenOff as broken:
        what = _explanation(broken, name)
        raise PayloadError(f"{receiver} cannot receive {signal}: {what}") from None
    size = size_of(text)
    if size > limit:
        parts = {**written, "sender": written_sender}
        largest = max(parts, key=lambda key: len(_to_text(parts[key])))
        if largest == "sender" and (short := label(sender)) != written_sender:
            return encode_arguments(
                arguments, sender=short, signal=signal, receiver=receiver, func=func, snapshot=snapshot
            )
        raise _too_large(f"{size:,}", limit, largest, signal, receiver)
    return text


def _stays_behind(value: object, name: str, broken: BrokenOff, signal: str, func: Callable[..., object] | None) -> bool:
    """Tell whether an argument that cannot travel is Django's own, of which a receiver can do without."""
    if not signal.startswith("django.") or issubclass(type(value), Model):
        return False
    parameter = signature(func).parameters.get(name) if func else None
    if parameter is None or parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
        return True
    if isinstance(broken, Refusal):
        broken.cure = "Django sends it: take the parameter {argument} out of the receiver, or give it a default value."
    return False


def _encode_sender(sender: object, budget: int) -> Json:
    """Write a sender as it is, else as its class, else as its label: no argument is lost for its sake."""
    kind = type(sender)
    try:
        return _Walk(budget).encode(sender)
    except DatabaseError:
        raise  # the transaction is lost already, and this says why
    except Exception:  # BrokenOff, or whatever a sender's own code raises
        if kind not in _by_type and not issubclass(kind, type):
            with suppress(Exception):
                return classes.encode_class(kind, _Walk(budget))
    return label(sender)


def _too_large(size: str, limit: int, largest: str, signal: str, receiver: str) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{receiver} cannot receive {signal}: its arguments take {size} bytes of JSON and "
        f'SIGNALS_APP["MAX_PAYLOAD"] allows {limit:,}; the largest is {largest}. '
        "Store the data and pass its primary key, or raise the limit."
    )


def _explanation(broken: BrokenOff, name: str) -> str:
    path = broken.path(name if name.isprintable() else shown(name))
    if isinstance(broken, Refusal):
        culprit = broken.culprit
        # types are compared, because isinstance() asks an object that may lie or fail
        kind = cast(type, culprit) if issubclass(type(culprit), type) else type(culprit)
        kind_name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        cure = broken.cure.format(argument=name, path=path)
        return f"{path} ({kind_name}) {broken.problem}. {cure}"
    cycle = broken.cycle(name)
    if cycle:
        return f"{cycle} contains itself. Break the cycle, or pass primary keys."
    return f"{path[:80]}… is nested deeper than {MAX_DEPTH} levels. Flatten it, or store it and pass its primary key."
