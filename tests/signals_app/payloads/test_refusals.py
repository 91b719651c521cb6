"""What cannot travel is refused at the send, with signal, receiver, path, type and a cure that can be followed."""

from __future__ import annotations

import functools
import io
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from enum import Enum
from time import struct_time
from types import MappingProxyType
from typing import Any, cast
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db.migrations.state import ProjectState
from django.http import HttpRequest, QueryDict
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.translation import ngettext_lazy

from signals_app.exceptions import PayloadError, PayloadTooLarge
from tests.payload_app.attacks import Classless
from tests.payload_app.models import ByCode, ByUuid, Child, Plain, Tagged
from tests.payload_app.values import Failure, Frozen, Outer, Pair, PairPlus, Point, Service
from tests.signals_app.travels import WHO, encode, refusal, there_and_back


class Outsider(Enum):
    MEMBER = 1


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


def noted(value: Any) -> Any:
    """Return a value that holds more than its kind has."""
    value.note = "y"
    return value


def cleaned() -> forms.Form:
    form = forms.Form({})
    assert form.is_valid()
    return form


def incomplete() -> Point:
    point = Point(1)
    del point.x
    return point


def endless() -> object:
    lazy: Any = SimpleLazyObject(lambda: lazy)
    return lazy


def local_class() -> Any:
    """Return a class as a factory of Django's makes one, which nobody can move to the top of a module."""
    return forms.modelform_factory(Plain, fields=["name"])


def local_dataclass() -> object:
    @dataclass
    class Local:
        a: int

    return Local(1)


def deleted() -> Plain:
    plain = Plain.objects.create()
    plain.delete()
    return plain


def keyed(key: Any) -> ByCode:
    instance = ByCode(code=key)
    instance._state.adding = False
    return instance


UNSAVED = "is not saved, so a worker could not fetch it. Save it first, or add snapshot=('order',) to send its values."
DELETED = (
    "is deleted, or its primary key was taken away, so a worker could not fetch it. Send before that, and with "
    "snapshot=('order',) to send its values."
)
KEY = "is no primary key of payload_app.ByCode. Save the instance first."
MIGRATED = (
    "is of a model that is not in the app registry, such as a migration's. "
    "Connect the receiver with sender=..., or leave such models out with when=..."
)
CANNOT = "cannot travel to a worker. "
DROP = "Add drop=('order',) or pass the values you need."
CALL = "Call it before the send, or pass a name that the receiver looks up."
CONTENT = "Save it and pass its path, or pass its content."
OTHER = "Pass plain values, a dataclass or a saved model instance instead, or add drop=('order',)."
PLURAL = "Put the number in first: order % number."
MOCK = "Pass a real value, or call the receiver's .func, which takes anything."
FIELD = "Make a field of it."
CLASS = "Pass plain values instead, or define the class at the top level of a module of an installed app."
MODELS = "Pass a list of primary keys, or "
FINITE = "has more than 10,000 digits before or after its point. Round it, or pass str(order)."
NUL = "has a NUL character at index 3, which PostgreSQL cannot store. Remove it, or pass bytes."
HALF = (
    "has half of a surrogate pair at index 1, which UTF-8 cannot hold. "
    'Remove it, or pass bytes: value.encode("utf-8", "surrogatepass").'
)
UNEQUAL = "what makes it unequal to one"
ALIKE = "holds 101 items of one hash, of 100 that there may be. Pass a list."
DEEP = "… is nested deeper than 32 levels. Flatten it, or store it and pass its primary key."
ZONE = "a tzinfo of datetime.tzinfo, which has no name to find it by. Use zoneinfo.ZoneInfo(name) or datetime.timezone."


def lost(what: str, cure: str) -> str:
    return f": {what} would be lost. {cure}"


def not_found(name: str) -> str:
    return f"is of a class that a worker cannot find as {name}. {CLASS}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "message", "follow"),
    [
        (HttpRequest, f"(django.http.request.HttpRequest) {CANNOT}{DROP}", None),
        (Plain.objects.all, f"{MODELS}list(order); or add drop=('order',).", list),
        (lambda: Tagged.objects.create().plains, f"{MODELS}list(order.all()).", lambda order: list(order.all())),
        (lambda: apps.get_app_config("auth"), "Add drop=('order',) or pass its label.", lambda order: order.label),
        (lambda: (letter for letter in "a"), f"(generator) {CANNOT}Pass list(order).", list),
        (lambda: deque([1]), "Pass list(order).", list),
        (lambda: memoryview(b"x"), "Pass bytes(order).", bytes),
        (lambda: MappingProxyType({1: 2}), "Pass dict(order).", dict),
        (lambda: io.StringIO("x"), CONTENT, lambda order: order.getvalue()),
        (
            lambda: ContentFile(b"x"),
            "Save it to a storage and pass its name.",
            lambda o: InMemoryStorage().save("a", o),
        ),
        (lambda: encode, CALL, None),
        (lambda: Service().work, CALL, lambda order: order()),
        (lambda: functools.partial(max, 1), "Call it before the send, or pass its arguments.", lambda o: [*o.args]),
        (lambda: io, "Pass its name.", lambda order: order.__name__),
        (cleaned, "Pass order.cleaned_data.", lambda order: order.cleaned_data),
        (lambda: QueryDict("a=1&a=2"), "Pass dict(order.lists()).", lambda order: dict(order.lists())),
        (lambda: ValueError("x"), "Pass str(order), or what the receiver needs of it.", str),
        (lambda: SimpleLazyObject(AnonymousUser), "Pass None for a visitor who is not logged in.", None),
        (lambda: ZoneInfo("Europe/Paris"), "Pass its name.", str),
        (lambda: ngettext_lazy("%d loaf", "%d loaves"), PLURAL, lambda order: order % 3),
        (MagicMock, MOCK, None),
        (lambda: Mock(spec=Plain), MOCK, lambda order: Plain.objects.create(name="real")),
        (lambda: object.__new__(Outsider), "is no member of its enumeration. Pass a member.", None),
        (lambda: tuple.__new__(Pair, [1]), lost("an item without a name", FIELD), None),
        (lambda: noted(PairPlus(1, 2)), lost("its attribute note", FIELD), None),
        (lambda: noted(Point(1)), f"holds more than its fields{lost('its attribute note', FIELD)}", None),
        (lambda: Failure(1), lost("the BaseException it is", FIELD), None),
        (incomplete, "has no value in its field x. Set it before the send.", None),
        (lambda: struct_time(range(9)), lost("its attribute tm_year", "Pass tuple(order)."), tuple),
        (lambda: Decimal("1E+20000"), FINITE, str),
        (lambda: {times * (2**61 - 1) for times in range(101)}, ALIKE, None),
        (lambda: datetime(2024, 1, 1, tzinfo=cast(Any, tzinfo)()), ZONE, None),
        (lambda: "abc\0def", NUL, str.encode),
        (lambda: "é\ud83d", HALF, lambda order: order.encode("utf-8", "surrogatepass")),
        (Service, f"(tests.payload_app.values.Service) {CANNOT}{OTHER}", None),
        (Classless, f"(tests.payload_app.attacks.Classless) {CANNOT}{OTHER}", None),
        (local_class, CLASS, lambda order: list(order.base_fields)),
        (local_dataclass, not_found(f"{__name__}:local_dataclass.<locals>.Local"), None),
        (lambda: Enum("Hue", "RED", module=__name__).RED, not_found(f"{__name__}:Hue"), None),  # type: ignore[attr-defined]
        (lambda: defaultdict(int, a=1), lost("its attribute default_factory", "Pass dict(order)."), dict),
        (lambda: Counter("ab"), lost("its own __missing__()", "Pass dict(order)."), dict),
        (lambda: Folded(a=1), lost("its own __getitem__()", "Pass dict(order)."), dict),
        (lambda: noted(Noted("x")), lost("its attribute note", "Pass str(order)."), str),
        (Counted, lost("its attribute _Counted__total", "Pass list(order)."), list),
        (lambda: Precise(2024, 1, 1), lost(UNEQUAL, "Pass order.isoformat()."), Precise.isoformat),
        *((model, f"(tests.payload_app.models.{model.__name__}) {UNSAVED}", None) for model in (Plain, ByUuid)),
        (lambda: Child(pk=5), UNSAVED, None),
        (deleted, DELETED, None),
        (lambda: keyed(("a", [1])), KEY, None),
        (lambda: ProjectState.from_apps(apps).apps.get_model("payload_app", "Plain"), MIGRATED, None),
        (endless, DEEP, None),
        (lambda: nested(32), DEEP, lambda order: order),
    ],
)
def test_a_value_that_cannot_travel_is_refused_with_a_cure_that_travels(
    make: Callable[[], Any], message: str, follow: Callable[[Any], object] | None
) -> None:
    value = make()
    assert refusal([value]).replace("order[0]", "order").endswith(message)
    if follow:
        followed = follow(value)
        assert there_and_back(followed) == followed


def nested(levels: int) -> object:
    value: object = Decimal(1)
    for _ in range(levels):
        value = [value]
    return value


def test_a_coroutine_is_refused() -> None:
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
def test_the_path_leads_to_the_culprit(value: object, path: str) -> None:
    assert refusal(value).startswith(f"{path} (module) ")


def test_a_key_or_a_name_that_cannot_be_text_is_refused() -> None:
    assert refusal({"a\0": 1}).startswith("order.keys()[0] (str) has a NUL character at index 1")
    with pytest.raises(PayloadError, match=r": 'note\\ud83d' \(str\) is a name that UTF-8 cannot hold\. Rename it\.$"):
        encode({"note\ud83d": 1})


def test_a_class_whose_name_another_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    made, old = make_dataclass("Made", [("a", int)]), Outer.Inner
    made.__module__ = "__main__"  # whatever was started; a worker starts something else
    monkeypatch.setattr(__main__, "Made", made, raising=False)
    monkeypatch.setattr(Outer, "Inner", type("Inner", (), {}))
    assert refusal(made(1)).endswith(not_found("__main__:Made"))
    assert refusal(old).endswith(not_found("tests.payload_app.values:Outer.Inner"))


def test_a_cycle_is_named_where_it_closes() -> None:
    lines: list[object] = [1]
    lines.append({"back": lines})
    assert refusal([Point(lines)]) == ("order[0].x[1]['back'] contains itself. Break the cycle, or pass primary keys.")
    point = Point(1)
    point.y = point
    assert refusal(point).startswith("order.y contains itself.")


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 1000})
@pytest.mark.parametrize(
    ("big", "size"),
    [("x" * 1000, "1,050"), ("é" * 600, "1,250"), (["é"] * 300, "1,549"), ([1] * 1001, "more than 1,000")],
)
def test_a_payload_has_a_limit_in_bytes(big: object, size: str) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        encode({"small": 1, "lines": big})
    assert str(caught.value) == (
        f"{WHO}its arguments take {size} bytes of JSON and "
        'SIGNALS_APP["MAX_PAYLOAD"] allows 1,000; the largest is lines. '
        "Store the data and pass its primary key, or raise the limit."
    )


def test_a_payload_of_exactly_the_limit_travels_and_one_that_grows_without_end_does_not() -> None:
    size = len(encode({"a": "x"}))
    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": size}):
        encode({"a": "y"})
        with pytest.raises(PayloadTooLarge):
            encode({"a": "xy"})
    value: object = []
    for _ in range(30):
        value = [value] * 10
    with pytest.raises(PayloadTooLarge, match="more than 65,536 bytes"):
        encode({"value": value})
