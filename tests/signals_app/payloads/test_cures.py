"""What a refusal advises can be followed: what it says to pass instead does travel."""

from __future__ import annotations

import functools
import io
import itertools
from collections import ChainMap, deque
from collections.abc import Callable
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
from django.db.migrations.state import ProjectState
from django.dispatch import Signal
from django.http import HttpRequest, QueryDict
from django.utils.translation import ngettext_lazy

from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import PayloadError, ReceiverError
from signals_app.models import Delivery, State
from signals_app.testing import run_deliveries
from tests.payload_app.models import Plain, Tagged
from tests.signals_app.listeners import first, listening
from tests.signals_app.travels import refusal, there_and_back

announced = Signal()
storage = InMemoryStorage()


class Loaves(forms.Form):
    number = forms.IntegerField()


def cleaned() -> Loaves:
    form = Loaves({"number": "3"})
    assert form.is_valid()
    return form


def local_class() -> type:
    """Return a class as a factory of Django's makes one, which nobody can move to the top of a module."""
    made: type = forms.modelform_factory(Plain, fields=["name"])
    return made


def migrated() -> Any:
    """Return a saved row as a migration sees it."""
    return ProjectState.from_apps(apps).apps.get_model("payload_app", "Plain").from_db("default", ["id"], [5])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "advice", "follow"),
    [
        (
            lambda: Tagged.objects.create().plains,
            "Pass a list of primary keys, or list(order.all()).",
            lambda order: list(order.all()),
        ),
        (Plain.objects.all, "Pass a list of primary keys, or list(order); or add drop=('order',).", list),
        (
            lambda: apps.get_app_config("auth"),
            "Add drop=('order',) or pass its label.",
            lambda order: order.label,
        ),
        (
            lambda: ContentFile(b"x", name="bun.txt"),
            "Save it to a storage and pass its name.",
            lambda order: storage.save(order.name, order),
        ),
        (AnonymousUser, "Pass None for a visitor who is not logged in.", lambda order: None),
        (cleaned, "Pass order.cleaned_data.", lambda order: order.cleaned_data),
        (lambda: QueryDict("a=1&a=2"), "Pass dict(order.lists()).", lambda order: dict(order.lists())),
        (lambda: io.StringIO("x"), "Save it and pass its path, or pass its content.", lambda order: order.getvalue()),
        (
            lambda: "x".upper,
            "Call it before the send, or pass a name that the receiver looks up.",
            lambda order: order(),
        ),
        (
            lambda: functools.partial(max, 1, 2),
            "Call it before the send, or pass its arguments.",
            lambda order: [*order.args],
        ),
        (lambda: io, "Pass its name.", lambda order: order.__name__),
        (lambda: memoryview(b"x"), "Pass bytes(order).", bytes),
        (lambda: range(3), "Pass list(order).", list),
        (lambda: deque([1]), "Pass list(order).", list),
        (lambda: itertools.chain([1], [2]), "Pass list(order).", list),
        (lambda: {1: 2}.items(), "Pass list(order).", list),
        (lambda: MappingProxyType({1: 2}), "Pass dict(order).", dict),
        (lambda: ChainMap({1: 2}), "Pass dict(order).", dict),
        (lambda: ValueError("x"), "Pass str(order), or what the receiver needs of it.", str),
        (lambda: ZoneInfo("Europe/Paris"), "Pass its name.", str),
        (lambda: ngettext_lazy("%d loaf", "%d loaves"), "Put the number in first: order % number.", lambda o: o % 3),
        (
            lambda: ngettext_lazy("{n} loaf", "{n} loaves", "n"),
            "Put the number in first: order % number.",
            lambda order: order % {"n": 3},
        ),
        (MagicMock, "Pass a real value, or call the receiver's .func, which takes anything.", lambda order: 1),
        (
            lambda: Mock(spec=Plain),
            "Pass a real value, or call the receiver's .func, which takes anything.",
            lambda order: Plain.objects.create(name="real"),
        ),
        (
            local_class,
            "Pass plain values instead, or define the class at the top level of a module of an installed app.",
            lambda order: list(order.base_fields),
        ),
    ],
)
def test_what_the_cure_says_travels(make: Callable[[], Any], advice: str, follow: Callable[[Any], object]) -> None:
    value = make()
    assert refusal(value).endswith(f". {advice}")
    followed = follow(value)
    assert there_and_back(followed) == followed


def test_a_lazy_plural_with_its_number_is_the_text_that_it_stands_for() -> None:
    assert there_and_back(ngettext_lazy("%d loaf", "%d loaves", 3) % 3) == "3 loaves"


def takes_request(sender: object, request: object, user: object, **kwargs: object) -> None: ...


def may_take_request(sender: object, user: object, request: object = None, **kwargs: object) -> None: ...


@functools.wraps(takes_request)
def given_request(*args: Any, **kwargs: Any) -> None:
    takes_request(*args, **kwargs | {"request": None})


@pytest.mark.django_db
@pytest.mark.parametrize("follow", [may_take_request, given_request])
@pytest.mark.parametrize(
    ("options", "arguments", "why"),
    [
        ({"drop": ("request",)}, {"request": HttpRequest(), "user": 1}, "drop leaves out"),
        ({}, {"user": 1}, "the signal does not bring"),
    ],
    ids=["dropped", "not sent"],
)
def test_a_parameter_that_gets_nothing_is_told_at_the_send(
    options: Any, arguments: Any, why: str, follow: Callable[..., None], made: Callable[..., QueuedReceiver]
) -> None:
    with listening(announced, made(takes_request, key="greet", **options)), pytest.raises(ReceiverError) as caught:
        announced.send(sender=None, **arguments)
    assert str(caught.value) == (
        f"greet cannot receive {__name__}.announced: its parameter 'request' has no default value, and {why} the "
        "argument. Give it a default value, or take it out of the parameters."
    )
    with listening(announced, made(follow, key="follows", **options)):
        announced.send(sender=None, **arguments)
        run_deliveries()

    assert Delivery.objects.get().state == State.SUCCESSFUL


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "options"),
    [
        (HttpRequest(), {"drop": ("order",)}),
        (Plain(name="not saved"), {"snapshot": ("order",)}),
        (
            migrated(),
            {"when": lambda order, **kwargs: order._meta.apps is apps},
        ),
    ],
    ids=["a request", "not saved", "of a migration"],
)
def test_the_option_that_the_cure_names_lets_the_send_pass(
    value: Any, options: dict[str, Any], made: Callable[..., QueuedReceiver]
) -> None:
    with listening(announced, first), pytest.raises(PayloadError) as caught:
        announced.send(sender=None, order=value)
    ((name, _),) = options.items()
    assert f"{name}=" in str(caught.value)
    with listening(announced, made(first.func, key="cured", **options)):
        announced.send(sender=None, order=value)
        run_deliveries()

    assert set(Delivery.objects.values_list("state", flat=True)) <= {State.SUCCESSFUL}
