"""Arguments that may not travel, sent as a view would: refused before anything is written, or kept as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest
from django.test import override_settings

from signals_app.exceptions import PayloadError, PayloadTooLarge
from tests.payload_app.models import ByCode, Plain
from tests.payload_app.strategies import fingerprint
from tests.payload_app.values import Point, Service
from tests.signals_app.listeners import first, listening, run_waiting, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

placed = Signal()

DROP = "Add drop=('order',) or pass the values you need."
BOTH = "Pass plain values, a dataclass or a saved model instance instead, or add drop=('order',)."


def cycle() -> object:
    point = Point(1)
    point.y = [point]
    return point


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture
def handle() -> Iterator[object]:
    with open(os.devnull, "rb") as opened:
        yield opened


def send(order: object, **more: object) -> None:
    """Do what a view does: save something and send, in one transaction; the view outlives the error."""
    with listening(placed, first), transaction.atomic():
        Thing.objects.create(name="the order")
        with pytest.raises(PayloadError) as caught:
            placed.send(sender=None, order=order, **more)
        Thing.objects.create(name="and more")  # the transaction is as good as before
    raise caught.value


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "object": (Service, f"order (tests.payload_app.values.Service) cannot travel to a worker. {BOTH}"),
    "request": (HttpRequest, f"order (django.http.request.HttpRequest) cannot travel to a worker. {DROP}"),
    "generator": (lambda: (n for n in "a"), "order (generator) cannot travel to a worker. Pass list(order)."),
    "queryset": (
        Plain.objects.all,
        (
            "order (django.db.models.query.QuerySet) cannot travel to a worker. "
            "Pass a list of primary keys, or list(order); or add drop=('order',)."
        ),
    ),
    "cycle": (cycle, "order.y[0] contains itself. Break the cycle, or pass primary keys."),
    "nested": (
        lambda: nested(33),
        (f"order{'[0]' * 25}… is nested deeper than 32 levels. Flatten it, or store it and pass its primary key."),
    ),
    "too large": (
        lambda: "é" * 40_000,
        (
            'its arguments take 80,040 bytes of JSON and SIGNALS_APP["MAX_PAYLOAD"] allows 65,536; the largest is '
            "order. Store the data and pass its primary key, or raise the limit."
        ),
    ),
    "lone surrogate": (
        lambda: {"note": "é\ud83d"},
        (
            "order['note'] (str) has half of a surrogate pair at index 1, which UTF-8 cannot hold. "
            'Remove it, or pass bytes: value.encode("utf-8", "surrogatepass").'
        ),
    ),
    "NUL": (
        lambda: ["a\0"],
        "order[0] (str) has a NUL character at index 1, which PostgreSQL cannot store. Remove it, or pass bytes.",
    ),
    "unsaved": (
        Plain,
        (
            "order (tests.payload_app.models.Plain) is not saved, so that a worker could not fetch it. "
            "Save it first, or add snapshot=('order',) to send its values."
        ),
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_travel_is_refused_before_anything_is_written(make: Callable[[], object], message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        send(make())
    assert str(caught.value) == f"{first.key} cannot receive {__name__}.placed: {message}"
    assert written() == []
    assert [thing.name for thing in Thing.objects.order_by("id")] == ["the order", "and more"]


def test_a_file_handle_is_refused_before_anything_is_written(handle: object) -> None:
    with pytest.raises(PayloadError) as caught:
        send(handle)
    assert str(caught.value).endswith(
        "order (_io.BufferedReader) cannot travel to a worker. Save it and pass its path, or pass its content."
    )
    assert written() == []


def test_the_name_of_an_argument_has_to_be_writable() -> None:
    with pytest.raises(PayloadError) as caught:
        send(1, **{"note\ud83d": 1})
    assert str(caught.value).endswith(": 'note\\ud83d' (str) is a name that UTF-8 cannot hold. Rename it.")
    assert written() == []


def test_the_limit_and_the_actual_size_are_told() -> None:
    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": 100}), pytest.raises(PayloadTooLarge) as caught:
        send("x" * 100)
    assert 'take 140 bytes of JSON and SIGNALS_APP["MAX_PAYLOAD"] allows 100; ' in str(caught.value)
    assert written() == []


def test_the_other_receivers_of_the_send_are_none_the_worse() -> None:
    with listening(placed, first):
        ((_, error),) = placed.send_robust(sender=None, order=Service())
        ((_, delivery),) = placed.send_robust(sender=None, order=1)
    assert isinstance(error, PayloadError)
    assert written() == [delivery]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        {1: "a", "1": "b", None: "c", (1, 2): "d", b"k": "e"},
        nested(32),
        datetime(2024, 3, 31, 2, 30),  # noqa: DTZ001 - that is the question
        [datetime(2024, 1, 1), {datetime(2024, 1, 2): 1}],  # noqa: DTZ001
    ],
    ids=["NaN", "Infinity", "-Infinity", "Decimal NaN", "Decimal -Infinity", "keys", "32 levels", "naive", "naive key"],
)
def test_what_the_rules_accept_reaches_the_receiver_as_it_was_sent(value: object) -> None:
    assert settings.USE_TZ
    with listening(placed, first):
        placed.send(sender=None, order=value)
    (call,) = run_waiting()
    assert fingerprint(call.arguments["order"]) == fingerprint(value)


@pytest.mark.parametrize("code", ["a\0b", "a\ud83d", "a\nb"])
def test_an_unsaved_sender_with_an_odd_key_is_on_the_record_in_plain_text(code: str) -> None:
    with listening(placed, first):
        placed.send(sender=ByCode(code=code))
    (delivery,) = written()
    assert delivery.sender == f"payload_app.ByCode({ascii(code)[1:-1]})"
    (call,) = run_waiting()
    assert call.sender is ByCode
