"""Model instances and model classes as signal arguments: references, and objects that are gone."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import Decoded, decode_arguments
from tests.payload_app.fields import Code
from tests.payload_app.models import (
    Base,
    ByCode,
    ByPair,
    ByUuid,
    Child,
    Coded,
    CodedPart,
    Everything,
    Hidden,
    Parent,
    Plain,
    PlainProxy,
    Tagged,
)
from tests.payload_app.values import Point
from tests.signals_app.travels import WHO, encode, there_and_back

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


def saved() -> list[Model]:
    return [
        Plain.objects.create(name="plain"),
        PlainProxy.objects.create(name="proxy"),
        ByUuid.objects.create(),
        ByCode.objects.create(code="a/b'c\\"),
        ByPair.objects.create(shelf="left", number=3),
        Parent.objects.create(title="parent"),
        Child.objects.create(title="child", age=4),
        Plain.objects.using("other").create(pk=1, name="elsewhere"),
        Everything.objects.create(),
        Hidden.objects.create(),  # by its default manager, too
    ]


def test_instance_of_any_make_comes_back_by_reference_and_by_value_wherever_it_stands() -> None:
    instances = saved()
    for snapshot in (False, True):
        for instance, back in zip(instances, there_and_back([*instances], snapshot=snapshot), strict=True):
            assert type(back) is type(instance)
            assert (back, back.pk) == (instance, instance.pk)
            assert (back._state.db, back._state.adding) == (instance._state.db, False)
            for field in type(instance)._meta.concrete_fields:
                assert getattr(back, field.attname) == getattr(instance, field.attname)
    one, two = instances[:2]
    value = {"list": [one, (two,)], one: {two}, "point": Point(two, [one]), "lazy": SimpleLazyObject(lambda: one)}
    assert there_and_back(value) == {**value, "lazy": one}


def test_reference_is_model_primary_key_and_database() -> None:
    key = UUID(int=5)
    ByUuid.objects.using("other").create(id=key)
    text = encode({"it": ByUuid.objects.using("other").get()})
    assert json.loads(text)["arguments"]["it"] == {"$instance": ["payload_app.ByUuid", {"$uuid": str(key)}, "other"]}


def test_instance_is_fetched_afresh_with_all_of_its_fields() -> None:
    Plain.objects.create(name="before")
    text = encode({"plain": Plain.objects.only("pk").get()})
    Plain.objects.update(name="after")
    back: Any = decode_arguments(text).arguments["plain"]
    assert (back.get_deferred_fields(), back.name) == (set(), "after")


def test_encoding_asks_no_database_and_decoding_once_for_an_instance() -> None:
    plain = Plain.objects.create()
    with CaptureQueriesContext(connection) as queries:
        text = encode({"plain": plain}, sender=Plain)
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        decode_arguments(text)
    assert len(queries) == 1


@pytest.mark.parametrize("model", [Plain, PlainProxy, Child, Tagged.plains.through, Base, Model])
def test_model_class_comes_back(model: type[Model]) -> None:
    decoded = decode_arguments(encode({"model": model}, sender=model))
    assert decoded == Decoded(sender=model, arguments={"model": model})


def test_object_that_is_gone_is_named() -> None:
    instance = ByPair.objects.using("other").create(shelf="left", number=3)
    text = encode({"lines": [1, {"it": instance}]})
    instance.delete()
    with pytest.raises(MissingObject) as caught:
        decode_arguments(text)
    assert str(caught.value) == (
        "lines[1]['it'] was payload_app.ByPair with primary key ('left', 3) in the database 'other', which does not "
        'exist any more. missing="skip" cancels such deliveries; a snapshot does without the row.'
    )


NOT_SAVED = (
    "is not saved, so that a worker could not fetch it. Save it first, or add snapshot=('it',) to send its values."
)


@pytest.mark.parametrize("instance", [Plain(name="new"), ByUuid(), ByPair(shelf="x"), Child(pk=5)])
def test_unsaved_instance_is_refused(instance: Model) -> None:
    with pytest.raises(PayloadError) as caught:
        encode({"it": [instance]})
    assert str(caught.value) == f"{WHO}it[0] (tests.payload_app.models.{type(instance).__name__}) {NOT_SAVED}"


def test_deleted_instance_is_refused() -> None:
    plain = Plain.objects.create()
    plain.delete()
    with pytest.raises(PayloadError) as caught:
        encode({"it": plain})
    assert str(caught.value) == (
        f"{WHO}it (tests.payload_app.models.Plain) is deleted, or its primary key was taken away, so that a worker "
        "could not fetch it. Send before that, and with snapshot=('it',) to send its values."
    )


def test_key_that_is_an_object_travels_as_its_field_writes_it() -> None:
    key: Any = Code(5)
    coded = Coded.objects.create(code=key)
    part = CodedPart.objects.create(coded=coded)
    text = encode({"coded": coded, "part": part})
    assert json.loads(text)["arguments"] == {
        "coded": {"$instance": ["payload_app.Coded", "c-5", "default"]},
        "part": {"$instance": ["payload_app.CodedPart", "c-5", "default"]},
    }
    assert decode_arguments(text).arguments == {"coded": coded, "part": part}
    for instance in (coded, part):
        back = there_and_back(instance, snapshot=True)
        assert (back, back.pk) == (instance, Code(5))


def test_key_of_a_number_of_another_library_travels() -> None:
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


@pytest.mark.parametrize("key", [("a", [1]), ["a"], {"a": 1}])
def test_key_that_no_field_takes_is_refused(key: Any) -> None:
    instance = ByCode(code=key)
    instance._state.adding = False
    with pytest.raises(PayloadError, match=r"is no primary key of payload_app\.ByCode\. Save the instance first\."):
        encode({"it": instance})


def test_instance_that_two_arguments_share_is_written_once_and_comes_back_as_one() -> None:
    plain = Plain.objects.create()
    text = encode({"instance": plain, "again": plain, "other": Plain.objects.get()}, snapshot=("again",))
    written = json.loads(text)["arguments"]
    assert list(written["instance"]) == ["$snapshot"]
    assert (written["again"], list(written["other"])) == ({"$argument": "instance"}, ["$instance"])
    arguments = decode_arguments(text).arguments
    assert arguments["again"] is arguments["instance"]


def test_model_of_a_migration_is_refused() -> None:
    old = ProjectState.from_apps(apps).apps.get_model("payload_app", "Plain")
    with pytest.raises(PayloadError) as caught:
        encode({"model": old})
    assert str(caught.value).endswith(
        " is of a model that is not in the app registry, such as a migration's. "
        "Connect the receiver with sender=..., or leave such models out with when=..."
    )
