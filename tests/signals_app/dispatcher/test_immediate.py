"""SIGNALS_APP["IMMEDIATE"]: queued receivers run in the sender's process, at the hand-off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import override_settings

from signals_app.dispatcher import QueuedReceiver, current_delivery
from signals_app.exceptions import MissingObject
from tests.signals_app.listeners import Make, first, listening, second, written
from tests.testapp.models import Effect, Thing

pytestmark = pytest.mark.django_db

announced, more, unheard = Signal(), Signal(), Signal()


@pytest.fixture(autouse=True)
def immediate(settings: LazySettings) -> None:
    settings.SIGNALS_APP = {"IMMEDIATE": True}


def gives_back(sender: object, signal: Signal, **arguments: Any) -> dict[str, Any]:
    return {"sender": sender, "signal": signal, **arguments}


async def gives_back_later(sender: object, signal: Signal, **arguments: Any) -> dict[str, Any]:
    await asyncio.sleep(0)
    return gives_back(sender, signal, **arguments)


def looks(sender: object, **kwargs: Any) -> tuple[Any, ...]:
    delivery = current_delivery()
    delivery.progress(1, 2)
    return delivery.emission, delivery.attempt, delivery.max_attempts, delivery.idempotency_key


def fails(sender: object, **kwargs: Any) -> None:
    Effect.objects.create(label="written")
    raise ZeroDivisionError


def sends_more(sender: object, **kwargs: Any) -> list[Any]:
    return [connection.in_atomic_block, *(answer for _, answer in more.send(sender=None))]


def send(*receivers: QueuedReceiver, **arguments: Any) -> list[Any]:
    """Send to these receivers and return what they return."""
    with listening(announced, *receivers):
        return [answer for _, answer in announced.send(sender=Thing, **arguments)]


def test_send_returns_what_the_receivers_return_and_leaves_no_row_until_it_is_off() -> None:
    assert send(first, second) == ["first is done", "second is done"]
    assert written() == []
    with override_settings(SIGNALS_APP={}):
        assert send(first) == written()


@pytest.mark.parametrize("func", [gives_back, gives_back_later])
def test_arguments_go_through_the_payload_and_back(func: Callable[..., Any], made: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    Thing.objects.update(name="chair")
    arguments = {"thing": thing, "price": Decimal("1.10"), "lines": ((1, {2}),)}
    receiver = made(func, key="gives back")
    (got,) = send(receiver, **arguments)
    assert got == {"sender": Thing, "signal": announced, **arguments}
    assert got["thing"] is not thing
    assert got["thing"].name == "chair"
    with listening(nameless := Signal(), receiver):
        answers: list[Any] = async_to_sync(nameless.asend)(sender=None, n=1)
    assert [answer for _, answer in answers] == [{"sender": None, "signal": nameless, "n": 1}]


def test_there_is_a_current_delivery(made: Make) -> None:
    both = made(looks, key="one", max_attempts=9), made(looks, key="two", max_attempts=9)
    with listening(unheard, *both):  # the receivers of other tests are gone, and their ids may be these ones'
        answers: list[Any] = unheard.send(sender=None)
    one, two = (answer for _, answer in answers)
    assert one[:3] == two[:3] == (one[0], 1, 9)
    assert one[3] != two[3]
    assert one[3].startswith(f"{one[0]}.")


@pytest.mark.database
@pytest.mark.parametrize(("atomic", "effects"), [(True, 0), (False, 1)])
def test_what_a_receiver_raises_comes_out_of_the_send(atomic: bool, effects: int, made: Make) -> None:
    receiver = made(fails, key="fails", atomic=atomic)
    with pytest.raises(ZeroDivisionError):
        send(receiver)
    assert Effect.objects.count() == effects
    with listening(announced, receiver, second):
        (_, answer), (_, other) = announced.send_robust(sender=None)
    assert isinstance(answer, ZeroDivisionError)
    assert other == "second is done"


@pytest.mark.django_db(transaction=True)
def test_a_receiver_sees_what_its_sender_has_not_committed_and_may_send_in_turn(made: Make) -> None:
    with transaction.atomic():
        thing = Thing.objects.create(name="lamp")
        assert send(made(gives_back, key="gives back"), thing=thing)[0]["thing"] == thing
        transaction.set_rollback(True)
    receivers = made(sends_more, key="atomic", atomic=True), made(sends_more, key="not atomic")
    with listening(more, first):
        assert send(*receivers, second) == [[True, "first is done"], [False, "first is done"], "second is done"]


def test_missing_decides_about_an_object_that_is_gone(made: Make) -> None:
    thing = Thing.objects.create(name="here")
    Thing.objects.all().delete()
    assert send(made(gives_back, key="skips", missing="skip"), thing=thing) == [None]
    with pytest.raises(MissingObject, match=r"thing refers to testapp\.Thing with primary key \d+ in the database"):
        send(made(gives_back, key="fails"), thing=thing)
