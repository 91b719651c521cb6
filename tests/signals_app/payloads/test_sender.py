"""The sender travels as it is, as its class, or as a label; no argument is lost for its sake."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, cast
from unittest.mock import MagicMock

import django
import pytest
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.db import DatabaseError
from django.db.migrations.state import ProjectState
from django.db.models import Model
from django.http import HttpRequest
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from signals_app.payloads import decode_arguments
from signals_app.payloads.errors import Json
from signals_app.payloads.names import label
from tests.payload_app.models import Plain
from tests.payload_app.values import Outer, Point, Service
from tests.signals_app.travels import encode, read, refusal


def looped() -> Point:
    point = Point(1)
    point.y = point
    return point


@pytest.mark.parametrize("sender", [None, "checkout", Outer, Plain, WSGIHandler, 5, Point(1), ("a", 1)])
def test_sender_comes_back(sender: object) -> None:
    assert decode_arguments(encode({}, sender=sender)).sender == sender


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        (Service(), Service),
        (Plain(), Plain),
        (Point(io), Point),
        (object(), object),
        (apps.get_app_config("payload_app"), type(apps.get_app_config("payload_app"))),
        (HttpRequest(), HttpRequest),
        (looped(), Point),
    ],
)
def test_sender_that_cannot_travel_goes_as_its_class(sender: object, kind: type) -> None:
    assert decode_arguments(encode({}, sender=sender)).sender is kind


class Hostile:
    """Answers nothing that it is asked."""

    __hash__ = None  # type: ignore[assignment]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ValueError("no class")

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Local:
    """Stands in for a class that is local to a function."""


Local.__qualname__ = "make.<locals>.Local"


def numbers() -> Iterator[int]:
    yield 1


def migrated() -> type[Model]:
    """Return a model as a migration sees it."""
    return ProjectState.from_apps(apps).apps.get_model("payload_app", "Plain")


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (lambda: Local, f"{__name__}.make.<locals>.Local"),
        (Local, f"{__name__}.make.<locals>.Local"),
        (lambda: encode, "tests.signals_app.travels.encode"),
        (lambda: Service().work, "tests.payload_app.values.Service.work"),
        (lambda: len, "builtins.len"),
        (lambda: lambda: None, f"{__name__}.<lambda>.<locals>.<lambda>"),
        (numbers, "builtins.generator"),
        (lambda: django, "django"),
        (lambda: [1, io], "builtins.list"),
        (MagicMock, "unittest.mock.MagicMock"),
        (migrated, "__fake__.Plain"),
        (lambda: migrated()(), "payload_app.Plain(None)"),
        (lambda: "a\0b\ud800\n", "a\\x00b\\ud800\\n"),
        (lambda: "x" * 70_000, "x" * 255),
        (lambda: [1] * 70_000, "builtins.list"),
        (lambda: Point("x" * 70_000), "tests.payload_app.values.Point"),
    ],
)
def test_sender_without_a_class_to_find_goes_as_its_label(make: Callable[[], object], label: str) -> None:
    decoded = decode_arguments(encode({"order": 1}, make()))
    assert (decoded.sender, decoded.arguments) == (label, {"order": 1})


@pytest.mark.parametrize(
    "make",
    [Hostile, lambda: SimpleLazyObject(lambda: 1 / 0), lambda: Plain(pk=cast("Any", Hostile()))],
    ids=["all", "lazy", "key"],
)
def test_a_sender_whose_own_code_fails_loses_no_argument(make: Callable[[], Any]) -> None:
    sender = make()
    assert decode_arguments(encode({"order": 1}, sender)).sender is type(sender)
    assert label(sender)


@pytest.mark.django_db
def test_a_deleted_sender_goes_as_its_class() -> None:
    plain = Plain.objects.create(name="gone")
    plain.delete()
    assert decode_arguments(encode({}, plain)).sender is Plain


@pytest.mark.django_db
def test_an_error_of_the_database_is_not_hidden() -> None:
    def broken() -> object:
        raise DatabaseError("deadlock detected")

    with pytest.raises(DatabaseError, match="deadlock detected"):
        encode({}, SimpleLazyObject(broken))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ({"$class": "bakery.views:Checkout.Step"}, "bakery.views.Checkout.Step"),
        ({"$model": "bakery.Bun"}, "bakery.Bun"),
    ],
)
def test_a_class_that_the_worker_does_not_have_comes_as_its_name(written: Json, name: str) -> None:
    decoded = read({"sender": written, "arguments": {"order": 1}})
    assert (decoded.sender, decoded.arguments) == (name, {"order": 1})


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 300})
def test_the_largest_argument_is_named_beside_a_large_sender() -> None:
    assert "the largest is order." in refusal("x" * 300, sender=Point("x" * 200))
