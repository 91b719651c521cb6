"""The one INSERT of the sending side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.forms.models import model_to_dict
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.exceptions import SignalsAppError
from signals_app.ledger import NewDelivery
from signals_app.models import Delivery, State

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WORK = NewDelivery(
    emission=uuid4(),
    signal="shop.signals.order_placed",
    sender="shop.Order(5)",
    receiver="shop.mail",
    queue="mail",
    priority=-3,
    payload='{"sender":null,"arguments":{"name":"Zoë 🎈","amount":1e22}}',
    delay=0,
    max_attempts=7,
    sent_by="ada",
    sent_from="GET /",
    trace="00-1",
    depth=2,
    context="{}",
)


def test_the_row_says_what_was_enqueued_and_is_the_delivery_returned(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    ledger.enqueue(replace(WORK, emission=uuid4()))
    with django_assert_num_queries(1):
        delivery = ledger.enqueue(WORK)

    row = Delivery.objects.get(emission=WORK.emission)
    for name in set(NewDelivery.__dataclass_fields__) - {"delay"}:
        assert getattr(row, name) == getattr(WORK, name), name
    assert (row.state, row.attempts, row.token, row.owner, row.unroutable) == (State.READY, 0, 0, "", False)
    assert model_to_dict(delivery) == model_to_dict(row)
    assert (delivery.id, delivery.due_at, delivery.enqueued_at) == (row.id, row.due_at, row.enqueued_at)
    assert delivery.due_at == delivery.enqueued_at
    assert abs(delivery.enqueued_at - timezone.now()) < timedelta(seconds=5)
    assert (delivery._state.db, delivery._state.adding) == ("default", False)
    assert list(delivery.failed_attempts.all()) == []
    Delivery.objects.update(state=State.CANCELLED)
    delivery.refresh_from_db()
    assert delivery.state == State.CANCELLED


@override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo")
def test_without_time_zones_times_are_naive_and_local() -> None:
    delivery = ledger.enqueue(replace(WORK, delay=60))

    assert (delivery.enqueued_at.tzinfo, delivery.due_at.tzinfo) == (None, None)
    assert abs(delivery.enqueued_at - datetime.now()) < timedelta(seconds=5)  # noqa: DTZ005 - naive on purpose
    assert Delivery.objects.values_list("enqueued_at", "due_at").get() == (delivery.enqueued_at, delivery.due_at)


def test_a_delay_puts_the_due_time_off_and_not_the_time_of_the_enqueue() -> None:
    delivery = ledger.enqueue(replace(WORK, delay=86_400.25))

    assert delivery.due_at - delivery.enqueued_at == timedelta(days=1, milliseconds=250)
    assert Delivery.objects.get().due_at == delivery.due_at


class DummyRouter:
    """Keeps the deliveries in a database of a kind that we do not speak."""

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "dummy"


def test_a_database_that_we_do_not_speak_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {**connections.settings["other"], "ENGINE": "django.db.backends.dummy"}
    monkeypatch.setitem(connections.settings, "dummy", odd)
    try:
        with (
            override_settings(DATABASE_ROUTERS=[f"{__name__}.DummyRouter"]),
            pytest.raises(SignalsAppError, match=r"in SQLite or PostgreSQL; 'dummy' is unknown"),
        ):
            ledger.enqueue(WORK)
    finally:
        del connections["dummy"]
