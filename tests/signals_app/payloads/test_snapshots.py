"""Model instances that travel by value."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from signals_app.exceptions import PayloadError
from signals_app.payloads import decode_arguments
from tests.payload_app.fields import Money, Phone, Span, SpanField
from tests.payload_app.models import Everything, Kind, Offer, Plain
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
    back: Any = decode_arguments(text).arguments["it"]
    assert (back.kind, back.price, back.options) == ("l", Decimal("7.50"), {"a": [1, None], "$b": 2})
    assert (bytes(back.raw), back.lasts, back.plain) == (b"\x00\xff", timedelta(days=2), plain)
    assert back.made_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert back.paper.name.startswith("papers/a")
    assert not default_storage.exists(back.paper.name)


def test_it_is_what_was_sent_not_what_is_stored_and_a_deferred_field_stays_deferred() -> None:
    Plain.objects.create(name="stored")
    plain = Plain.objects.get()
    plain.name = "in memory"
    with CaptureQueriesContext(connection) as queries:
        assert there_and_back(plain, snapshot=True).name == "in memory"
    assert len(queries) == 0
    back = there_and_back(Plain.objects.defer("name").get(), snapshot=True)
    assert (back.get_deferred_fields(), back.name) == ({"name"}, "stored")


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
    (point,) = decode_arguments(text).arguments["it"]  # type: ignore[misc]
    assert point.x.name == "inside"  # type: ignore[has-type]


def test_bytes_that_a_database_gives_as_memoryview_travel() -> None:
    assert there_and_back(Everything(raw=memoryview(b"x")), snapshot=True).raw == b"x"


@pytest.mark.parametrize("value", [models.F("name"), Now(), DatabaseDefault(Now())])
def test_value_that_only_the_database_knows_is_told_and_by_reference_not_needed(value: Any) -> None:
    plain = Plain.objects.create(name="stored")
    plain.name = value
    with pytest.raises(PayloadError) as caught:
        encode({"it": plain}, snapshot=("it",))
    kind = type(value)
    assert str(caught.value) == (
        f"receivers.work cannot receive shop.placed: it.name ({kind.__module__}.{kind.__qualname__}) "
        "cannot travel to a worker. Only the database knows its value. By reference an instance needs none; with "
        "snapshot, call its refresh_from_db() before the send."
    )
    assert there_and_back(plain).name == "stored"
    plain.refresh_from_db()
    assert there_and_back(plain, snapshot=True).name == "stored"


def test_default_of_the_database_is_the_databases_again() -> None:
    back = there_and_back(Offer(), snapshot=True)
    back.save()
    back.refresh_from_db()
    assert isinstance(back.at, datetime)


@pytest.fixture
def offer() -> Offer:
    values: dict[str, Any] = {"cost": Money(Decimal("7.50"), "CHF"), "phone": Phone("+41 1"), "span": Span(1, 5)}
    Offer.objects.create(**values)
    return Offer.objects.get()


def test_fields_whose_values_are_objects_are_asked_for_plain_ones(offer: Offer) -> None:
    text = encode({"it": offer}, snapshot=("it",))
    assert json.loads(text)["arguments"]["it"]["$snapshot"]["fields"] | {"at": None} == {
        "id": offer.pk,
        "cost": {"$field": {"$decimal": "7.50"}},
        "currency": "CHF",
        "phone": {"$field": "+41 1"},
        "span": {"$field": '{"low": 1, "high": 5}'},
        "at": None,
    }
    back: Any = decode_arguments(text).arguments["it"]
    assert (str(back.cost), back.phone, back.phone.country, back.span) == ("CHF 7.50", "+41 1", "41", Span(1, 5))


def test_field_that_takes_the_text_of_anything_is_not_asked() -> None:
    name: Any = object()
    with pytest.raises(PayloadError, match=r"it\.name \(object\) cannot travel to a worker"):
        encode({"it": Plain(name=name)}, snapshot=("it",))


def test_field_that_would_read_another_value_is_not_believed(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpanField, "to_python", lambda self, value: Span(0, 0))
    with pytest.raises(PayloadError, match=r"it\.span "):
        encode({"it": offer}, snapshot=("it",))


def changed(change: Callable[[dict[str, Any]], object], instance: models.Model) -> Any:
    """Return what new code makes of a snapshot that old code wrote."""
    payload = json.loads(encode({"it": instance}, snapshot=("it",)))
    change(payload["arguments"]["it"]["$snapshot"]["fields"])
    return decode_arguments(json.dumps(payload)).arguments["it"]


def test_new_field_has_its_default_and_one_that_is_gone_is_left_out() -> None:
    back = changed(lambda fields: [fields.pop("price"), fields.pop("made_at")], Everything(pk=5))
    assert (back.price, back.made_at) == (Decimal("1.10"), None)
    assert back.get_deferred_fields() == set()
    back = changed(lambda fields: fields.update(colour={"$enum": ["gone:Colour", "RED"]}), Plain(name="x"))
    assert (back.name, hasattr(back, "colour")) == ("x", False)


def test_new_field_of_a_saved_row_is_loaded_where_the_database_has_its_default() -> None:
    offer = Offer.objects.create()
    offer.refresh_from_db()
    assert changed(lambda fields: fields.pop("at"), offer).at == offer.at


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.pop("name"), "it.name is missing, and the field has no default."),
        (lambda fields: fields.update(title=fields.pop("name")), "it gives title and not name of payload_app.Plain."),
    ],
    ids=["new", "renamed"],
)
def test_change_that_would_lose_a_value_is_told(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        changed(change, Plain(name="x"))
    assert str(caught.value) == (f"The payload is malformed: {message} Did the model change since the signal was sent?")
