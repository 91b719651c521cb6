"""Classes by name, and what is made of a class without running its code: enumerations, dataclasses, named tuples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum, Flag
from inspect import getattr_static
from types import MemberDescriptorType
from typing import Any, cast

from django.apps import apps
from django.db.models import Model
from django.utils.functional import cached_property

from signals_app.payloads.errors import Decode, Encoder, Json, Malformed, Read, Refusal, each_named, shown
from signals_app.payloads.names import class_path, find_class
from signals_app.payloads.values import encode_named, text

_CHANGED = "Did the class change since the signal was sent?"
_CACHES = (functools.cached_property, cached_property)


def encode_class(value: type, walk: Encoder) -> Json:
    """Write a model class by its label and any other by its path. Raises Refusal where that would not find it."""
    if issubclass(value, Model) and value is not Model and not value._meta.abstract:
        return {"$model": model_label(value)}
    return {"$class": _path(value)}


def model_label(model: type[Model]) -> str:
    """Return ``app.Model``. Raises Refusal for a model that no app registry of a worker knows."""
    if model._meta.apps is not apps:
        raise Refusal(
            model,
            "is of a model that is not in the app registry, such as a migration's",
            "Connect the receiver with sender=..., or leave such models out with when=...",
        )
    return model._meta.label


def _path(cls: type) -> str:
    path = class_path(cls)
    found = None
    with suppress(Malformed):
        found = find_class(path)
    if found is not cls or cls.__module__ == "__main__":
        raise Refusal(
            cls,
            f"is of a class that a worker cannot find as {path}",
            "Pass plain values instead, or define the class at the top level of a module of an installed app.",
        )
    return path


def _pair(value: Json) -> tuple[type, Json]:
    if type(value) is not list or len(value) != 2:
        raise Malformed("is not [class, value]")
    return find_class(text(value[0])), value[1]


def encode_enum(value: Enum, walk: Encoder) -> Json:
    """Write a member by class and name; flags that have no name of their own by their number."""
    kind = type(value)
    name = getattr(value, "_name_", None)  # for combined flags it is None or "A|B", by Python's version
    if name is not None and kind.__members__.get(name) is value:
        return {"$enum": [_path(kind), name]}
    if isinstance(value, Flag):
        return {"$flag": [_path(kind), walk.encode(value._value_)]}
    raise Refusal(value, "is no member of its enumeration", "Pass a member.")


def _decode_enum(value: Json, read: Read) -> object:
    kind, name = _pair(value)
    member = kind.__members__.get(text(name)) if issubclass(kind, Enum) else None
    if member is None:
        raise Malformed(f"names no member of the enumeration {class_path(kind)}: {shown(name)}. {_CHANGED}")
    return member


def _decode_flag(value: Json, read: Read) -> object:
    kind, number = _pair(value)
    bits = read(number)
    flags = None
    with suppress(Exception):  # whatever a _missing_ of the class raises
        flags = kind(bits) if issubclass(kind, Flag) and type(bits) is int else None
    if type(flags) is not kind:
        raise Malformed(f"names no flags of {class_path(kind)}: {shown(bits)}. {_CHANGED}")
    return flags


def encode_dataclass(value: Any, walk: Encoder) -> Json:
    """Write the class and every field. Raises Refusal for state that is not in a field."""
    kind = type(value)
    if not _is_made_by_object(cast(Any, kind)):
        raise _stray(value, f"the {kind.__mro__[-2].__qualname__} it is")
    names = [field.name for field in dataclasses.fields(value)]
    for name in names:
        if not hasattr(value, name):
            raise Refusal(value, f"has no value in its field {name}", "Set it before the send.")
    return _encode_fields("$dataclass", value, names, walk)


@functools.lru_cache(maxsize=1_000)
def _is_made_by_object(kind: type) -> bool:
    try:
        object.__new__(kind)
    except TypeError:  # a subclass of dict, say, holds more than attributes
        return False
    return True


def encode_namedtuple(value: Any, walk: Encoder) -> Json:
    if len(value._fields) != len(value):
        raise _stray(value, "an item without a name")
    return _encode_fields("$namedtuple", value, value._fields, walk)


def _encode_fields(tag: str, value: object, names: Collection[str], walk: Encoder) -> Json:
    kind = type(value)
    for name in stray_attributes(value, kind.__mro__):
        if name not in names:
            raise _stray(value, f"its attribute {name}")
    fields = {name: getattr(value, name) for name in names}
    return {tag: [_path(kind), encode_named(fields, walk, value)]}


def _stray(value: object, what: str) -> Refusal:
    return Refusal(value, f"holds more than its fields: {what} would be lost", "Make a field of it.")


def stray_attributes(value: object, classes: Iterable[type]) -> Iterator[str]:
    """Yield the attributes of an instance but the caches of cached properties; of its slots, those of some classes."""
    for name in getattr(value, "__dict__", ()):
        if not isinstance(getattr_static(type(value), name, None), _CACHES):
            yield name
    for base in classes:
        for name, slot in _slots(base):
            try:
                held = slot.__get__(value, type(value))
            except AttributeError:
                continue
            if held is not None:
                yield name


@functools.lru_cache(maxsize=1_000)
def _slots(base: type) -> tuple[tuple[str, MemberDescriptorType], ...]:
    # by the descriptor, since the name of a private slot is another one in the class's __slots__
    return tuple((name, slot) for name, slot in vars(base).items() if type(slot) is MemberDescriptorType)


def _decode_dataclass(value: Json, read: Read) -> object:
    kind, fields = _pair(value)
    if not dataclasses.is_dataclass(kind):
        raise Malformed(f"names {class_path(kind)}, which is no dataclass")
    defaults: dict[str, object] = {
        field.name: field.default_factory() if field.default_factory in (list, dict, set) else field.default
        for field in dataclasses.fields(kind)
    }
    values = _decode_fields(kind, defaults, fields, read)
    try:
        made: object = object.__new__(kind)
        for name, part in values.items():
            object.__setattr__(made, name, part)  # past a frozen class's own, and its __post_init__
    except Exception as error:  # whatever a descriptor of the class raises
        raise Malformed(f"makes no {class_path(kind)}: {error}") from error
    return made


def _decode_namedtuple(value: Json, read: Read) -> object:
    kind, fields = _pair(value)
    names = getattr_static(kind, "_fields", None)
    if not issubclass(kind, tuple) or type(names) is not tuple:
        raise Malformed(f"names {class_path(kind)}, which is no named tuple")
    known = getattr_static(kind, "_field_defaults", None)
    defaults = dict.fromkeys(names, dataclasses.MISSING) | (known if type(known) is dict else {})
    values = _decode_fields(kind, defaults, fields, read)
    return tuple.__new__(kind, [values[name] for name in names])


def _decode_fields(kind: type, defaults: Mapping[str, object], fields: Json, read: Read) -> dict[str, object]:
    """Return the values of all fields; a new field has its default, and one that is gone is left out.

    Raises Malformed where there is no default, and where there are both, as after a rename.
    """
    given = fields if type(fields) is dict else {}
    new = {name: default for name, default in defaults.items() if name not in given}
    kept = {name: given[name] for name in defaults if name in given}
    is_renamed = new and len(kept) < len(given)
    if type(fields) is not dict or is_renamed or any(default is dataclasses.MISSING for default in new.values()):
        raise Malformed(f"does not give the fields of {class_path(kind)}: {', '.join(defaults)}. {_CHANGED}")
    return each_named(kept, read, kept) | new


def find_model(label: Json) -> type[Model]:
    """Return the model of an ``app.Model``. Raises Malformed where there is none."""
    try:
        return apps.get_model(text(label))
    except (LookupError, ValueError) as error:
        raise Malformed(f"names a model that is not here: {error}") from error


DECODERS: dict[str, Decode] = {
    "$class": lambda value, read: find_class(text(value)),
    "$model": lambda value, read: find_model(value),
    "$enum": _decode_enum,
    "$flag": _decode_flag,
    "$dataclass": _decode_dataclass,
    "$namedtuple": _decode_namedtuple,
}
