"""What Django itself sends can travel, or says what to drop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed, post_delete, post_save, pre_delete, pre_save

from signals_app.exceptions import PayloadError
from signals_app.payloads import Decoded, decode_text
from tests.payload_app.models import (
    Child,
    Plain,
    Tagged,
)
from tests.signals_app.travels import encode

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


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


def test_post_save() -> None:
    plain = Plain.objects.create()
    with payloads(post_save, Plain) as texts:
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


def test_pre_save_of_a_new_instance_needs_a_snapshot() -> None:
    with payloads(pre_save, Plain), pytest.raises(PayloadError, match=r"add snapshot=\('instance',\)"):
        Plain.objects.create(name="new")
    with payloads(pre_save, Plain, snapshot=("instance",)) as texts:
        Plain.objects.create(name="new")
    back = decode_text(texts[0]).arguments["instance"]
    assert isinstance(back, Plain)
    assert back.pk is None
    assert (back.name, back._state.adding) == ("new", True)


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_delete_of_an_instance_with_a_snapshot(signal: ModelSignal) -> None:
    child = Child.objects.create(title="child", age=7)
    pk = child.pk
    with payloads(signal, Child, snapshot=("instance",)) as texts:
        child.delete()
    assert child.pk is None
    arguments = decode_text(texts[0]).arguments
    for name in ("instance", "origin"):  # Django sends the same instance twice
        back = arguments[name]
        assert isinstance(back, Child)
        assert (back.pk, back.title, back.age) == (pk, "child", 7)
        assert (back._state.adding, back._state.db) == (False, "default")


def test_delete_of_a_queryset_says_what_to_drop() -> None:
    Plain.objects.create()
    with (
        payloads(post_delete, Plain, snapshot=("instance",)),
        pytest.raises(PayloadError, match=r"origin \(django.db.models.query.QuerySet\) .* add drop=\('origin',\)"),
    ):
        Plain.objects.all().delete()


def test_m2m_changed() -> None:
    tagged, plain = Tagged.objects.create(), Plain.objects.create()
    through: type[Model] = Tagged.plains.through
    with payloads(m2m_changed, through) as texts:
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
