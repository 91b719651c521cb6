"""A queued receiver connected to a stock signal: what a send writes and returns, what a worker then calls."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync, markcoroutinefunction
from django.db import transaction
from django.dispatch import Signal, receiver
from django.http import HttpRequest

from signals_app.conf import conf
from signals_app.dispatcher import current_delivery, queued, queued_receiver, registry
from signals_app.exceptions import PayloadError, ReceiverError
from signals_app.models import State
from tests.payload_app.models import ByCode
from tests.payload_app.strategies import fingerprint
from tests.signals_app.listeners import Call, Make, asynchronous, first, listening, run_waiting, second, written
from tests.testapp.models import Effect, Thing

pytestmark = pytest.mark.django_db

announced = Signal()
heard_at_once: list[str] = []

WAYS: dict[str, Callable[..., list[tuple[Any, Any]]]] = {
    "send": announced.send,
    "send_robust": announced.send_robust,
    "asend": async_to_sync(announced.asend),
    "asend_robust": async_to_sync(announced.asend_robust),
}
every_way = pytest.mark.parametrize("way", WAYS)


def plain(sender: object, **kwargs: Any) -> str:
    """Do the work."""
    heard_at_once.append("plain")
    return "plain is done"


async def plain_async(sender: object, **kwargs: Any) -> str:
    heard_at_once.append("plain_async")
    return "plain_async is done"


@pytest.mark.database
def test_a_send_leaves_one_row_per_queued_receiver() -> None:
    with listening(announced, first, second):
        announced.send(sender=Thing, label="x", price=Decimal("1.10"))
    one, two = written()
    assert (one.receiver, two.receiver) == (first.key, second.key)
    assert (one.signal, one.sender) == (f"{__name__}.announced", "tests.testapp.models.Thing")
    assert one.payload == '{"sender":{"$model":"testapp.Thing"},"arguments":{"label":"x","price":{"$decimal":"1.10"}}}'
    assert (one.queue, one.priority, one.max_attempts) == (conf.queue, conf.priority, conf.max_attempts)


@pytest.mark.database
@every_way
def test_queued_receivers_leave_deliveries_beside_plain_ones_that_run_at_once(way: str) -> None:
    heard_at_once.clear()
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first, plain, asynchronous, plain_async):
        responses = dict(WAYS[way](sender=Thing, thing=thing))
    one, two = written()
    assert responses == {first: one, plain: "plain is done", asynchronous: two, plain_async: "plain_async is done"}
    assert sorted(heard_at_once) == ["plain", "plain_async"]
    assert run_waiting() == [
        Call(receiver=receiver, signal=announced, sender=Thing, arguments={"thing": thing})
        for receiver in ("first", "asynchronous")
    ]
    assert [delivery.state for delivery in written()] == [State.SUCCESSFUL] * 2


@every_way
def test_an_argument_that_cannot_travel_is_refused_and_the_transaction_goes_on(
    way: str, made: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    without = made(second.func, key="without the thing", drop=("thing",))
    message = f"{first.key} cannot receive {__name__}.announced: thing (tests.testapp.models.Thing) is not saved"
    with transaction.atomic(), listening(announced, first, without), caplog.at_level(logging.ERROR, "django.dispatch"):
        Thing.objects.create(name="before")
        if "robust" in way:
            (_, error), (_, delivery) = WAYS[way](sender=None, thing=Thing())
            assert written() == [delivery]
            assert message in caplog.text
        else:
            with pytest.raises(PayloadError) as caught:
                WAYS[way](sender=None, thing=Thing())
            error = caught.value
            assert written() == []
        Thing.objects.create(name="after")
    assert isinstance(error, PayloadError)
    assert str(error).startswith(message)
    assert Thing.objects.count() == 2


def takes_request(sender: object, request: object, user: object, **kwargs: object) -> None: ...


def may_take_request(sender: object, user: object, request: object = None, **kwargs: object) -> None: ...


@functools.wraps(takes_request)
def given_request(*args: Any, **kwargs: Any) -> None:
    takes_request(*args, **kwargs | {"request": None})


@pytest.mark.parametrize("follow", [may_take_request, given_request])
@pytest.mark.parametrize(
    ("options", "arguments", "why"),
    [
        ({"drop": ("request",)}, {"request": HttpRequest(), "user": 1}, "drop removes"),
        ({}, {"user": 1}, "the signal does not pass"),
    ],
    ids=["dropped", "not sent"],
)
def test_a_parameter_that_gets_nothing_is_told_at_the_send(
    options: Any, arguments: Any, why: str, follow: Callable[..., None], made: Make
) -> None:
    with listening(announced, made(takes_request, key="greet", **options)), pytest.raises(ReceiverError) as caught:
        announced.send(sender=None, **arguments)
    assert str(caught.value) == (
        f"greet cannot receive {__name__}.announced: its parameter 'request' has no default value, and {why} the "
        "argument. Give it a default value, or take it out of the parameters."
    )
    with listening(announced, made(follow, key="follows", **options)):
        announced.send(sender=None, **arguments)
        run_waiting()
    assert [delivery.state for delivery in written()] == [State.SUCCESSFUL]


@pytest.mark.database
def test_what_only_the_payload_can_hold_passes_the_database() -> None:
    value = [
        *(float("nan"), float("-inf"), Decimal("NaN"), Decimal("-Infinity"), 1e22, -0.0, 2**70, b"\0\xff"),
        {1: "a", "1": "b", None: "c", (1, 2): "d", b"k": "e", "z": 1, "a": 2},
        datetime(2024, 3, 31, 2, 30),  # noqa: DTZ001 - a naive one
    ]
    with listening(announced, first):
        announced.send(sender=None, value=value)
    (call,) = run_waiting()
    assert fingerprint(call.arguments["value"]) == fingerprint(value)


@pytest.mark.database
@pytest.mark.parametrize(
    ("sender", "label", "received"),
    [
        (None, "", None),
        ("x" * 300, "x" * 255, "x" * 300),
        ("\0\ud800", "\\x00\\ud800", "\\x00\\ud800"),
        (ByCode(code="a\0b"), "payload_app.ByCode(a\\x00b)", ByCode),
    ],
    ids=["None", "long", "no text", "odd key"],
)
def test_a_sender_is_a_label_on_the_record_and_itself_for_the_worker_where_that_can_be(
    sender: Any, label: str, received: object
) -> None:
    with listening(announced, first):
        announced.send(sender=sender)
    assert [(written()[0].sender, call.sender) for call in run_waiting()] == [(label, received)]


def test_a_sender_is_fetched_afresh_and_a_hand_off_is_one_query(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(announced, first, second), django_assert_num_queries(2):
        announced.send(sender=thing, thing=thing)
    Thing.objects.update(name="chair")
    assert [call.sender.name for call in run_waiting()] == ["chair", "chair"]  # type: ignore[attr-defined]
    assert written()[0].sender == f"testapp.Thing({thing.pk})"


def test_a_signal_without_a_name_is_handed_off_and_the_worker_gets_none() -> None:
    signal = Signal()
    with listening(signal, first):
        signal.send(sender=None)
        with pytest.raises(PayloadError, match="cannot receive a signal without a name: order "):
            signal.send(sender=None, order=object())
    assert [delivery.signal for delivery in written()] == [""]
    assert [call.signal for call in run_waiting()] == [None]


@markcoroutinefunction
def marked(sender: object, **kwargs: Any) -> Awaitable[None]:
    return Effect.objects.acreate(label="marked", delivery_id=current_delivery().id)  # type: ignore[return-value]


class Tasks:
    @queued
    @staticmethod
    async def static(sender: object, **kwargs: Any) -> None:
        await Effect.objects.acreate(label="static", delivery_id=current_delivery().id)


def test_a_function_marked_async_is_awaited_by_the_worker_and_not_by_the_send(
    made: Make,
) -> None:
    with listening(announced, made(marked, key="marked"), Tasks.static):
        announced.send(sender=None)
    run_waiting()
    assert sorted(Effect.objects.values_list("delivery_id", flat=True)) == [one.id for one in written()]
    assert [delivery.state for delivery in written()] == [State.SUCCESSFUL] * 2


repeated = Signal()


@receiver(announced, sender="decorated")
@queued(queue="elsewhere")
def under_djangos_decorator(sender: object, **kwargs: Any) -> None: ...


@queued_receiver([announced, repeated], sender="several", dispatch_uid="several", priority=3)
def of_several_signals(sender: object, **kwargs: Any) -> None: ...


def test_both_decorators_connect_it() -> None:
    announced.send(sender="decorated")
    for signal in (announced, repeated):
        signal.send(sender="several")
    assert [(row.receiver, row.signal, row.queue, row.priority) for row in written()] == [
        (under_djangos_decorator.key, f"{__name__}.announced", "elsewhere", 0),
        (of_several_signals.key, f"{__name__}.announced", conf.queue, 3),
        (of_several_signals.key, f"{__name__}.repeated", conf.queue, 3),
    ]
    assert announced.disconnect(sender="several", dispatch_uid="several")
    announced.connect(of_several_signals, sender="several", dispatch_uid="several")


@pytest.mark.parametrize("signal", [plain, [], "announced", [announced, None]])
def test_what_is_no_signal_is_refused_before_the_key_is_taken(signal: Any) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued_receiver(signal, key="no signal")(plain)
    assert str(caught.value) == f"queued_receiver takes a signal or a list of signals, not {signal!r}."
    assert registry.get("no signal") is None


@pytest.mark.parametrize("weak", [True, False])
def test_the_registry_holds_the_receiver_of_a_weak_connection(weak: bool) -> None:
    signal = Signal()
    queued_receiver(signal, key="unheld", weak=weak)(plain)
    gc.collect()
    assert len(signal.send(sender=None)) == 1
    registry.forget("unheld")
    gc.collect()
    assert len(signal.send(sender=None)) == (0 if weak else 1)
