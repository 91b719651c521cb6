"""Rows that arguments refer to are what the base manager's ``get()`` would return."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from signals_app.exceptions import MissingObject
from signals_app.payloads import decode_arguments
from signals_app.payloads.fetching import _KEPT, fetch
from tests.payload_app.fields import Money, Phone
from tests.payload_app.models import (
    ByCode,
    ByPair,
    ByUuid,
    Child,
    Coded,
    CodedPart,
    Everything,
    Managed,
    Offer,
    Parent,
    Plain,
    PlainProxy,
    Remade,
)
from tests.signals_app.travels import encode, read

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]

KEY = Phone("+4315")
MADE: dict[type[Model], dict[str, Any]] = {
    Plain: {"name": "plain"},
    PlainProxy: {"name": "proxy"},
    ByUuid: {},
    ByCode: {"code": "a/b'c%s"},
    ByPair: {"shelf": "left", "number": 3},
    Parent: {"title": "parent"},
    Child: {"title": "child", "age": 4},
    Everything: {"options": {"a": [1]}, "raw": b"\0", "made_at": datetime(2026, 3, 29, 1, 30, tzinfo=UTC)},
    Managed: {},
    Remade: {},
    Offer: {"cost": "12.50"},
    Coded: {"phone": KEY},
}


def state(instance: Model) -> dict[str, Any]:
    """Return all that an instance knows."""
    plain: dict[type, Callable[[Any], Any]] = {memoryview: bytes, Money: vars}
    own = {name: plain.get(type(value), lambda it: it)(value) for name, value in vars(instance).items()}
    mode = getattr(instance._state, "fetch_mode", None)  # the class's own, where nobody set another
    return {**own, "_state": {**vars(instance._state), "fetch_mode": mode}}


@pytest.mark.parametrize("alias", ["default", "other"])
@pytest.mark.parametrize("model", MADE)
def test_a_row_is_fetched_as_the_base_manager_gets_it(model: type[Model], alias: str) -> None:
    # each a second time, when its statement is known
    for made in [model._base_manager.using(alias).create(**MADE[model]), *model._base_manager.using(alias).all()]:
        expected = model._base_manager.using(alias).get(pk=made.pk)
        fetched = fetch(model, made.pk, alias)
        assert type(fetched) is type(expected)
        assert state(fetched) == state(expected)


def test_a_key_that_refers_to_another_model_finds_its_row() -> None:
    part = CodedPart.objects.create(coded=Coded.objects.create(phone=KEY))
    assert [state(fetch(CodedPart, part.pk, "default")) for _ in range(2)] == [state(CodedPart.objects.get())] * 2


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("pk", [5, 2**70, -(2**70)])
def test_a_row_that_is_not_there_is_missing_however_large_its_key(pk: int, is_known: bool) -> None:
    Plain.objects.create(pk=1)
    vars(connections["default"]).pop(_KEPT, None)
    if is_known:
        fetch(Plain, 1, "default")
    with pytest.raises(MissingObject):
        read({"sender": None, "arguments": {"it": {"$instance": ["payload_app.Plain", pk, "default"]}}})
    assert Plain.objects.count() == 1  # and on PostgreSQL the transaction still stands


def test_one_row_of_a_payload_is_fetched_once_and_is_one_object() -> None:
    plain, child = Plain.objects.create(), Child.objects.create(title="child", age=4)
    copy = Plain.objects.get()
    text = encode({"first": plain, "second": [copy, child], "third": {"again": Plain.objects.get()}})
    with CaptureQueriesContext(connection) as queries:
        back: Any = decode_arguments(text).arguments
    assert len(queries) == 2
    assert back["first"] is back["second"][0] is back["third"]["again"]
    assert back["second"][1] == child
