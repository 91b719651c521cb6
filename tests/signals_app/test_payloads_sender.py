"""The sender travels as it is, or as its class."""

from __future__ import annotations

import io

import django
import pytest
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest

from signals_app.payloads import decode_text
from tests.payload_app.models import Plain
from tests.payload_app.values import Outer, Point, Service
from tests.signals_app.travels import encode, refusal


@pytest.mark.parametrize("sender", [None, "checkout", Outer, Plain, WSGIHandler, 5, Point(1), ("a", 1)])
def test_sender_comes_back(sender: object) -> None:
    assert decode_text(encode({}, sender=sender)).sender == sender


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        (Service(), Service),
        (Plain(), Plain),
        (Point(io), Point),
        (object(), object),
        (apps.get_app_config("payload_app"), type(apps.get_app_config("payload_app"))),
        (HttpRequest(), HttpRequest),
    ],
)
def test_sender_that_cannot_travel_goes_as_its_class(sender: object, kind: type) -> None:
    assert decode_text(encode({}, sender=sender)).sender is kind


def test_sender_that_holds_itself_goes_as_its_class() -> None:
    point = Point(1)
    point.y = point
    assert decode_text(encode({}, sender=point)).sender is Point


def test_sender_without_a_class_to_find_is_refused() -> None:
    class Local:
        pass

    for sender, message in (
        (Local, "sender (tests.signals_app.test_payloads_sender."),
        (Local(), "sender (tests.signals_app.test_payloads_sender."),
        (encode, "sender (function) cannot travel to a worker. "),
        (django, "sender (module) cannot travel to a worker. "),
        ([1, io], "sender[1] (module) cannot travel to a worker. "),
    ):
        message_given = refusal(1, sender)
        assert message_given.startswith(message)
        assert message_given.endswith("Send with None, a string, a saved model instance or a class of a module.")
