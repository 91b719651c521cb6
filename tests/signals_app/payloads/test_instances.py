"""Model instances as signal arguments, by reference and by value, and model classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AbstractUser
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import Decoded, decode_arguments
from tests.payload_app.fields import Money, Phone, Span, SpanField
from tests.payload_app.models import (
    ByCode,
    ByPair,
    ByUuid,
    Child,
    Coded,
    CodedPart,
    Everything,
    Offer,
    Parent,
    Plain,
    PlainProxy,
    Tagged,
)
from tests.payload_app.values import Point, Size
from tests.signals_app.travels import encode, there_and_back

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


def test_an_instance_of_any_make_comes_back_by_reference_and_by_value_wherever_it_stands() -> None:
    one, two = Plain.objects.create(name="one"), PlainProxy.objects.create(name="proxy")
    phone: Any = Phone("+41 1")
    coded = Coded.objects.create(phone=phone)
    instances = [
        *(one, two, coded, CodedPart.objects.create(coded=coded), ByUuid.objects.create()),
        *(ByCode.objects.create(code="a/b'c\\"), ByPair.objects.create(shelf="left", number=3)),
        *(Parent.objects.create(title="parent"), Child.objects.create(title="child", age=4)),
        *(Plain.objects.using("other").create(pk=1, name="elsewhere"), Everything.objects.create()),
    ]
    for snapshot in (False, True):
        for instance, back in zip(instances, there_and_back([*instances], snapshot=snapshot), strict=True):
            assert type(back) is type(instance)
            assert (back, back.pk, type(back.pk)) == (instance, instance.pk, type(instance.pk))
            assert (back._state.db, back._state.adding) == (instance._state.db, False)
            for field in type(instance)._meta.concrete_fields:
                assert getattr(back, field.attname) == getattr(instance, field.attname)
    value = {"list": [one, (two,)], one: {two}, "point": Point(two, [one]), "lazy": SimpleLazyObject(lambda: one)}
    assert there_and_back(value) == {**value, "lazy": one}


def test_a_reference_is_model_primary_key_and_database_and_a_key_is_as_its_field_writes_it() -> None:
    key = UUID(int=5)
    ByUuid.objects.using("other").create(id=key)
    phone: Any = Phone("+41 1")
    text = encode({"it": ByUuid.objects.using("other").get(), "coded": Coded.objects.create(phone=phone)})
    assert json.loads(text)["arguments"] == {
        "it": {"$instance": ["payload_app.ByUuid", {"$uuid": str(key)}, "other"]},
        "coded": {"$instance": ["payload_app.Coded", "+41 1", "default"]},
    }


@pytest.mark.parametrize("model", [Plain, PlainProxy, Child, Tagged.plains.through, AbstractUser, Model])
def test_a_model_class_comes_back(model: type[Model]) -> None:
    decoded = decode_arguments(encode({"model": model}, sender=model))
    assert decoded == Decoded(sender=model, arguments={"model": model})


def test_an_object_that_is_gone_is_named() -> None:
    instance = ByPair.objects.using("other").create(shelf="left", number=3)
    text = encode({"lines": [1, {"it": instance}]})
    instance.delete()
    with pytest.raises(MissingObject) as caught:
        decode_arguments(text)
    assert str(caught.value) == (
        "lines[1]['it'] refers to payload_app.ByPair with primary key ('left', 3) in the database 'other', and that "
        'row no longer exists. missing="skip" cancels such deliveries; a snapshot does not need the row.'
    )


def test_a_key_of_a_number_of_another_library_travels() -> None:
    class Whole:
        """Equal to an int, and none."""

        def __eq__(self, other: object) -> bool:
            return other == 7

        __hash__ = None  # type: ignore[assignment]

        def __str__(self) -> str:
            return "7"

    plain = Plain.objects.create(pk=7)
    key: Any = Whole()
    plain.pk = key
    assert there_and_back(plain).pk == 7


def test_an_instance_that_two_arguments_share_is_written_once_and_comes_back_as_one() -> None:
    plain = Plain.objects.create()
    text = encode({"instance": plain, "again": plain, "other": Plain.objects.get()}, snapshot=("again",))
    written = json.loads(text)["arguments"]
    assert list(written["instance"]) == ["$snapshot"]
    assert (written["again"], list(written["other"])) == ({"$argument": "instance"}, ["$instance"])
    arguments = decode_arguments(text).arguments
    assert arguments["again"] is arguments["instance"]


def test_a_value_of_every_field_travels() -> None:
    plain = Plain.objects.create()
    everything = Everything.objects.create(
        kind=Size.LARGE,
        price=Decimal("7.50"),
        options={"a": [1, None], "$b": 2},
        paper=ContentFile(b"text", name="a.txt"),
        raw=b"\x00\xff",
        plain=plain,
        made_at=datetime(2024, 1, 1, tzinfo=UTC),
        lasts=timedelta(days=2),
    )
    everything.refresh_from_db()
    text = encode({"it": [Point(everything)]}, snapshot=("it",))
    everything.paper.delete(save=False)
    Everything.objects.all().delete()
    arguments: Any = decode_arguments(text).arguments
    back = arguments["it"][0].x
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


def test_an_unsaved_instance_stays_unsaved() -> None:
    back = there_and_back(Plain(name="new"), snapshot=True)
    assert (back.pk, back.name) == (None, "new")
    assert (back._state.adding, back._state.db) == (True, None)
    back.save()
    assert Plain.objects.get().name == "new"
    assert there_and_back(Everything(raw=memoryview(b"x")), snapshot=True).raw == b"x"  # as drivers give it


@pytest.mark.parametrize("value", [models.F("name"), Now(), DatabaseDefault(Now())])
def test_a_value_that_only_the_database_knows_is_told_and_by_reference_not_needed(value: Any) -> None:
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


def test_a_field_is_not_believed_that_takes_the_text_of_anything_or_reads_another_value(
    offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name: Any = object()
    with pytest.raises(PayloadError, match=r"it\.name \(object\) cannot travel to a worker"):
        encode({"it": Plain(name=name)}, snapshot=("it",))
    monkeypatch.setattr(SpanField, "to_python", lambda self, value: Span(0, 0))
    with pytest.raises(PayloadError, match=r"it\.span "):
        encode({"it": offer}, snapshot=("it",))


def changed(change: Callable[[dict[str, Any]], object], instance: models.Model) -> Any:
    """Return what new code makes of a snapshot that old code wrote."""
    payload = json.loads(encode({"it": instance}, snapshot=("it",)))
    change(payload["arguments"]["it"]["$snapshot"]["fields"])
    return decode_arguments(json.dumps(payload)).arguments["it"]


def test_a_new_field_has_its_default_and_one_that_is_gone_is_left_out() -> None:
    back = changed(lambda fields: [fields.pop("price"), fields.pop("made_at")], Everything(pk=5))
    assert (back.price, back.made_at) == (Decimal("1.10"), None)
    assert back.get_deferred_fields() == set()
    back = changed(lambda fields: fields.update(colour={"$enum": ["gone:Colour", "RED"]}), Plain(name="x"))
    assert (back.name, hasattr(back, "colour")) == ("x", False)


def test_a_default_of_the_database_is_the_databases_again() -> None:
    back = there_and_back(Offer(), snapshot=True)
    back.save()
    back.refresh_from_db()
    assert isinstance(back.at, datetime)
    assert changed(lambda fields: fields.pop("at"), back).at == back.at, "a new field of a saved row is loaded"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.pop("name"), "it.name is missing, and the field has no default."),
        (lambda fields: fields.update(title=fields.pop("name")), "it gives title and not name of payload_app.Plain."),
    ],
    ids=["new", "renamed"],
)
def test_a_change_that_would_lose_a_value_is_told(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        changed(change, Plain(name="x"))
    assert str(caught.value) == (f"The payload is malformed: {message} Did the model change since the signal was sent?")
