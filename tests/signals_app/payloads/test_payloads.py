"""Signal arguments come back from JSON as they went, to the last detail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import example, given, settings

from signals_app.payloads import Decoded, decode_arguments, decode_text, encoding, scalars
from signals_app.payloads.errors import shown
from tests.payload_app.models import Plain
from tests.payload_app.strategies import fingerprint, text, values
from tests.payload_app.values import (
    Bit,
    Careful,
    Colour,
    Frozen,
    Level,
    Number,
    OldPair,
    Outer,
    Pair,
    PairPlus,
    Point,
    Right,
    Size,
    Text,
    Word,
)
from tests.signals_app.travels import encode, there_and_back

BERLIN = ZoneInfo("Europe/Berlin")


@settings(deadline=None, max_examples=400)
@given(values)
def test_any_value_comes_back_as_it_went(value: object) -> None:
    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": 10_000_000}):
        assert fingerprint(there_and_back(value)) == fingerprint(value)


@settings(deadline=None)
@given(values)
def test_payload_is_json_of_a_strict_reader(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(encode({"value": value}), parse_constant=refuse)


@settings(deadline=None)
@given(text, text)
def test_several_arguments_keep_their_names(one: str, other: str) -> None:
    assert decode_text(encode({"one": one, "other": other})) == Decoded(
        sender=None, arguments={"one": one, "other": other}
    )


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        10**5000,
        -0.0,
        1e22,
        5e-324,
        float("inf"),
        float("-inf"),
        float("nan"),
        {"$int": "0x1"},
        {"$": 1, "$dict": []},
        {1: "a", "1": "b", (1, 2): {None: b"\x00\xff"}},
        {"z": 1, "a": 2},
        [[], (), set(), frozenset(), {}, "", b"", bytearray(b"")],
        Decimal("1.10"),
        Decimal("-0E+7"),
        Decimal("NaN123"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E-400"),
        UUID(int=0),
        timedelta.min,
        timedelta(days=-1, microseconds=1),
        date.min,
        datetime.max,  # noqa: DTZ901 - naive times travel too
        datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
        datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
        datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN, fold=1),
        datetime(2024, 1, 1, fold=1),  # noqa: DTZ001 - naive times travel too
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=5, microseconds=7))),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "Lunch")),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "")),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
        time(1, 2, tzinfo=timezone(timedelta(microseconds=-1))),
        time(1, 2, 3, 4, tzinfo=BERLIN),
        time(1, 2, tzinfo=UTC, fold=1),
        Colour.RED,
        Colour.ROT,
        Colour.GREEN,
        Level.HIGH,
        Word.YES,
        Size.SMALL,
        Right.BOTH,
        Right(0),
        Bit.A | Bit.C,
        Bit(1 << 80),
        Point(1, [Point((), None)]),
        Frozen(a={1}, b=frozenset({Frozen(a=1)})),
        Pair([1], Pair(1)),
        OldPair(1, "x"),
        PairPlus(1, 2),
        int,
        Outer.Inner,
        Plain,
    ],
    ids=shown,
)
def test_value_of_its_kind_comes_back(value: object) -> None:
    assert fingerprint(there_and_back(value)) == fingerprint(value)


def test_zone_comes_back_as_the_same_object_and_utc_as_utc() -> None:
    assert there_and_back(datetime(2024, 1, 1, tzinfo=BERLIN)).tzinfo is BERLIN
    assert there_and_back(datetime(2024, 1, 1, tzinfo=UTC)).tzinfo is UTC


def test_fold_tells_the_two_halves_past_two_apart() -> None:
    early = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    late = early.replace(fold=1)
    assert there_and_back(early).utcoffset() == timedelta(hours=2)
    assert there_and_back(late).utcoffset() == timedelta(hours=1)


def test_member_of_an_enumeration_is_the_member_not_its_value() -> None:
    for member in (Colour.RED, Level.LOW, Word.NO, Size.LARGE, Right.READ):
        assert there_and_back(member) is member


def test_dataclass_comes_back_without_its_constructor() -> None:
    careful = Careful("7")
    assert careful.double == 14  # a cached property is no state
    made = Careful.made
    back = there_and_back(careful)
    assert (back, back.parsed, back.double) == (careful, 7, 14)
    assert Careful.made == made


def test_dict_keeps_its_order() -> None:
    assert list(there_and_back({"z": 1, "a": 2, "m": 3})) == ["z", "a", "m"]


def test_payload_is_readable() -> None:
    payload = encode(
        {"created": True, "options": {"gift": 1.5}, "price": Decimal("1.10"), "size": Size.SMALL}, sender=Outer
    )
    assert payload == (
        '{"sender":{"$class":"tests.payload_app.values:Outer"},"arguments":{"created":true,"options":{"gift":1.5},'
        '"price":{"$decimal":"1.10"},"size":{"$enum":["tests.payload_app.values:Size","SMALL"]}}}'
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: gettext_lazy("Save"), "Save"),
        (lambda: lazy(lambda: 5, int)(), 5),
        (lambda: lazy(lambda: [1, (2,)], list)(), [1, (2,)]),
        (lambda: SimpleLazyObject(lambda: {"a": 1}), {"a": 1}),
        (lambda: SimpleLazyObject(lambda: SimpleLazyObject(lambda: 3)), 3),
    ],
)
def test_lazy_object_is_resolved(make: Callable[[], object], expected: object) -> None:
    assert fingerprint(there_and_back([make()])) == fingerprint([expected])


def test_error_of_a_lazy_object_is_its_own() -> None:
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


class Day(date): ...


class Clock(time): ...


class Lapse(timedelta): ...


class Ratio(Decimal): ...


class Share(float): ...


class Key(UUID): ...


class Raw(bytes): ...


class Lines(list[object]): ...


class Names(set[object]): ...


class Options(dict[str, object]): ...


class Berlin(ZoneInfo): ...


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (FrozenTime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)),
        (datetime(2024, 1, 1, tzinfo=Berlin("Europe/Berlin")), datetime(2024, 1, 1, tzinfo=BERLIN)),
        (Day(2024, 1, 1), date(2024, 1, 1)),
        (Clock(1, 2, fold=1, tzinfo=BERLIN), time(1, 2, fold=1, tzinfo=BERLIN)),
        (Lapse(5), timedelta(5)),
        (Ratio("1.10"), Decimal("1.10")),
        (Share("nan"), float("nan")),
        (Number(5), 5),
        (Text("x"), "x"),
        (Key(int=5), UUID(int=5)),
        (Raw(b"x"), b"x"),
        (Lines([Text("x")]), ["x"]),
        (Names([1]), {1}),
        ({Text("a"): Options(b=1)}, {"a": {"b": 1}}),
    ],
    ids=shown,
)
def test_value_of_a_subclass_travels_as_what_it_means(value: object, plain: object) -> None:
    assert fingerprint(there_and_back(value)) == fingerprint(plain)


def test_ordered_dict_travels_in_its_own_order() -> None:
    ordered = OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert list(there_and_back(ordered).items()) == [("b", 2), ("a", 1)]


def test_values_travel_while_time_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scalars, encoding):
        monkeypatch.setattr(module, "datetime", FrozenTime)
    assert there_and_back([FrozenTime(2024, 1, 1), datetime(2024, 1, 2)]) == [  # noqa: DTZ001
        datetime(2024, 1, 1),  # noqa: DTZ001
        datetime(2024, 1, 2),  # noqa: DTZ001
    ]


def test_safe_string_comes_back_as_plain_text() -> None:
    back = there_and_back([mark_safe("<b>"), lazy(lambda: SafeString("<i>"), str)()])
    assert fingerprint(back) == fingerprint(["<b>", "<i>"])


def test_decoding_takes_what_a_json_reader_gives() -> None:
    payload = json.loads(encode({"pks": {1, 2}}))
    assert decode_arguments(payload).arguments == {"pks": {1, 2}}


def test_empty_send_has_a_payload() -> None:
    assert decode_text(encode({})) == Decoded(sender=None, arguments={})


def test_deepest_value_that_may_travel_comes_back() -> None:
    value: object = Decimal(1)
    for _ in range(32):
        value = [value]
    assert there_and_back(value) == value


@settings(deadline=None)
@given(values)
@example(Colour.RED)
def test_argument_names_and_tags_do_not_mix(value: object) -> None:
    payload = json.loads(encode({"value": value}))
    assert list(payload) == ["sender", "arguments"]
    assert list(payload["arguments"]) == ["value"]


def test_payload_of_one_process_is_read_by_another() -> None:
    """Classes, members and zones are found by name in a process that has loaded none of their modules."""
    payload = encode({"value": [Colour.RED, Point(1, BERLIN.key), datetime(2024, 1, 1, tzinfo=BERLIN)]}, sender=Outer)
    script = (
        "import django, sys; django.setup(); from signals_app.payloads import decode_text\n"
        "assert 'tests.payload_app.values' not in sys.modules\n"
        "print(decode_text(sys.argv[1]))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    result = subprocess.run(
        [sys.executable, "-c", script, payload], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "sender=<class 'tests.payload_app.values.Outer'>" in result.stdout
    assert "<Colour.RED: 'r'>, Point(x=1, y='Europe/Berlin')" in result.stdout
    assert "zoneinfo.ZoneInfo(key='Europe/Berlin')" in result.stdout
