"""The four ways to send: a queued receiver works alike under each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.dispatch import Signal

from signals_app.exceptions import PayloadError
from tests.signals_app.listeners import asynchronous, first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()
heard_at_once: list[str] = []

WAYS: dict[str, Callable[..., list[tuple[Any, Any]]]] = {
    "send": announced.send,
    "send_robust": announced.send_robust,
    "asend": async_to_sync(announced.asend),
    "asend_robust": async_to_sync(announced.asend_robust),
}
every_way = pytest.mark.parametrize("way", WAYS)
robust_ways = pytest.mark.parametrize("way", ["send_robust", "asend_robust"])


def plain(sender: object, **kwargs: Any) -> str:
    heard_at_once.append("plain")
    return "plain is done"


async def plain_async(sender: object, **kwargs: Any) -> str:
    heard_at_once.append("plain_async")
    return "plain_async is done"


@every_way
def test_queued_receivers_leave_deliveries_beside_plain_ones_that_run_at_once(way: str) -> None:
    heard_at_once.clear()
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first, plain, asynchronous, plain_async):
        responses = dict(WAYS[way](sender=Thing, thing=thing))

    one, two = written()
    assert responses == {first: one, plain: "plain is done", asynchronous: two, plain_async: "plain_async is done"}
    assert sorted(heard_at_once) == ["plain", "plain_async"]
    assert one.emission == two.emission
    assert [(c.receiver, c.signal, c.sender, c.arguments) for c in run_waiting()] == [
        ("first", announced, Thing, {"thing": thing}),
        ("asynchronous", announced, Thing, {"thing": thing}),
    ]


@every_way
def test_two_sends_are_two_emissions(way: str) -> None:
    with listening(announced, first, second):
        for _ in range(2):
            WAYS[way](sender=None)

    a, b, c, d = (delivery.emission for delivery in written())
    assert (a, c) == (b, d)
    assert a != c
    assert isinstance(a, UUID)


@robust_ways
def test_a_robust_send_answers_with_the_payload_error_logs_it_and_goes_on(
    way: str, made: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    without = made(second.func, key="without the thing", drop=("thing",))
    with listening(announced, first, without), caplog.at_level(logging.ERROR, "django.dispatch"):
        (_, error), (_, delivery) = WAYS[way](sender=None, thing=Thing())

    message = f"{first.key} cannot receive {__name__}.announced: thing (tests.testapp.models.Thing) is not saved"
    assert isinstance(error, PayloadError)
    assert str(error).startswith(message)
    assert [delivery] == written()
    (record,) = caplog.records
    assert record.getMessage().startswith("Error calling first in Signal.send_robust() (")
    assert message in record.getMessage()


@pytest.mark.parametrize("way", ["send", "asend"])
def test_a_send_raises_the_payload_error_and_calls_nobody_after_it(way: str) -> None:
    with listening(announced, first, second), pytest.raises(PayloadError, match="is not saved, so that a worker"):
        WAYS[way](sender=None, thing=Thing())

    assert written() == []


def test_a_payload_error_leaves_the_transaction_usable() -> None:
    with transaction.atomic(), listening(announced, first):
        Thing.objects.create(name="before")
        announced.send_robust(sender=None, thing=Thing())
        announced.send(sender=None)

    assert len(written()) == Thing.objects.count() == 1


@every_way
def test_the_senders_transaction_takes_its_deliveries_along(way: str) -> None:
    with listening(announced, first):
        with pytest.raises(ValueError, match="no"), transaction.atomic():  # noqa: PT012 - the send comes first
            WAYS[way](sender=None)
            raise ValueError("no")
        assert written() == []
        with transaction.atomic():
            WAYS[way](sender=None)

    assert len(written()) == 1


def send_in_coroutine() -> None:
    """Send from a coroutine, where the sync ways cannot use the database."""

    async def coroutine() -> None:
        announced.send(sender=None)

    async_to_sync(coroutine)()


def test_a_sync_send_in_a_coroutine_is_refused_by_django() -> None:
    with listening(announced, first), pytest.raises(SynchronousOnlyOperation, match="from an async context"):
        send_in_coroutine()

    assert written() == []
