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
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Model
from django.utils.functional import LazyObject, Promise, empty

from signals_app.conf import conf
from signals_app.exceptions import PayloadError, PayloadTooLarge
from signals_app.payloads import classes, instances
from signals_app.payloads.errors import BrokenOff, Encode, Encoder, Json, Refusal, TooDeep, TooMany, is_utf_8, size_of
from signals_app.payloads.names import label
from signals_app.payloads.values import ENCODERS

_to_text = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode

# of a row that is being deleted only values can travel: all of the instance's, the key of what a cascade began with
_DELETIONS = {f"django.db.models.signals.{when}_delete": ("instance",) for when in ("pre", "post")}


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
    instance, goes as its class, and where a worker would not find that, as its label. What a signal of Django's own
    brings and cannot travel stays behind, unless ``func`` cannot be called without it. Raises PayloadError for a value
    of a type that cannot travel, and PayloadTooLarge beyond ``SIGNALS_APP["MAX_PAYLOAD"]`` bytes of UTF-8.
    """
    limit = conf.max_payload
    walk = _Walk(limit)
    walk.is_deleted = signal in _DELETIONS
    by_value = {id(arguments[name]) for name in [*snapshot, *_DELETIONS.get(signal, ())] if name in arguments}
    first: dict[int, str] = {}  # the name under which an instance travels that two arguments share
    written: dict[str, Json] = {}
    name = ""
    try:
        written_sender = _encode_sender(sender, limit)
        for name, value in arguments.items():
            if not (name.isascii() or is_utf_8(name)):
                raise Refusal(name, "is a name that UTF-8 cannot hold", "Rename it.")
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
    except (Refusal, TooDeep) as broken:
        raise PayloadError(f"{receiver} cannot receive {signal}: {broken.explained(name)}") from None
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


def _encode_sender(sender: object, budget: int) -> Json:
    """Write a sender as it is, else as its class, else as its label: no argument is lost for its sake."""
    kind = type(sender)
    try:
        return _Walk(budget).encode(sender)
    except DatabaseError:
        raise  # the transaction is lost already, and this says why
    except Exception:  # BrokenOff, or whatever a sender's own code raises
        if kind not in ENCODERS and not issubclass(kind, type):
            with suppress(Exception):
                return classes.encode_class(kind, _Walk(budget))
    return label(sender)


def _stays_behind(value: object, name: str, broken: BrokenOff, signal: str, func: Callable[..., object] | None) -> bool:
    """Return whether an argument that cannot travel is Django's own and one that the receiver can do without."""
    if not signal.startswith("django.") or issubclass(type(value), Model):
        return False
    parameter = signature(func).parameters.get(name) if func else None
    if parameter is None or parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
        return True
    if isinstance(broken, Refusal):
        broken.cure = "Django sends it: take the parameter {argument} out of the receiver, or give it a default value."
    return False


def _too_large(size: str, limit: int, largest: str, signal: str, receiver: str) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{receiver} cannot receive {signal}: its arguments take {size} bytes of JSON and "
        f'SIGNALS_APP["MAX_PAYLOAD"] allows {limit:,}; the largest is {largest}. '
        "Store the data and pass its primary key, or raise the limit."
    )


_encoder_of = ENCODERS.get


class _Walk(Encoder):
    __slots__ = ()

    def encode(self, value: object) -> Json:
        encode = _encoder_of(type(value)) or _by_family(type(value))
        return encode(value, self)


def _by_family(kind: type) -> Encode:
    # types are compared, because isinstance() would evaluate a lazy object
    for family, encode in _FAMILIES:
        if issubclass(kind, family):
            return encode
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
    walk.depth -= 1
    return written


def _encode_promise(value: Promise, walk: Encoder) -> Json:
    # the result of lazy() has no public way to its value but the methods of the value's type
    cast = getattr(value, "_proxy____cast", None)
    made = cast() if cast else str(value)
    if issubclass(type(made), str) and bool(made) != bool(str.__str__(made)):
        return _refuse(made, walk)  # a plural without its number; only % makes its text
    return walk.encode(made)


def _refuse(value: object, walk: Encoder) -> Json:
    raise Refusal(value, "cannot travel to a worker")


_FAMILIES: tuple[tuple[type, Encode], ...] = (
    (Model, instances.encode_instance),
    (type, classes.encode_class),
    (Enum, classes.encode_enum),
    (LazyObject, _encode_lazy_object),
    (Promise, _encode_promise),
)


# How a plain value is made of one of a subclass: by the base's own method, so that what the subclass overrides is
# passed by. It is bound here, since a library that freezes time puts classes of its own in place of our module's names.
_PLAIN: dict[type, Callable[[Any], object]] = {
    int: int.__index__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes.__bytes__,
    bytearray: bytearray.copy,
    datetime: partial(lambda kind, value: kind.combine(kind.date(value), kind.timetz(value)), datetime),
    date: partial(lambda kind, value: kind.fromordinal(kind.toordinal(value)), date),
    time: partial(lambda kind, value: kind.combine(kind.min, value).timetz(), datetime),
    timedelta: timedelta.__pos__,
    Decimal: Decimal,
    UUID: lambda value: UUID(int=value.int),
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    dict: dict,
    OrderedDict: dict,
}
# what a subclass of these may override that would be asked instead
_CONTAINERS = (list, tuple, set, frozenset, dict, OrderedDict)
_READING = frozenset({"__missing__", "__getitem__", "__iter__", "__len__", "__contains__", "keys", "items", "get"})


def _encode_as_base(base: type, value: Any, walk: Encoder) -> Json:
    """Write a value of a subclass as one of its base. Raises Refusal where it holds or means more."""
    above = list(takewhile(lambda one: one is not base, type(value).__mro__))
    lost = [f"its attribute {name}" for name in classes.stray_attributes(value, above)]
    for one in above if base in _CONTAINERS else ():
        lost += [f"its own {name}()" for name in sorted(_READING & vars(one).keys())]
    if lost:
        raise _more_than(base, value, lost[0])
    plain = _PLAIN[base](value)
    is_equal = False
    with suppress(Exception):  # whatever an __eq__ of the class raises
        is_equal = bool(plain == value or plain != plain)  # NaN equals nothing
    if not is_equal:
        raise _more_than(base, value, "what makes it unequal to one")
    return ENCODERS[type(plain)](plain, walk)


def _more_than(base: type, value: object, lost: str) -> Refusal:
    return Refusal(value, f"is more than a plain {base.__name__}: {lost} would be lost")
