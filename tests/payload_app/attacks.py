"""Hypothesis strategies for what should never have been sent, and for payloads that no signal wrote."""

from __future__ import annotations

import io
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from enum import Enum
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.db.models import F
from django.http import HttpRequest, QueryDict
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from hypothesis import strategies as st

from signals_app.payloads.decoding import _DECODERS
from tests.payload_app.models import ByCode, Plain, Tagged
from tests.payload_app.strategies import hashables, text, values
from tests.payload_app.values import Colour, Number, OldPair, Outer, Pair, Point, Service, Text


class Liar:
    """Fails at nearly whatever is asked of it."""

    def _fail(self, *args: object) -> Any:
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getattr__ = __reduce__ = _fail


class Classless:
    """Fails at ``isinstance()``, too."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("class")


class Growing(list[object]):
    """Has one more item whenever it is asked for its next."""

    def __iter__(self) -> Iterator[object]:
        while True:
            yield self


class Unruly(tzinfo):
    """Knows no offset, but an error."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("offset")

    def tzname(self, moment: datetime | None) -> str:
        raise RuntimeError("name")

    def dst(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("dst")


class Posing(dict[str, object]):
    """A dict that says it is an int."""

    __class__ = int  # type: ignore[assignment]


def _endless_lazy() -> object:
    endless: Any = SimpleLazyObject(lambda: endless)
    return [endless]  # by itself it would break the strategies


def _with_key(pk: Any) -> object:
    instance = ByCode(code=pk)
    instance._state.adding = False
    return instance


MAKERS: tuple[Callable[[], Any], ...] = (
    *(Liar, Growing, Posing, Service, object, _endless_lazy, HttpRequest, AnonymousUser, Plain, Plain.objects.all),
    *(MagicMock, OrderedDict, deque, io.BytesIO),
    *(lambda: [Classless()], lambda: Plain.objects, lambda: Tagged(pk=1).plains),  # alone it would break the strategies
    *(lambda: Mock(spec=dict), lambda: Mock(spec=Plain), lambda: QueryDict("a=1&a=2")),
    *(lambda: defaultdict(list, a=[1]), lambda: (n for n in (1, 2)), lambda: map(str, (1, 2)), lambda: range(10**9)),
    *(lambda: memoryview(b"x"), lambda: {}.keys(), lambda: 1j, lambda: io, lambda: print, lambda: Service().work),
    *(lambda: F("name") + 1, lambda: Text("x"), lambda: Number(5), lambda: ValueError("x")),
    lambda: vars(Point)["__init__"],
    lambda: object.__new__(Point),
    lambda: object.__new__(Colour),
    lambda: tuple.__new__(Pair, [1]),
    lambda: Enum("Made", "A").A,  # type: ignore[attr-defined]
    lambda: type("Made", (), {}),
    lambda: type("Made", (Outer.Inner,), {"__module__": "nowhere\n"}),
    lambda: OldPair(1, Liar()),
    lambda: datetime(2024, 1, 1, tzinfo=Unruly()),
    lambda: datetime(2024, 1, 1, tzinfo=ZoneInfo.no_cache("Europe/Berlin")),
    lambda: datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "a\0\ud800")),
    *(lambda: _with_key("a\0"), lambda: _with_key("\ud800"), lambda: _with_key(object())),
    *(lambda: _with_key(("a", [1])), lambda: _with_key(10**5000)),
    lambda: mark_safe("<b>"),
    lambda: lazy(lambda: "\ud83d", str)(),
    lambda: lazy(lambda: object(), object)(),
    lambda: SimpleLazyObject(lambda: {"a": Liar()}),
    *(
        lambda: 10**5000,
        lambda: {10**5000: io},
        lambda: "x" * 70_000,
        lambda: [[0] * 300] * 300,
        lambda: b"\xff" * 60_000,
    ),
)

odd_text = st.text(st.characters(), max_size=8)  # NUL and lone surrogates among it
leaves = st.sampled_from(MAKERS).map(lambda make: make()) | odd_text | values


def _nested(inner: object, levels: int) -> object:
    for level in range(levels):
        inner = [inner] if level % 3 else {"in": inner}
    return inner


def _holding_itself(inner: object, how: int) -> object:
    lines: list[object] = [inner]
    lines.append([lines, {"back": lines}, Point(lines), (1, lines)][how])
    return lines


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(odd_text, inner, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(_nested, inner, st.integers(1, 40))
        | st.builds(_holding_itself, inner, st.integers(0, 3))
    )


hostile = st.recursive(leaves, _around, max_leaves=8)
names = st.sampled_from(["order", "request", "self", "é", "a b", "a\0", "\ud800", ""]) | text


VALUES = "tests.payload_app.values"
SNAPSHOT = ("model", "database", "adding", "fields", "deferred")

texts = st.sampled_from(
    [
        *(f"{VALUES}:{name}" for name in ("Point", "Frozen", "Careful", "Failure", "Unhashable", "Pair", "OldPair")),
        *(f"{VALUES}:{name}" for name in ("Colour", "Right", "Bit", "Service", "T", "Outer.Inner", "Nobody", "")),
        *(f"payload_app.{name}" for name in ("Plain", "ByPair", "ByUuid", "Everything", "Coded", "Offer")),
        *("subprocess:Popen", "builtins:eval", "builtins:int", "antigravity:X", "payload_app", "auth.User"),
        *("default", "other", "nowhere", "RED", "READ", "Europe/Berlin", "../../etc/passwd", "Europe", "2024-01-01"),
        *("2024-01-01T00:00:00+25:00", "0xff", "nan", "1e999999999999999999999", "AAAA", "=", "\0", "é"),
    ]
)
field_names = st.sampled_from(
    [
        *("x", "y", "z", "a", "b", "id", "name", "left", "right", "parts"),
        *("raw", "__class__", "price", "cost", "span", "code"),
    ]
)
shapes = st.sampled_from(SNAPSHOT)
tags = st.sampled_from([*_DECODERS, "$field", "$argument", "$unknown", "$"])
atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | texts


def _json(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | field_names | shapes, inner, max_size=4)
        | st.dictionaries(tags, inner, min_size=1, max_size=1)
        | st.dictionaries(tags | st.text(max_size=2), inner, max_size=3)
        | st.builds(
            lambda tag, name, fields: {tag: [name, fields]},
            tags,
            texts,
            st.dictionaries(field_names, inner, max_size=2),
        )
        | st.builds(lambda model, pk, alias: {"$instance": [model, pk, alias]}, texts, inner, texts)
        | st.fixed_dictionaries({"$snapshot": st.fixed_dictionaries(dict.fromkeys(SNAPSHOT, inner))})
        | st.builds(
            lambda model, fields: {
                "$snapshot": {"model": model, "database": "default", "adding": False, "fields": fields, "deferred": []}
            },
            texts,
            st.dictionaries(field_names, inner, max_size=3),
        )
    )


forged = st.recursive(atoms, _json, max_leaves=15)
