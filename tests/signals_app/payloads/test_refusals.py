"""What cannot travel is refused at the send, with signal, receiver, path, type and cure."""

from __future__ import annotations

import functools
import io
import time as time_of_day
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import SimpleLazyObject

from tests.payload_app.hostile import Classless
from tests.payload_app.models import Plain, Tagged
from tests.payload_app.values import Failure, Frozen, Outer, Pair, PairPlus, Point, Service, Stray
from tests.signals_app.travels import encode, refusal, there_and_back


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


async def coroutine() -> None: ...


CANNOT = "cannot travel to a worker. "
CALL = "Call it before the send, or pass a name that the receiver looks up."
OTHER = "Pass plain values, a dataclass or a saved model instance instead, or add drop=('order',)."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            HttpRequest,
            (
                "(django.http.request.HttpRequest) cannot travel to a worker. "
                "Add drop=('order',) or pass the values you need."
            ),
        ),
        (
            HttpResponse,
            (
                "(django.http.response.HttpResponse) cannot travel to a worker. "
                "Add drop=('order',) or pass the values you need."
            ),
        ),
        (
            Plain.objects.all,
            (
                f"(django.db.models.query.QuerySet) {CANNOT}"
                "Pass a list of primary keys, or list(order); or add drop=('order',)."
            ),
        ),
        (
            lambda: Tagged(pk=1).plains,
            ".ManyRelatedManager) cannot travel to a worker. Pass a list of primary keys, or list(order.all()).",
        ),
        (lambda: (letter for letter in ""), f"(generator) {CANNOT}Pass list(order)."),
        (lambda: map(str, ()), f"(map) {CANNOT}Pass list(order)."),
        (lambda: {}.keys(), f"(dict_keys) {CANNOT}Pass list(order)."),
        (lambda: range(3), f"(range) {CANNOT}Pass list(order)."),
        (deque, f"(collections.deque) {CANNOT}Pass list(order)."),
        (io.StringIO, f"(_io.StringIO) {CANNOT}Save it and pass its path, or pass its content."),
        (
            lambda: ContentFile(b"", name="x"),
            f"(django.core.files.base.ContentFile) {CANNOT}Save it to a storage and pass its name.",
        ),
        (lambda: lambda: None, f"(function) {CANNOT}{CALL}"),
        (lambda: encode, f"(function) {CANNOT}{CALL}"),
        (lambda: "".join, f"(builtin_function_or_method) {CANNOT}{CALL}"),
        (lambda: Service().work, f"(method) {CANNOT}{CALL}"),
        (
            lambda: functools.partial(encode),
            f"(functools.partial) {CANNOT}Call it before the send, or pass its arguments.",
        ),
        (lambda: io, f"(module) {CANNOT}Pass its name."),
        (lambda: memoryview(b""), f"(memoryview) {CANNOT}Pass bytes(order)."),
        (forms.Form, f"(django.forms.forms.Form) {CANNOT}Pass order.cleaned_data."),
        (
            lambda: QueryDict("a=1"),
            (
                "(django.http.request.QueryDict) is more than a plain dict: its attribute _encoding would be lost. "
                "Pass dict(order.lists())."
            ),
        ),
        (lambda: ValueError("x"), f"(ValueError) {CANNOT}Pass str(order), or what the receiver needs of it."),
        (
            lambda: apps.get_app_config("payload_app"),
            f"(tests.payload_app.apps.PayloadAppConfig) {CANNOT}Add drop=('order',) or pass its label.",
        ),
        (lambda: vars(Service), f"(mappingproxy) {CANNOT}Pass dict(order)."),
        (
            lambda: SimpleLazyObject(AnonymousUser),
            f"(django.contrib.auth.models.AnonymousUser) {CANNOT}Pass None for a visitor who is not logged in.",
        ),
        (
            lambda: object.__new__(Outsider),
            "(tests.signals_app.payloads.test_refusals.Outsider) is no member of its enumeration. Pass a member.",
        ),
        (
            lambda: tuple.__new__(Pair, [1]),
            "(tests.payload_app.values.Pair) holds more than its fields: an item without a name would be lost.",
        ),
        (
            lambda: time_of_day.struct_time(range(9)),
            "(time.struct_time) is more than a plain tuple: its attribute tm_year would be lost. Pass tuple(order).",
        ),
        (
            lambda: Decimal("1E+20000"),
            "(decimal.Decimal) has more than 10,000 digits before or after its point. Round it, or pass str(order).",
        ),
        (
            lambda: {Alike() for _ in range(101)},
            "(set) holds 101 items of one hash, of 100 that there may be. Pass a list.",
        ),
        (lambda: 1j, f"(complex) {CANNOT}{OTHER}"),
        (object, f"(object) {CANNOT}{OTHER}"),
        (Service, f"(tests.payload_app.values.Service) {CANNOT}{OTHER}"),
        (
            lambda: datetime(2024, 1, 1, tzinfo=Zone()),
            (
                "(datetime.datetime) has a tzinfo of tests.signals_app.payloads.test_refusals.Zone, which has no name "
                "to find it by. Use zoneinfo.ZoneInfo(name) or datetime.timezone."
            ),
        ),
        (
            lambda: "abc\0def",
            "(str) has a NUL character at index 3, which PostgreSQL cannot store. Remove it, or pass bytes.",
        ),
        (
            lambda: "é\ud83d",
            (
                "(str) has half of a surrogate pair at index 1, which UTF-8 cannot hold. "
                'Remove it, or pass bytes: value.encode("utf-8", "surrogatepass").'
            ),
        ),
    ],
)
def test_value_that_cannot_travel_is_refused_with_its_cure(make: Callable[[], object], message: str) -> None:
    assert message in refusal(make())


@pytest.mark.parametrize(
    ("make", "lost", "cure"),
    [
        (lambda: defaultdict(int, a=1), "its attribute default_factory", dict),
        (lambda: Counter("ab"), "its own __missing__()", dict),
        (lambda: Folded(a=1), "its own __getitem__()", dict),
        (noted, "its attribute note", str),
        (Counted, "its attribute _Counted__total", list),
        (lambda: Precise(2024, 1, 1), "what makes it unequal to one", Precise.isoformat),
    ],
)
def test_subclass_that_holds_or_means_more_is_refused_and_the_cure_travels(
    make: Callable[[], Any], lost: str, cure: Callable[[Any], object]
) -> None:
    value = make()
    written = "order.isoformat()" if cure is Precise.isoformat else f"{cure.__name__}(order)"
    assert f": {lost} would be lost. Pass {written}." in refusal(value)
    assert there_and_back(cure(value)) == cure(value)


def test_object_that_fails_when_its_class_is_asked_is_refused() -> None:
    assert refusal([Classless()]) == f"order[0] (tests.payload_app.hostile.Classless) {CANNOT}{OTHER}"


def test_lazy_object_that_wraps_itself_is_refused() -> None:
    endless: Any = SimpleLazyObject(lambda: endless)
    assert "is nested deeper than 32 levels" in refusal(endless)


def test_coroutine_is_refused() -> None:
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


def test_key_that_cannot_be_text_is_refused() -> None:
    assert refusal({"a\0": 1}).startswith("order['a\\x00'] (str) has a NUL character at index 1")


CLASS_CURE = "Pass plain values instead, or define the class at the top level of a module of an installed app."


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
        assert message.endswith(CLASS_CURE)


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
