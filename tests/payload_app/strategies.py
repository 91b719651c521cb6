"""Hypothesis strategies for every type that may travel, and how two values are compared to the last detail."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.models import Model
from hypothesis import strategies as st

from tests.payload_app.models import Plain
from tests.payload_app.values import Bit, Colour, Frozen, Level, Outer, Pair, Point, Point3, Right, Size

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = st.none() | st.timezones() | st.just(UTC) | st.builds(timezone, offsets) | st.builds(timezone, offsets, text)
folds = st.integers(0, 1)
scalars: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(-(2**200), 2**200), st.floats(), text, st.binary()),
    st.builds(lambda moment, fold: moment.replace(fold=fold), st.datetimes(timezones=zones), folds),
    st.builds(lambda clock, fold: clock.replace(fold=fold), st.times(timezones=zones), folds),
    *(st.dates(), st.timedeltas(), st.decimals().filter(lambda number: not number.is_snan()), st.uuids()),
    st.sampled_from([*Colour, *Level, *Size, *Right]),
    st.builds(Right, st.integers(0, 3)) | st.builds(Bit, st.integers(0, 2**70)),
    st.sampled_from([int, list, Outer.Inner, Point, Colour, Plain, type]),
)
hashables = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(inner, max_size=4)
        | st.builds(Frozen, a=inner, b=inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)
values = st.recursive(
    scalars | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.sets(hashables, max_size=4)
        | st.frozensets(hashables, max_size=4)
        | st.dictionaries(text, inner, max_size=4)
        | st.dictionaries(text.map("${}".format), inner, max_size=2)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.builds(Point, inner, inner)
        | st.builds(Point3, inner, inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=12,
)


def fingerprint(value: Any) -> object:
    """Return what is equal for two values only if they agree in type, content, order, zone, fold, sign and exponent."""
    kind = type(value)
    if isinstance(value, Enum | type):
        return kind, value
    if dataclasses.is_dataclass(value):
        return kind, [fingerprint(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Model):
        fields = [field.attname for field in kind._meta.concrete_fields if field.attname in vars(value)]
        return kind, [(name, fingerprint(vars(value)[name])) for name in fields]
    if isinstance(value, list | tuple):
        return kind, [fingerprint(item) for item in value]
    if isinstance(value, dict):
        return kind, [(fingerprint(key), fingerprint(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(fingerprint(item)) for item in value)
    if isinstance(value, datetime | time):
        zone = value.tzinfo
        return kind, value.replace(tzinfo=None).isoformat(), value.fold, type(zone), repr(zone)
    if isinstance(value, Decimal):
        return kind, value.as_tuple()
    if isinstance(value, float):
        return kind, repr(value)
    assert isinstance(value, int | str | bytes | bytearray | UUID | date | timedelta | None)
    return kind, value
