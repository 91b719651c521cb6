"""Model instances and model classes as signal arguments: references, snapshots, and objects that are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import Decoded, decode_text, encode_arguments
from tests.payload_app.models import (
    Base,
    ByCode,
    ByPair,
    ByUuid,
    Child,
    Everything,
    Hidden,
    Kind,
    Parent,
    Plain,
    PlainProxy,
    Tagged,
)
from tests.payload_app.values import Point

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


def encode(arguments: dict[str, object], sender: object = None, snapshot: tuple[str, ...] = ()) -> str:
    return encode_arguments(
        arguments, sender=sender, signal="shop.placed", receiver="receivers.work", snapshot=snapshot
    )


def there_and_back(value: object, *, snapshot: bool = False) -> Any:
    text = encode({"value": value}, snapshot=("value",) if snapshot else ())
    return decode_text(text).arguments["value"]


def saved() -> list[Model]:
    return [
        Plain.objects.create(name="plain"),
        PlainProxy.objects.create(name="proxy"),
        ByUuid.objects.create(),
        ByCode.objects.create(code="a/b'c\\"),
        ByPair.objects.create(shelf="left", number=3),
        Parent.objects.create(title="parent"),
        Child.objects.create(title="child", age=4),
        Plain.objects.using("other").create(name="elsewhere"),
        Everything.objects.create(),
    ]


def test_instance_of_any_make_comes_back_by_reference_and_by_value() -> None:
    for instance in saved():
        for snapshot in (False, True):
            back = there_and_back(instance, snapshot=snapshot)
            assert type(back) is type(instance)
            assert (back, back.pk) == (instance, instance.pk)
            assert (back._state.db, back._state.adding) == (instance._state.db, False)
            for field in type(instance)._meta.concrete_fields:
                assert getattr(back, field.attname) == getattr(instance, field.attname)


def test_reference_is_model_primary_key_and_database() -> None:
    key = UUID(int=5)
    ByUuid.objects.using("other").create(id=key)
    text = encode({"it": ByUuid.objects.using("other").get()})
    assert json.loads(text)["arguments"]["it"] == {"$instance": ["payload_app.ByUuid", {"$uuid": str(key)}, "other"]}


def test_instance_is_fetched_afresh() -> None:
    plain = Plain.objects.create(name="before")
    text = encode({"plain": plain})
    Plain.objects.filter(pk=plain.pk).update(name="after")
    back = decode_text(text).arguments["plain"]
    assert isinstance(back, Plain)
    assert (back.name, plain.name) == ("after", "before")


def test_instance_is_fetched_from_its_own_database() -> None:
    here = Plain.objects.create(pk=1, name="here")
    there = Plain.objects.using("other").create(pk=1, name="there")
    assert [there_and_back(here).name, there_and_back(there).name] == ["here", "there"]


def test_instance_that_the_default_manager_hides_is_fetched() -> None:
    hidden = Hidden.objects.create()
    assert not Hidden.objects.exists()
    assert there_and_back(hidden) == hidden


def test_instance_without_some_fields_comes_back_with_all() -> None:
    Plain.objects.create(name="deferred")
    back = there_and_back(Plain.objects.only("pk").get())
    assert back.get_deferred_fields() == set()


def test_instances_may_stand_anywhere() -> None:
    one, two = Plain.objects.create(name="1"), ByPair.objects.create(shelf="x", number=1)
    value = {"list": [one, (two,)], one: {two}, "point": Point(two, [one])}
    assert there_and_back(value) == value


def test_lazy_user_is_resolved() -> None:
    plain = Plain.objects.create(name="request.user")
    back = there_and_back(SimpleLazyObject(lambda: plain))
    assert type(back) is Plain
    assert back == plain


def test_encoding_asks_no_database_and_decoding_once_for_an_instance() -> None:
    plain = Plain.objects.create()
    with CaptureQueriesContext(connection) as queries:
        text = encode({"plain": plain}, sender=Plain)
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        decode_text(text)
    assert len(queries) == 1


@pytest.mark.parametrize("model", [Plain, PlainProxy, Child, Tagged.plains.through, Base, Model])
def test_model_class_comes_back(model: type[Model]) -> None:
    decoded = decode_text(encode({"model": model}, sender=model))
    assert decoded == Decoded(sender=model, arguments={"model": model})


def test_object_that_is_gone_is_named() -> None:
    instance = ByPair.objects.using("other").create(shelf="left", number=3)
    text = encode({"lines": [1, {"it": instance}]})
    instance.delete()
    with pytest.raises(MissingObject) as caught:
        decode_text(text)
    assert str(caught.value) == (
        "lines[1]['it'] was payload_app.ByPair with primary key ('left', 3) in the database 'other', which does not "
        'exist any more. missing="skip" cancels such deliveries; a snapshot does without the row.'
    )


@pytest.mark.parametrize("instance", [Plain(name="new"), ByUuid(), ByPair(shelf="x"), Child(pk=5)])
def test_unsaved_instance_is_refused(instance: Model) -> None:
    with pytest.raises(PayloadError) as caught:
        encode({"it": [instance]})
    model = type(instance)
    assert str(caught.value) == (
        f"receivers.work cannot receive shop.placed: it[0] ({model.__module__}.{model.__qualname__}) is not saved, so "
        "that a worker could not fetch it. Save it first, or add snapshot=('it',) to send its values."
    )


def test_deleted_instance_is_refused() -> None:
    plain = Plain.objects.create()
    plain.delete()
    with pytest.raises(PayloadError, match="is not saved"):
        encode({"plain": plain})


def test_model_of_a_migration_is_refused() -> None:
    from django.apps.registry import Apps
    from django.db.migrations.state import ModelState

    old = ModelState.from_model(Plain).render(Apps())
    with pytest.raises(PayloadError) as caught:
        encode({"model": old})
    assert "is of a model that is not in the app registry, such as a migration's" in str(caught.value)
    assert "Connect the receiver with sender=..., or leave such models out with when=..." in str(caught.value)


class TestSnapshot:
    def test_value_of_every_field_travels(self) -> None:
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

    def test_it_is_what_was_sent_not_what_is_stored(self) -> None:
        plain = Plain.objects.create(name="stored")
        plain.name = "in memory"
        with CaptureQueriesContext(connection) as queries:
            assert there_and_back(plain, snapshot=True).name == "in memory"
        assert len(queries) == 0

    def test_deferred_field_stays_deferred(self) -> None:
        Plain.objects.create(name="stored")
        back = there_and_back(Plain.objects.defer("name").get(), snapshot=True)
        assert back.get_deferred_fields() == {"name"}
        assert back.name == "stored"

    def test_unsaved_instance_stays_unsaved(self) -> None:
        back = there_and_back(Plain(name="new"), snapshot=True)
        assert (back.pk, back.name) == (None, "new")
        assert (back._state.adding, back._state.db) == (True, None)
        back.save()
        assert Plain.objects.get().name == "new"

    def test_instances_inside_the_argument_travel_by_value_too(self) -> None:
        plain = Plain.objects.create(name="inside")
        text = encode({"it": [Point(plain, 1)]}, snapshot=("it",))
        plain.delete()
        (point,) = decode_text(text).arguments["it"]  # type: ignore[misc]
        assert point.x.name == "inside"  # type: ignore[has-type]

    def test_other_arguments_go_by_reference(self) -> None:
        one, two = Plain.objects.create(), Plain.objects.create()
        written = json.loads(encode({"one": one, "two": two}, snapshot=("one",)))["arguments"]
        assert list(written["one"]) == ["$snapshot"]
        assert list(written["two"]) == ["$instance"]

    @pytest.mark.parametrize("value", [None, 5, "x"])
    def test_value_that_is_no_instance_travels_as_ever(self, value: object) -> None:
        assert there_and_back(value, snapshot=True) == value

    def test_bytes_that_a_database_gives_as_memoryview_travel(self) -> None:
        assert there_and_back(Everything(raw=memoryview(b"x")), snapshot=True).raw == b"x"

    def test_field_that_holds_an_expression_is_refused_with_its_name(self) -> None:
        plain = Plain.objects.create()
        plain.name = models.F("name") + "x"
        with pytest.raises(PayloadError) as caught:
            encode({"it": plain}, snapshot=("it",))
        assert str(caught.value) == (
            "receivers.work cannot receive shop.placed: it.name (django.db.models.expressions.CombinedExpression) "
            "cannot travel to a worker. Call refresh_from_db() on its instance first."
        )


class TestBuiltInSignals:
    """What Django itself sends can travel, or says what to drop."""

    @staticmethod
    @contextmanager
    def payloads(signal: ModelSignal, sender: type[Model], snapshot: tuple[str, ...] = ()) -> Iterator[list[str]]:
        texts: list[str] = []

        def receive(sender: object, **arguments: object) -> None:
            arguments.pop("signal")
            texts.append(encode(arguments, sender=sender, snapshot=snapshot))

        signal.connect(receive, sender=sender)
        try:
            yield texts
        finally:
            signal.disconnect(receive, sender=sender)

    def test_post_save(self) -> None:
        plain = Plain.objects.create()
        with self.payloads(post_save, Plain) as texts:
            plain.save(update_fields=["name"])
        assert decode_text(texts[0]) == Decoded(
            sender=Plain,
            arguments={
                "instance": plain,
                "created": False,
                "update_fields": frozenset({"name"}),
                "raw": False,
                "using": "default",
            },
        )

    def test_pre_save_of_a_new_instance_needs_a_snapshot(self) -> None:
        with self.payloads(pre_save, Plain), pytest.raises(PayloadError, match=r"add snapshot=\('instance',\)"):
            Plain.objects.create(name="new")
        with self.payloads(pre_save, Plain, snapshot=("instance",)) as texts:
            Plain.objects.create(name="new")
        back = decode_text(texts[0]).arguments["instance"]
        assert isinstance(back, Plain)
        assert back.pk is None
        assert (back.name, back._state.adding) == ("new", True)

    @pytest.mark.parametrize("signal", [pre_delete, post_delete])
    def test_delete_of_an_instance_with_a_snapshot(self, signal: ModelSignal) -> None:
        child = Child.objects.create(title="child", age=7)
        pk = child.pk
        with self.payloads(signal, Child, snapshot=("instance",)) as texts:
            child.delete()
        assert child.pk is None
        arguments = decode_text(texts[0]).arguments
        for name in ("instance", "origin"):  # Django sends the same instance twice
            back = arguments[name]
            assert isinstance(back, Child)
            assert (back.pk, back.title, back.age) == (pk, "child", 7)
            assert (back._state.adding, back._state.db) == (False, "default")

    def test_delete_of_a_queryset_says_what_to_drop(self) -> None:
        Plain.objects.create()
        with (
            self.payloads(post_delete, Plain, snapshot=("instance",)),
            pytest.raises(PayloadError, match=r"origin \(django.db.models.query.QuerySet\) .* add drop=\('origin',\)"),
        ):
            Plain.objects.all().delete()

    def test_m2m_changed(self) -> None:
        tagged, plain = Tagged.objects.create(), Plain.objects.create()
        through: type[Model] = Tagged.plains.through
        with self.payloads(m2m_changed, through) as texts:
            tagged.plains.add(plain)
        decoded = decode_text(texts[1])
        assert decoded.sender is through
        decoded.arguments.pop("raw", None)  # sent since Django 6.1
        assert decoded.arguments == {
            "action": "post_add",
            "instance": tagged,
            "reverse": False,
            "model": Plain,
            "pk_set": {plain.pk},
            "using": "default",
        }
