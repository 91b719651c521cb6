"""Model instances that travel by value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from signals_app.exceptions import PayloadError
from signals_app.payloads import decode_text
from tests.payload_app.models import (
    Everything,
    Kind,
    Plain,
)
from tests.payload_app.values import Point
from tests.signals_app.travels import encode, there_and_back

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


def test_value_of_every_field_travels() -> None:
    plain = Plain.objects.create()
    everything = Everything.objects.create(
        kind=Kind.LARGE,
        price=Decimal("7.50"),
        options={"a": [1, None], "$b": 2},
        paper=ContentFile(b"text", name="a.txt"),
        raw=b"\x00\xff",
        plain=plain,
        made_at=datetime(2024, 1, 1, tzinfo=UTC),
        lasts=timedelta(days=2),
    )
    everything.refresh_from_db()
    text = encode({"it": everything}, snapshot=("it",))
    everything.paper.delete(save=False)
    Everything.objects.all().delete()
    back = decode_text(text).arguments["it"]
    assert isinstance(back, Everything)
    assert (back.kind, back.price, back.options) == ("l", Decimal("7.50"), {"a": [1, None], "$b": 2})
    assert (bytes(back.raw), back.lasts) == (b"\x00\xff", timedelta(days=2))
    assert back.made_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert back.plain == plain
    name = str(back.paper.name)
    assert name.startswith("papers/a")
    assert not default_storage.exists(name)


def test_it_is_what_was_sent_not_what_is_stored() -> None:
    plain = Plain.objects.create(name="stored")
    plain.name = "in memory"
    with CaptureQueriesContext(connection) as queries:
        assert there_and_back(plain, snapshot=True).name == "in memory"
    assert len(queries) == 0


def test_deferred_field_stays_deferred() -> None:
    Plain.objects.create(name="stored")
    back = there_and_back(Plain.objects.defer("name").get(), snapshot=True)
    assert back.get_deferred_fields() == {"name"}
    assert back.name == "stored"


def test_unsaved_instance_stays_unsaved() -> None:
    back = there_and_back(Plain(name="new"), snapshot=True)
    assert (back.pk, back.name) == (None, "new")
    assert (back._state.adding, back._state.db) == (True, None)
    back.save()
    assert Plain.objects.get().name == "new"


def test_instances_inside_the_argument_travel_by_value_too() -> None:
    plain = Plain.objects.create(name="inside")
    text = encode({"it": [Point(plain, 1)]}, snapshot=("it",))
    plain.delete()
    (point,) = decode_text(text).arguments["it"]  # type: ignore[misc]
    assert point.x.name == "inside"  # type: ignore[has-type]


def test_other_arguments_go_by_reference() -> None:
    one, two = Plain.objects.create(), Plain.objects.create()
    written = json.loads(encode({"one": one, "two": two}, snapshot=("one",)))["arguments"]
    assert list(written["one"]) == ["$snapshot"]
    assert list(written["two"]) == ["$instance"]


@pytest.mark.parametrize("value", [None, 5, "x"])
def test_value_that_is_no_instance_travels_as_ever(value: object) -> None:
    assert there_and_back(value, snapshot=True) == value


def test_bytes_that_a_database_gives_as_memoryview_travel() -> None:
    assert there_and_back(Everything(raw=memoryview(b"x")), snapshot=True).raw == b"x"


def test_field_that_holds_an_expression_is_refused_with_its_name() -> None:
    plain = Plain.objects.create()
    plain.name = models.F("name") + "x"
    with pytest.raises(PayloadError) as caught:
        encode({"it": plain}, snapshot=("it",))
    assert str(caught.value) == (
        "receivers.work cannot receive shop.placed: it.name (django.db.models.expressions.CombinedExpression) "
        "cannot travel to a worker. Call refresh_from_db() on its instance first."
    )
