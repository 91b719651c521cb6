"""Model instances: by reference, fetched afresh where they are read, or by value, as a snapshot of their fields."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, DataError, connections, router
from django.db.models import Field, FileField, Model
from django.db.models.expressions import DatabaseDefault

from signals_app.payloads.classes import find_model, model_label
from signals_app.payloads.containers import decode_parts, encode_parts
from signals_app.payloads.walks import Decode, Decoder, Encoder, Gone, Json, Malformed, Refusal, shown

_KEYS = (int, str, UUID, Decimal, date, datetime, time, timedelta, bytes, float, Enum)


def encode_instance(value: Model, walk: Encoder) -> Json:
    """Write a saved instance as ``[model, pk, database]``, or its fields where the walk goes by value."""
    if walk.by_value:
        return {"$snapshot": _encode_snapshot(value, walk)}
    pk = value.pk
    state = value._state
    if state.adding or not _is_key(pk):
        raise Refusal(
            value,
            "is not saved, so that a worker could not fetch it",
            "Save it first, or add snapshot=({argument!r},) to send its values.",
        )
    database = state.db or router.db_for_read(type(value), instance=value)
    return {"$instance": [model_label(type(value)), walk.encode(pk), database]}


def _is_key(pk: object) -> bool:
    if type(pk) is tuple:
        return all(isinstance(part, _KEYS) for part in pk)
    return isinstance(pk, _KEYS)


def _decode_instance(value: Json, walk: Decoder) -> object:
    if type(value) is not list or len(value) != 3:
        raise Malformed("is not [model, primary key, database]")
    model = find_model(value[0])
    pk = walk.decode(value[1])
    if not _is_key(pk):
        raise Malformed(f"has a primary key of {type(pk).__name__}")
    database = _database(value[2])
    try:
        return model._base_manager.using(database).get(pk=pk)
    except ObjectDoesNotExist:
        raise Gone(model._meta.label, pk, database) from None
    except (ValueError, TypeError, ArithmeticError, ValidationError, DataError) as error:
        raise Malformed(f"has no primary key of {model._meta.label}: {error}") from error


def _database(alias: Json) -> str:
    if type(alias) is not str or alias not in connections.settings:
        raise Malformed(f"names the database {shown(alias)}, which DATABASES does not configure")
    return alias


def _encode_snapshot(value: Model, walk: Encoder) -> Json:
    state = value._state
    fields = {
        field.attname: _plain(field, value.__dict__[field.attname])
        for field in value._meta.concrete_fields
        if field.attname in value.__dict__  # a deferred field stays deferred
        and not isinstance(value.__dict__[field.attname], DatabaseDefault)
    }
    return {
        "model": model_label(type(value)),
        "database": state.db,
        "adding": state.adding,
        "fields": encode_parts(fields, walk, holder=value, step=_field_step),
    }


def _plain(field: Field[Any, Any], value: object) -> object:
    """Return a field's value as something that has a type of its own in JSON."""
    if isinstance(field, FileField):
        return None if value is None else str(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def _field_step(name: str) -> str:
    return f".{name}"


def _decode_snapshot(value: Json, walk: Decoder) -> object:
    if type(value) is not dict or value.keys() != {"model", "database", "adding", "fields"}:
        raise Malformed("is not a snapshot of model, database, adding and fields")
    model = find_model(value["model"])
    fields = value["fields"]
    names = [field.attname for field in model._meta.concrete_fields]
    if type(fields) is not dict or not fields.keys() <= set(names):
        raise Malformed(
            f"gives fields that {model._meta.label} does not have. Did the model change since the signal was sent?"
        )
    values = decode_parts(fields, walk, step=_field_step)
    database = None if value["database"] is None else _database(value["database"])
    loaded = [name for name in names if name in values]
    try:
        made = model.from_db(database, loaded, [values[name] for name in loaded])
    except DatabaseError:
        raise
    except Exception as error:  # whatever a model's __init__ or a field's descriptor raises
        raise Malformed(f"makes no {model._meta.label}: {error}") from error
    made._state.adding = value["adding"] is True
    return made


DECODERS: dict[str, Decode] = {"$instance": _decode_instance, "$snapshot": _decode_snapshot}
