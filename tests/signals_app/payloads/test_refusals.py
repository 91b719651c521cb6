"""What cannot travel is refused at the send, with signal, receiver, path, type and a cure that can be followed."""

from __future__ import annotations

import functools
import io
import itertools
from collections import ChainMap, Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from time import struct_time
from types import MappingProxyType
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.translation import ngettext_lazy

from signals_app.exceptions import PayloadError, PayloadTooLarge
from tests.payload_app.hostile import Classless
from tests.payload_app.models import Plain, Tagged
from tests.payload_app.values import Failure, Frozen, Outer, Pair, PairPlus, Point, Service, Stray
from tests.signals_app.travels import WHO, encode, refusal, there_and_back


class Outsider(Enum):
    MEMBER = 1


@dataclass(frozen=True)
class Alike:
    def __hash__(self) -> int:
        return 5

    def __eq__(self, other: object) -> bool:
        return self is other


class Noted(str):  # noqa: SLOT000 - its attribute is what is lost
    note = ""


class Precise(datetime):
    """Equal to no plain one, as one with nanoseconds is."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Precise

    __hash__ = datetime.__hash__


class Folded(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(key.lower())


class Counted(list[int]):
    __slots__ = ("__total",)

    def __init__(self) -> None:
        self.__total = 5


def noted() -> Noted:
    text = Noted("x")
    text.note = "y"
    return text


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        return "Zone"

    def dst(self, moment: datetime | None) -> None:
        return None


class Loaves(forms.Form):
    number = forms.IntegerField()


def cleaned() -> Loaves:
    form = Loaves({"number": "3"})
    assert form.is_valid()
    return form


def saved(file: ContentFile[bytes]) -> str:
    return InMemoryStorage().save(file.name, file)


def local_class() -> type:
    """Return a class as a factory of Django's makes one, which nobody can move to the top of a module."""
    made: type = forms.modelform_factory(Plain, fields=["name"])
    return made


CANNOT = "cannot travel to a worker. "
DROP = "Add drop=('order',) or pass the values you need."
CALL = "Call it before the send, or pass a name that the receiver looks up."
CONTENT = "Save it and pass its path, or pass its content."
OTHER = "Pass plain values, a dataclass or a saved model instance instead, or add drop=('order',)."
PLURAL = "Put the number in first: order % number."
MOCK = "Pass a real value, or call the receiver's .func, which takes anything."
CLASS = "Pass plain values instead, or define the class at the top level of a module of an installed app."
MODELS = "Pass a list of primary keys, or "
FINITE = "has more than 10,000 digits before or after its point. Round it, or pass str(order)."
NUL = "has a NUL character at index 3, which PostgreSQL cannot store. Remove it, or pass bytes."
HALF = (
    "has half of a surrogate pair at index 1, which UTF-8 cannot hold. "
    'Remove it, or pass bytes: value.encode("utf-8", "surrogatepass").'
)
ALIKE = "holds 101 items of one hash, of 100 that there may be. Pass a list."
ZONE = (
    f"has a tzinfo of {__name__}.Zone, which has no name to find it by. "
    "Use zoneinfo.ZoneInfo(name) or datetime.timezone."
)


def lost(what: str, cure: str) -> str:
    return f": {what} would be lost. {cure}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "message", "follow"),
    [
        (HttpRequest, f"(django.http.request.HttpRequest) {CANNOT}{DROP}", None),
        (HttpResponse, DROP, None),
        (Plain.objects.all, f"{MODELS}list(order); or add drop=('order',).", list),
        (lambda: Tagged.objects.create().plains, f"{MODELS}list(order.all()).", lambda order: list(order.all())),
        (lambda: apps.get_app_config("auth"), "Add drop=('order',) or pass its label.", lambda order: order.label),
        (lambda: (letter for letter in "a"), f"(generator) {CANNOT}Pass list(order).", list),
        (lambda: itertools.chain([1], [2]), "Pass list(order).", list),
        (lambda: {1: 2}.items(), "Pass list(order).", list),
        (lambda: range(3), "Pass list(order).", list),
        (lambda: deque([1]), "Pass list(order).", list),
        (lambda: memoryview(b"x"), "Pass bytes(order).", bytes),
        (lambda: MappingProxyType({1: 2}), "Pass dict(order).", dict),
        (lambda: ChainMap({1: 2}), "Pass dict(order).", dict),
        (lambda: io.StringIO("x"), CONTENT, lambda order: order.getvalue()),
        (lambda: ContentFile(b"x", name="bun"), "Save it to a storage and pass its name.", saved),
        (lambda: encode, CALL, None),
        (lambda: "x".upper, CALL, lambda order: order()),
        (lambda: Service().work, CALL, lambda order: order()),
        (lambda: functools.partial(max, 1), "Call it before the send, or pass its arguments.", lambda o: [*o.args]),
        (lambda: io, "Pass its name.", lambda order: order.__name__),
        (cleaned, "Pass order.cleaned_data.", lambda order: order.cleaned_data),
        (lambda: QueryDict("a=1&a=2"), "Pass dict(order.lists()).", lambda order: dict(order.lists())),
        (lambda: ValueError("x"), "Pass str(order), or what the receiver needs of it.", str),
        (lambda: SimpleLazyObject(AnonymousUser), "Pass None for a visitor who is not logged in.", None),
        (lambda: ZoneInfo("Europe/Paris"), "Pass its name.", str),
        (lambda: ngettext_lazy("%d loaf", "%d loaves"), PLURAL, lambda order: order % 3),
        (lambda: ngettext_lazy("{n} loaf", "{n} loaves", "n"), PLURAL, lambda order: order % {"n": 3}),
        (MagicMock, MOCK, None),
        (lambda: Mock(spec=Plain), MOCK, lambda order: Plain.objects.create(name="real")),
        (lambda: object.__new__(Outsider), "is no member of its enumeration. Pass a member.", None),
        (lambda: tuple.__new__(Pair, [1]), lost("an item without a name", "Make a field of it."), None),
        (lambda: struct_time(range(9)), lost("its attribute tm_year", "Pass tuple(order)."), tuple),
        (lambda: Decimal("1E+20000"), FINITE, str),
        (lambda: {Alike() for _ in range(101)}, ALIKE, None),
        (lambda: datetime(2024, 1, 1, tzinfo=Zone()), ZONE, None),
        (lambda: "abc\0def", NUL, str.encode),
        (lambda: "é\ud83d", HALF, lambda order: order.encode("utf-8", "surrogatepass")),
        (lambda: 1j, OTHER, None),
        (Service, f"(tests.payload_app.values.Service) {CANNOT}{OTHER}", None),
        (Classless, f"(tests.payload_app.hostile.Classless) {CANNOT}{OTHER}", None),
        (local_class, CLASS, lambda order: list(order.base_fields)),
        (lambda: defaultdict(int, a=1), lost("its attribute default_factory", "Pass dict(order)."), dict),
        (lambda: Counter("ab"), lost("its own __missing__()", "Pass dict(order)."), dict),
        (lambda: Folded(a=1), lost("its own __getitem__()", "Pass dict(order)."), dict),
        (noted, lost("its attribute note", "Pass str(order)."), str),
        (Counted, lost("its attribute _Counted__total", "Pass list(order)."), list),
        (
            lambda: Precise(2024, 1, 1),
            lost("what makes it unequal to one", "Pass order.isoformat()."),
            Precise.isoformat,
        ),
    ],
)
def test_value_that_cannot_travel_is_refused_with_a_cure_that_travels(
    make: Callable[[], Any], message: str, follow: Callable[[Any], object] | None
) -> None:
    value = make()
    assert refusal([value]).replace("order[0]", "order").endswith(message)
    if follow:
        followed = follow(value)
        assert there_and_back(followed) == followed


def test_lazy_object_that_wraps_itself_is_refused() -> None:
    endless: Any = SimpleLazyObject(lambda: endless)
    assert "is nested deeper than 32 levels" in refusal(endless)


def test_coroutine_is_refused() -> None:
    async def coroutine() -> None: ...

    unawaited = coroutine()
    try:
        assert refusal(unawaited).endswith("(coroutine) cannot travel to a worker. Await it before the send.")
    finally:
        unawaited.close()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (io, "order"),
        ([0, (1, io)], "order[1][1]"),
        (Point(1, [0, 1, 2, io]), "order.y[3]"),
        ({"x": {"it's": io}}, """order['x']["it's"]"""),
        ({5: io}, "order[5]"),
        ({Frozen(a=1): io}, "order[Frozen(a=1, b=None)]"),
        ({1: 0, (io,): 0}, "order.keys()[1][0]"),
        ({io}, "order{…}"),
        (PairPlus(1, io), "order.right"),
        ({"k" * 100: io}, f"order['{'k' * 59}…]"),
        ({10**5000: io}, "order[a value of type int]"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_path_leads_to_the_culprit(value: object, path: str) -> None:
    assert refusal(value).startswith(f"{path} (module) ")


def test_key_and_name_that_cannot_be_text_are_refused() -> None:
    assert refusal({"a\0": 1}).startswith("order.keys()[0] (str) has a NUL character at index 1")
    with pytest.raises(PayloadError, match=r": 'note\\ud83d' \(str\) is a name that UTF-8 cannot hold\. Rename it\.$"):
        encode({"note\ud83d": 1})


def test_class_that_a_worker_cannot_find_is_refused() -> None:
    @dataclass
    class Local:
        a: int

    class Hue(Enum):
        RED = 1

    for value in (Local, Local(1), Hue.RED):
        message = refusal(value)
        assert "<locals>" in message
        assert "is of a class that a worker cannot find as tests.signals_app.payloads.test_refusals:" in message
        assert message.endswith(CLASS)


def test_class_of_the_script_that_was_started_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    made = make_dataclass("Made", [("a", int)])
    made.__module__ = "__main__"
    monkeypatch.setattr(__main__, "Made", made, raising=False)
    assert "a worker cannot find as __main__:Made" in refusal(made(1))


def test_class_that_another_has_taken_the_name_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Outer.Inner
    monkeypatch.setattr(Outer, "Inner", type("Inner", (), {}))
    assert "a worker cannot find as tests.payload_app.values:Outer.Inner" in refusal(old)


def test_state_beside_the_fields_is_refused() -> None:
    assert refusal(Stray(1)) == (
        "order (tests.payload_app.values.Stray) holds more than its fields: its attribute memo would be lost. "
        "Make a field of it."
    )
    pair = PairPlus(1, 2)
    pair.note = "x"  # type: ignore[attr-defined]
    assert "its attribute note would be lost" in refusal(pair)
    assert "holds more than its fields: the BaseException it is would be lost" in refusal(Failure(1))


def test_field_without_a_value_is_refused() -> None:
    point = Point(1)
    del point.x
    assert refusal(point).startswith("order (tests.payload_app.values.Point) has no value in its field x. Set it")


def test_cycle_is_named_where_it_closes() -> None:
    lines: list[object] = [1]
    lines.append({"back": lines})
    assert refusal([Point(lines)]) == ("order[0].x[1]['back'] contains itself. Break the cycle, or pass primary keys.")
    point = Point(1)
    point.y = point
    assert refusal(point).startswith("order.y contains itself.")


def test_nesting_has_a_limit() -> None:
    value: object = Decimal(1)
    for _ in range(32):
        value = [value]
    assert there_and_back(value) == value
    value = [value]
    assert refusal(value).endswith(
        "… is nested deeper than 32 levels. Flatten it, or store it and pass its primary key."
    )


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 1000})
@pytest.mark.parametrize(
    ("big", "size"),
    [("x" * 1000, "1,050"), ("é" * 600, "1,250"), (["é"] * 300, "1,549"), ([1] * 1001, "more than 1,000")],
)
def test_payload_has_a_limit_in_bytes(big: object, size: str) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        encode({"small": 1, "lines": big})
    assert str(caught.value) == (
        f"{WHO}its arguments take {size} bytes of JSON and "
        'SIGNALS_APP["MAX_PAYLOAD"] allows 1,000; the largest is lines. '
        "Store the data and pass its primary key, or raise the limit."
    )


def test_payload_of_exactly_the_limit_travels() -> None:
    size = len(encode({"a": "x"}))
    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": size}):
        encode({"a": "y"})
        with pytest.raises(PayloadTooLarge):
            encode({"a": "xy"})


def test_value_that_would_grow_without_end_is_stopped() -> None:
    value: object = []
    for _ in range(30):
        value = [value] * 10
    with pytest.raises(PayloadTooLarge, match="more than 65,536 bytes"):
        encode({"value": value})
