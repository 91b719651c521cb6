"""Any sender: what is on the record of it, and what a worker passes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.views import View
from django.views.generic import TemplateView

from tests.payload_app.models import ByUuid, Child, PlainProxy
from tests.signals_app.listeners import first, listening, run_waiting, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()


class Checkout(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        announced.send(sender=type(self))
        return HttpResponse()


class Things(TemplateView):
    template_name = "things.html"


class Outer:
    class Service:
        """What cannot travel itself does so as its class."""

        def __init__(self) -> None:
            self.connection = object()


def function_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def send_and_run(sender: Any) -> tuple[str, object]:
    """Return the sender on the record and the one that the receiver got."""
    with listening(announced, first):
        announced.send(sender=sender)
    (call,) = run_waiting()
    return written()[0].sender, call.sender


@pytest.mark.parametrize(
    ("sender", "label"),
    [
        (None, ""),
        ("checkout", "checkout"),
        ("ein Bücherwurm", "ein Bücherwurm"),
        (Thing, "tests.testapp.models.Thing"),
        (PlainProxy, "tests.payload_app.models.PlainProxy"),
        (Thing.friends.through, "tests.testapp.models.Thing_friends"),
        (Checkout, f"{__name__}.Checkout"),
        (Things, f"{__name__}.Things"),
        (Outer.Service, f"{__name__}.Outer.Service"),
        (int, "builtins.int"),
    ],
    ids=str,
)
def test_a_worker_gets_the_sender_that_was_sent(sender: Any, label: str) -> None:
    assert send_and_run(sender) == (label, sender)


def test_a_saved_instance_is_fetched_afresh() -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first):
        announced.send(sender=thing)
    Thing.objects.filter(pk=thing.pk).update(name="chair")

    (call,) = run_waiting()
    assert isinstance(call.sender, Thing)
    assert (call.sender.pk, call.sender.name) == (thing.pk, "chair")
    assert written()[0].sender == f"testapp.Thing({thing.pk})"


def test_instances_with_other_keys_travel_too() -> None:
    one = ByUuid.objects.create()
    two = Child.objects.create(title="t", age=3)

    assert send_and_run(one) == (f"payload_app.ByUuid({one.pk})", one)
    assert send_and_run(two)[1] == two


def test_a_lazy_sender_is_resolved() -> None:
    thing = Thing.objects.create(name="lamp")

    assert send_and_run(SimpleLazyObject(lambda: thing)) == (f"testapp.Thing({thing.pk})", thing)


@pytest.mark.parametrize("sender", [Outer.Service(), Thing(pk=5), Checkout()])
def test_an_instance_that_cannot_travel_does_so_as_its_class(sender: object) -> None:
    assert send_and_run(sender)[1] is type(sender)


def test_a_marked_string_is_a_plain_one_on_the_record() -> None:
    label, received = send_and_run(mark_safe("<b>shop</b>"))

    assert (label, received) == ("<b>shop</b>", "<b>shop</b>")
    assert type(received) is str


def test_a_long_sender_is_shortened_on_the_record_alone() -> None:
    assert send_and_run("x" * 300) == ("x" * 255, "x" * 300)


@pytest.mark.parametrize(
    ("sender", "label"),
    [
        (function_view, f"{__name__}.function_view"),
        (Thing(pk=5).save, "django.db.models.base.Model.save"),
        ("new\nline", "new\\nline"),
        ("\0\ud800", "\\x00\\ud800"),
    ],
    ids=["function", "method", "two lines", "not text"],
)
def test_a_sender_that_cannot_be_found_is_a_label(sender: object, label: str) -> None:
    on_record, received = send_and_run(sender)

    assert on_record == label
    assert received in (label, sender)
