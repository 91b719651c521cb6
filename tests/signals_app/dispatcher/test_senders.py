"""Any sender: what is on the record of it, and what a worker passes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

from tests.payload_app.models import ByCode
from tests.signals_app.listeners import first, listening, run_waiting, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class Service:
    def __init__(self) -> None:
        self.connection = object()


@pytest.mark.parametrize(
    ("sender", "label", "received"),
    [
        (None, "", None),
        ("ein Bücherwurm", "ein Bücherwurm", "ein Bücherwurm"),
        (Thing, "tests.testapp.models.Thing", Thing),
        (Service, f"{__name__}.Service", Service),
        (Service(), f"{__name__}.Service", Service),
        (view, f"{__name__}.view", f"{__name__}.view"),
        ("x" * 300, "x" * 255, "x" * 300),
        ("new\nline", "new\\nline", "new\nline"),
        ("\0\ud800", "\\x00\\ud800", "\\x00\\ud800"),
        (ByCode(code="a\0b"), "payload_app.ByCode(a\\x00b)", ByCode),
    ],
    ids=["None", "text", "model", "class", "object", "function", "long", "two lines", "no text", "odd key"],
)
def test_a_sender_is_a_label_on_the_record_and_itself_for_the_worker_where_that_can_be(
    sender: Any, label: str, received: object
) -> None:
    with listening(announced, first):
        announced.send(sender=sender)

    (call,) = run_waiting()
    assert (written()[0].sender, call.sender) == (label, received)


def test_a_saved_instance_is_fetched_afresh() -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first):
        announced.send(sender=thing)
    Thing.objects.update(name="chair")

    (call,) = run_waiting()
    assert isinstance(call.sender, Thing)
    assert (call.sender.pk, call.sender.name) == (thing.pk, "chair")
    assert written()[0].sender == f"testapp.Thing({thing.pk})"
