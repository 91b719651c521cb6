"""Model instances: by reference, fetched afresh where they are read, or by value, as a snapshot of their fields."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import getattr_static
from typing import Any, TypeAlias, TypeGuard
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, DataError, connections, router
from django.db.models import DEFERRED, CompositePrimaryKey, Field, Model
from django.db.models.base import ModelState
from django.db.models.expressions import Combinable, DatabaseDefault
from django.db.models.query_utils import DeferredAttribute

from signals_app.payloads.classes import find_model, model_label
from signals_app.payloads.errors import Decode, Encoder, Gone, Json, Malformed, Read, Refusal, each_named, shown
from signals_app.payloads.fetching import fetch
from signals_app.payloads.values import is_bounded
from signals_app.redaction import MASKED, has_secret_key

_CHANGED = "Did the model change since the signal was sent?"
_BY_FIELD = "$field"  # tags a value as the model's field writes it
_KEYS = (int, str, UUID, Decimal, date, datetime, time, timedelta, bytes, float, Enum)

AnyField: TypeAlias = "Field[Any, Any]"


def encode_instance(value: Model, walk: Encoder) -> Json:
    """Write a saved instance as ``[model, pk, database]``, or as its fields where the walk goes by value."""
    if walk.by_value:
        if walk.is_deleted:
            _load_deferred(value)
        return _encode_snapshot(value, walk, value._meta.concrete_fields)
    pk = value.pk
    state = value._state
    if state.adding:
        raise Refusal(
            value,
            "is not saved, so a worker could not fetch it",
            "Save it first, or add snapshot=({argument!r},) to send its values.",
        )
    if pk is None or (type(pk) is tuple and None in pk):
        raise Refusal(
            value,
            "is deleted, or its primary key was taken away, so a worker could not fetch it",
            "Send before that, and with snapshot=({argument!r},) to send its values.",
        )
    if walk.is_deleted:
        return _encode_snapshot(value, walk, value._meta.pk_fields)
    database = state.db or router.db_for_read(type(value), instance=value)
    parts = [_encode_key(field, value, walk) for field in value._meta.pk_fields]
    return {"$instance": [model_label(type(value)), parts[0] if type(pk) is not tuple else {"$tuple": parts}, database]}


def _encode_key(field: AnyField, instance: Model, walk: Encoder) -> Json:
    written = _encode_field(field, instance, walk)
    if _is_by_field(written):
        return written[_BY_FIELD]
    part = instance.__dict__[field.attname]
    if not issubclass(type(part), _KEYS):
        raise Refusal(part, f"is no primary key of {instance._meta.label}", "Save the instance first.")
    return written


_Reference: TypeAlias = "tuple[type[Model], tuple[Any, ...], str]"


def _reference(value: Json, read: Read) -> _Reference:
    """Return the model, the parts of the primary key and the database of an instance."""
    if type(value) is not list or len(value) != 3:
        raise Malformed("is not [model, primary key, database]")
    model, pk = find_model(value[0]), read(value[1])
    parts = pk if type(pk) is tuple else (pk,)
    if not all(isinstance(part, _KEYS) for part in parts):
        raise Malformed(f"has a primary key of {type(pk).__name__}")
    fields: Sequence[AnyField] = model._meta.pk_fields
    if len(parts) != len(fields) or (type(pk) is tuple) != isinstance(model._meta.pk, CompositePrimaryKey):
        raise Malformed(f"has no primary key of {model._meta.label}: {shown(pk)}")
    database = _database(value[2])
    return model, tuple(_as_read(field, part) for field, part in zip(fields, parts, strict=True)), database


def _decode_instance(value: Json, read: Read) -> object:
    model, parts, database = _reference(value, read)
    pk = parts if isinstance(model._meta.pk, CompositePrimaryKey) else parts[0]
    try:
        return fetch(model, pk, database)
    except ObjectDoesNotExist:
        pk_shown = MASKED if has_secret_key(model._meta.label) else shown(pk)
        raise Gone(
            f"refers to {model._meta.label} with primary key {pk_shown} in the database {database!r}, and "
            'that row no longer exists. missing="skip" cancels such deliveries; a snapshot does not need the row.'
        ) from None
    except (ValueError, TypeError, ArithmeticError, ValidationError, DataError) as error:
        raise Malformed(f"has no primary key of {model._meta.label}: {error}") from error


def _database(alias: Json) -> str:
    if type(alias) is not str or alias not in connections.settings:
        raise Malformed(f"names the database {shown(alias)}, which DATABASES does not configure")
    return alias


def _load_deferred(value: Model) -> None:
    """Fetch what an instance was loaded without, while its row is still there."""
    deferred = sorted(value.get_deferred_fields())
    try:
        if deferred:
            value.refresh_from_db(using=value._state.db, fields=deferred)
    except ObjectDoesNotExist:
        raise Refusal(
            value,
            f"was loaded without {', '.join(deferred)}, and its row is gone",
            "Delete it without only() or defer(), or connect the receiver to pre_delete, which can still load them.",
        ) from None


def _encode_snapshot(value: Model, walk: Encoder, fields: Sequence[AnyField]) -> Json:
    adding, loaded = value._state.adding, value.__dict__
    known: dict[str, AnyField] = {}
    deferred: list[Json] = []
    walk.enter(len(fields))
    for field in value._meta.concrete_fields:
        name = field.attname
        if field not in fields or name not in loaded:
            deferred.append(name)
        elif not (adding and isinstance(loaded[name], DatabaseDefault)):  # the worker's database makes it anew
            known[name] = field
    written = each_named(known, lambda field: _encode_field(field, value, walk), value)
    walk.depth -= 1
    snapshot: dict[str, Json] = {"model": model_label(type(value)), "database": value._state.db, "adding": adding}
    return {"$snapshot": {**snapshot, "fields": written, "deferred": deferred}}


def _encode_field(field: AnyField, instance: Model, walk: Encoder) -> Json:
    """Write a value as it is, else as its field writes it for serializers, or for the database."""
    value = instance.__dict__[field.attname]
    depth = walk.depth
    try:
        return walk.encode(value)
    except Refusal:
        if isinstance(value, Combinable):
            raise
        for write in (lambda: field.value_to_string(instance), lambda: field.get_prep_value(value)):
            walk.depth = depth
            with suppress(Exception):  # whatever the code of a field raises
                plain = write()
                if plain is not value and _is_same(field, instance, _as_read(field, plain)):
                    return {_BY_FIELD: walk.encode(plain)}
        raise


def _is_same(field: AnyField, instance: Model, read: object) -> bool:
    """Return whether the field makes such values, perhaps by a descriptor, and does not just take any text."""
    value = instance.__dict__[field.attname]
    if bool(read == value):
        return True
    if type(read) is type(value):
        return type(value).__eq__ is object.__eq__  # so nobody can tell
    return type(getattr_static(type(instance), field.attname, None)) is not DeferredAttribute


def _is_by_field(value: Json) -> TypeGuard[dict[str, Json]]:
    return type(value) is dict and value.keys() == {_BY_FIELD}


def _as_read(field: AnyField, plain: object) -> object:
    """Return the value that the field makes of it. Raises Malformed where it makes none."""
    try:
        value = field.to_python(plain)
    except Exception as error:  # whatever the code of a field raises
        raise Malformed(f"is no value of {field}: {error}") from error
    if type(value) is Decimal and not is_bounded(value):
        raise Malformed(f"is too long a number for {field}")
    return value


def _snapshot(value: Json, read: Read) -> tuple[type[Model], dict[str, object], str | None, bool]:
    """Return the model of a snapshot, the values of its fields, its database, and whether it was not saved yet."""
    if type(value) is not dict or value.keys() != {"model", "database", "adding", "fields", "deferred"}:
        raise Malformed("is not a snapshot of model, database, adding, fields and deferred")
    model = find_model(value["model"])
    fields, deferred, adding = value["fields"], value["deferred"], value["adding"] is True
    if type(fields) is not dict or type(deferred) is not list:
        raise Malformed("has fields that are not an object, or deferred ones that are not a list")
    own = {field.attname: field for field in model._meta.concrete_fields}
    new = [name for name in own if name not in fields and name not in deferred]
    gone = [name for name in fields if name not in own]
    if new and gone:  # as after a rename
        raise Malformed(f"gives {', '.join(gone)} and not {', '.join(new)} of {model._meta.label}. {_CHANGED}")

    def decode(field: AnyField) -> object:
        if field.attname in new:
            return _default(field, adding)
        written = fields[field.attname]
        return _as_read(field, read(written[_BY_FIELD])) if _is_by_field(written) else read(written)

    known = {name: field for name, field in own.items() if name in fields or name in new}
    values = each_named(known, decode, value)
    loaded = {name: value for name, value in values.items() if value is not DEFERRED}
    return model, loaded, None if value["database"] is None else _database(value["database"]), adding


def _decode_snapshot(value: Json, read: Read) -> object:
    model, loaded, database, adding = _snapshot(value, read)
    try:
        made = model.from_db(database, list(loaded), list(loaded.values()))
    except DatabaseError:
        raise
    except Exception as error:  # whatever a model's __init__ or a field's descriptor raises
        raise Malformed(f"makes no {model._meta.label}: {error}") from error
    made._state.adding = adding
    return made


def _default(field: AnyField, adding: bool) -> object:
    """Return the value of a field that the model did not have at the send. Raises Malformed where none is known."""
    has_db_default = field.has_db_default()
    if field.generated or (has_db_default and not adding):
        return DEFERRED
    if not (field.has_default() or has_db_default or field.null or (field.blank and field.empty_strings_allowed)):
        raise Malformed(f"is missing, and the field has no default. {_CHANGED}")
    return field.get_default()


def _check_instance(value: Json, read: Read) -> object:
    model, parts, _database = _reference(value, read)
    return _hollow(model, {field.attname: part for field, part in zip(model._meta.pk_fields, parts, strict=True)})


def _check_snapshot(value: Json, read: Read) -> object:
    return _hollow(*_snapshot(value, read)[:2])


def _hollow(model: type[Model], values: dict[str, object]) -> Model:
    """Return an instance that can be compared, made without a query and without running code of the project."""
    made: Model = object.__new__(model)
    vars(made).update(values, _state=ModelState())
    return made


DECODERS: dict[str, Decode] = {"$instance": _decode_instance, "$snapshot": _decode_snapshot}
CHECKERS: dict[str, Decode] = {"$instance": _check_instance, "$snapshot": _check_snapshot}
