"""Queued receivers are connected, filtered and disconnected as any other receiver."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from django.dispatch import Signal, receiver
from django.test import override_settings

from signals_app.dispatcher import queued, queued_receiver, registry
from signals_app.exceptions import ReceiverError
from tests.signals_app.listeners import asynchronous, first, listening, second, written
from tests.testapp.models import Effect, Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()
repeated = Signal()


def plain(sender: object, **kwargs: Any) -> None: ...


@receiver(announced, sender="decorated")
@queued(queue="elsewhere")
def under_djangos_decorator(sender: object, **kwargs: Any) -> None: ...


@queued_receiver([announced, repeated], sender="several", dispatch_uid="several")
def of_several_signals(sender: object, **kwargs: Any) -> None: ...


def test_djangos_own_decorator_connects_it() -> None:
    announced.send(sender="decorated")

    (delivery,) = written()
    assert (delivery.receiver, delivery.queue) == (under_djangos_decorator.key, "elsewhere")


def test_one_receiver_takes_several_signals() -> None:
    for signal in (announced, repeated):
        signal.send(sender="several")

    assert [delivery.signal for delivery in written()] == [f"{__name__}.announced", f"{__name__}.repeated"]
    assert {delivery.receiver for delivery in written()} == {of_several_signals.key}


def test_the_decorator_passes_a_dispatch_uid_on() -> None:
    signal = Signal()
    queued_receiver(signal, key="by uid", dispatch_uid="uid")(plain)
    try:
        assert signal.disconnect(dispatch_uid="uid")
    finally:
        registry.forget("by uid")


@pytest.mark.parametrize("weak", [True, False])
def test_the_decorator_passes_weak_on(weak: bool) -> None:
    signal = Signal()
    queued_receiver(signal, key="by decorator", weak=weak)(plain)
    registry.forget("by decorator")
    gc.collect()

    assert len(signal.send(sender=None)) == (0 if weak else 1)


@pytest.mark.parametrize("signal", [plain, [], "announced", [announced, None]])
def test_what_is_no_signal_is_refused_before_the_key_is_taken(signal: Any) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued_receiver(signal, key="no signal")(plain)

    assert str(caught.value) == f"queued_receiver takes a signal or a list of signals, not {signal!r}."
    assert registry.get("no signal") is None


def test_a_disconnected_receiver_gets_nothing_more() -> None:
    announced.connect(first)
    announced.send(sender=None)

    assert announced.disconnect(first)
    assert not announced.disconnect(first)
    assert announced.send(sender=None) == []
    assert len(written()) == 1


def test_connected_twice_it_is_called_once() -> None:
    with listening(announced, first, first):
        announced.send(sender=None)

    assert len(written()) == 1


def test_a_dispatch_uid_stands_for_one_receiver() -> None:
    with listening(announced, first, second, dispatch_uid="only one"):
        assert [who for who, _ in announced.send(sender=None)] == [first]
    assert announced.send(sender=None) == []


def test_a_sender_filter_holds() -> None:
    with listening(announced, first, sender=Thing):
        announced.send(sender=Effect)
        announced.send(sender=None)
        announced.send(sender=Thing)

    assert [delivery.sender for delivery in written()] == ["tests.testapp.models.Thing"]


def test_djangos_check_of_receivers_in_debug_mode_passes() -> None:
    with override_settings(DEBUG=True), listening(announced, first, asynchronous):
        assert len(announced.send(sender=None)) == 2


@pytest.mark.parametrize("weak", [True, False])
def test_nobody_needs_to_hold_a_reference(weak: bool) -> None:
    signal = Signal()
    signal.connect(queued(plain, key="unheld"), weak=weak)
    gc.collect()
    assert len(signal.send(sender=None)) == 1

    registry.forget("unheld")
    gc.collect()
    assert len(signal.send(sender=None)) == (0 if weak else 1)
