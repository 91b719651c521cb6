"""A queued receiver connected to a stock signal: what it writes, what it returns, what a worker then calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import markcoroutinefunction
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone

from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, queued
from signals_app.dispatcher.context import current_delivery
from signals_app.exceptions import PayloadError, PayloadTooLarge
from signals_app.models import Delivery, State
from tests.signals_app.listeners import Call, asynchronous, first, listening, run_waiting, second, written
from tests.testapp.models import Effect, Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()


def plain(sender: object, **kwargs: Any) -> str:
    """Do the work."""
    return "done"


async def coroutine(sender: object, **kwargs: Any) -> None:
    await Effect.objects.acreate(label="coroutine", delivery_id=current_delivery().id)


@markcoroutinefunction
def marked(sender: object, **kwargs: Any) -> Awaitable[None]:
    return coroutine(sender, **kwargs)


class Tasks:
    @queued
    @staticmethod
    async def static(sender: object, **kwargs: Any) -> None:
        await coroutine(sender, **kwargs)


def test_a_send_leaves_one_row_per_queued_receiver_and_runs_nothing() -> None:
    before = timezone.now()
    with listening(announced, first, second):
        announced.send(sender=Thing, label="x", price=Decimal("1.10"))

    one, two = written()
    assert (one.receiver, two.receiver) == (first.key, second.key)
    assert (one.signal, one.sender) == (f"{__name__}.announced", "tests.testapp.models.Thing")
    assert one.payload == '{"sender":{"$model":"testapp.Thing"},"arguments":{"label":"x","price":{"$decimal":"1.10"}}}'
    assert (one.queue, one.priority, one.max_attempts) == (conf.queue, conf.priority, conf.max_attempts)
    assert (one.state, one.attempts, one.token, one.owner, one.unroutable) == (State.READY, 0, 0, "", False)
    assert (one.lease_until, one.started_at, one.finished_at) == (None, None, None)
    assert (one.progress_done, one.progress_total) == (0, 0)
    assert one.due_at == one.enqueued_at
    assert abs(one.enqueued_at - before) < timedelta(seconds=5)


def test_send_returns_the_deliveries_that_it_wrote() -> None:
    with listening(announced, first, second):
        responses: list[Any] = announced.send(sender=None)

    assert responses == [(first, written()[0]), (second, written()[1])]
    assert all(isinstance(delivery, Delivery) for _, delivery in responses)


def test_a_worker_calls_the_function_with_what_was_sent() -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first, asynchronous):
        announced.send(sender=Thing, thing=thing, lines=[(1, Decimal("2.50")), (3, None)])

    arguments = {"thing": thing, "lines": [(1, Decimal("2.50")), (3, None)]}
    assert run_waiting() == [
        Call(receiver="first", signal=announced, sender=Thing, arguments=arguments),
        Call(receiver="asynchronous", signal=announced, sender=Thing, arguments=arguments),
    ]
    assert [delivery.state for delivery in written()] == [State.SUCCESSFUL] * 2


def test_a_hand_off_is_one_query(django_assert_num_queries: Callable[[int], Any]) -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first, second), django_assert_num_queries(2):
        announced.send(sender=Thing, thing=thing)


def test_the_plain_function_is_there_for_unit_tests(made: Callable[..., QueuedReceiver]) -> None:
    queued_one = made(plain, key="plain")

    assert queued_one.func is plain
    assert queued_one.func(sender=None) == "done"
    assert (queued_one.__name__, queued_one.__doc__, queued_one.__module__) == ("plain", "Do the work.", __name__)  # type: ignore[attr-defined]
    assert repr(queued_one) == "<QueuedReceiver plain>"
    assert written() == []


def test_a_signal_without_a_name_is_handed_off_and_the_worker_gets_none() -> None:
    signal = Signal()
    with listening(signal, first):
        signal.send(sender=None)

    assert written()[0].signal == ""
    assert [call.signal for call in run_waiting()] == [None]


def test_a_function_marked_async_is_awaited_by_the_worker_and_not_by_the_send(
    made: Callable[..., QueuedReceiver],
) -> None:
    with listening(announced, made(marked, key="marked"), Tasks.static):
        announced.send(sender=None)
    run_waiting()

    assert sorted(Effect.objects.values_list("delivery_id", flat=True)) == [one.id for one in written()]
    assert [delivery.state for delivery in written()] == [State.SUCCESSFUL] * 2


def test_what_cannot_travel_is_refused_at_the_send_with_the_cure() -> None:
    with listening(announced, first, second), pytest.raises(PayloadError) as caught:
        announced.send(sender=None, order={"lines": [1, object()]})

    assert str(caught.value) == (
        f"{first.key} cannot receive {__name__}.announced: order['lines'][1] (object) cannot travel to a worker. "
        "Pass plain values, a dataclass or a saved model instance instead, or add drop=('order',)."
    )
    assert written() == []


def test_a_signal_without_a_name_is_called_so_in_the_error() -> None:
    signal = Signal()
    with listening(signal, first), pytest.raises(PayloadError, match="cannot receive a signal without a name: order "):
        signal.send(sender=None, order=object())


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 100})
def test_too_much_is_refused_at_the_send() -> None:
    with listening(announced, first), pytest.raises(PayloadTooLarge) as caught:
        announced.send(sender=None, text="x" * 100)

    assert str(caught.value).startswith(f"{first.key} cannot receive {__name__}.announced: its arguments take ")
    assert 'SIGNALS_APP["MAX_PAYLOAD"] allows 100; the largest is text.' in str(caught.value)
    assert written() == []
