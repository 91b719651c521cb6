"""Signal arguments come back from JSON as they went, to the last detail."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy, ngettext_lazy
from hypothesis import given, settings

from signals_app.payloads import decode_arguments, encoding
from signals_app.payloads import values as payload_values
from signals_app.payloads.errors import shown
from tests.payload_app.models import Plain
from tests.payload_app.strategies import fingerprint, values
from tests.payload_app.values import (
    Bit,
    Careful,
    Colour,
    Frozen,
    Number,
    OldPair,
    Outer,
    Pair,
    PairPlus,
    Point,
    Right,
    Size,
    Text,
)
from tests.signals_app.travels import encode, there_and_back

BERLIN = ZoneInfo("Europe/Berlin")


EDGES = [
    *(Colour.RED, Colour.ROT, 2**63, 10**5000, -0.0, 1e22, float("inf"), float("nan")),
    *({"$int": "0x1"}, {"$": 1, "$dict": []}),
    {1: "a", "1": "b", (1, 2): {None: b"\x00\xff"}},
    [[], (), set(), frozenset(), {}, "", b"", bytearray(b"")],
    *map(Decimal, ["1.10", "NaN123", "sNaN", "Infinity", "1E-400"]),
    *(timedelta.min, timedelta(days=-1, microseconds=1), datetime.max),  # noqa: DTZ901 - naive times travel too
    *(datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1)),
    datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 1, 1, fold=1),  # noqa: DTZ001 - as above
    datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=5, microseconds=7))),
    *(datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), name)) for name in ("Lunch", "")),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
    time(1, 2, tzinfo=timezone(timedelta(microseconds=-1))),
    *(time(1, 2, 3, 4, tzinfo=BERLIN), time(1, 2, tzinfo=UTC, fold=1)),
    *(Right.BOTH, Right(0), Bit.A | Bit.C, Bit(1 << 80)),
    *(Point(1, [Point((), None)]), Frozen(a={1}, b=frozenset({Frozen(a=1)}))),
    *(Pair([1], Pair(1)), OldPair(1, "x"), PairPlus(1, 2), Plain),
]


def comes_back(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": 10_000_000}):
        text = encode({"value": value})
        assert fingerprint(decode_arguments(text).arguments["value"]) == fingerprint(value)
    payload = json.loads(text, parse_constant=refuse)
    assert (list(payload), list(payload["arguments"])) == (["sender", "arguments"], ["value"])


@settings(deadline=None, max_examples=400)
@given(values)
def test_any_value_comes_back_as_it_went_through_json_of_a_strict_reader(value: object) -> None:
    comes_back(value)


@pytest.mark.parametrize("value", EDGES, ids=shown)
def test_a_value_that_chance_seldom_makes_comes_back_too(value: object) -> None:
    comes_back(value)


def test_a_dataclass_comes_back_without_its_constructor() -> None:
    careful = Careful("7")
    assert careful.double == 14  # a cached property is no state
    made = Careful.made
    back = there_and_back(careful)
    assert (back, back.parsed, back.double) == (careful, 7, 14)
    assert Careful.made == made


def test_a_payload_is_readable() -> None:
    payload = encode(
        {"created": True, "options": {"gift": 1.5}, "price": Decimal("1.10"), "size": Size.SMALL}, sender=Outer
    )
    assert payload == (
        '{"sender":{"$class":"tests.payload_app.values:Outer"},"arguments":{"created":true,"options":{"gift":1.5},'
        '"price":{"$decimal":"1.10"},"size":{"$enum":["tests.payload_app.values:Size","SMALL"]}}}'
    )


def test_the_error_of_a_lazy_object_is_its_own() -> None:
    def fail() -> object:
        raise ZeroDivisionError("no such user")

    with pytest.raises(ZeroDivisionError, match="no such user"):
        encode({"user": SimpleLazyObject(fail)})


class FrozenMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class FrozenTime(datetime, metaclass=FrozenMeta):
    """As libraries that freeze time make them, and put in the place of ``datetime``."""

    def isoformat(self, *args: Any, **kwargs: Any) -> str:
        raise NotImplementedError


class Berlin(ZoneInfo): ...


def of(kind: type, *args: Any, **kwargs: Any) -> Any:
    """Return a value of a subclass."""
    return type(f"My{kind.__name__}", (kind,), {})(*args, **kwargs)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (FrozenTime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)),
        (datetime(2024, 1, 1, tzinfo=Berlin("Europe/Berlin")), datetime(2024, 1, 1, tzinfo=BERLIN)),
        (of(date, 2024, 1, 1), date(2024, 1, 1)),
        (of(time, 1, 2, fold=1, tzinfo=BERLIN), time(1, 2, fold=1, tzinfo=BERLIN)),
        (of(timedelta, 5), timedelta(5)),
        (of(Decimal, "1.10"), Decimal("1.10")),
        (of(float, "nan"), float("nan")),
        (Number(5), 5),
        (Text("x"), "x"),
        (of(UUID, int=5), UUID(int=5)),
        (of(bytes, b"x"), b"x"),
        (of(list, [Text("x")]), ["x"]),
        (of(set, [1]), {1}),
        ({Text("a"): of(dict, b=1)}, {"a": {"b": 1}}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (mark_safe("<b>"), "<b>"),
        (gettext_lazy("Save"), "Save"),
        (ngettext_lazy("%d loaf", "%d loaves", 3) % 3, "3 loaves"),
        (lazy(lambda: 5, int)(), 5),
        (lazy(lambda: [1, (2,)], list)(), [1, (2,)]),
        (lazy(lambda: SafeString("<i>"), str)(), "<i>"),
        (SimpleLazyObject(lambda: SimpleLazyObject(lambda: 3)), 3),
    ],
)
def test_a_lazy_value_and_one_of_a_subclass_travel_as_what_they_mean(value: object, plain: object) -> None:
    assert fingerprint(there_and_back([value])) == fingerprint([plain])


def test_values_travel_while_time_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (payload_values, encoding):
        monkeypatch.setattr(module, "datetime", FrozenTime)
    assert there_and_back([FrozenTime(2024, 1, 1), datetime(2024, 1, 2)]) == [  # noqa: DTZ001
        datetime(2024, 1, 1),  # noqa: DTZ001
        datetime(2024, 1, 2),  # noqa: DTZ001
    ]
