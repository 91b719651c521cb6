"""Queued receivers are connected, filtered and disconnected as any other receiver."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from django.dispatch import Signal, receiver
from django.test import override_settings

from signals_app.conf import conf
from signals_app.dispatcher import queued, queued_receiver, registry
from signals_app.exceptions import ReceiverError
from tests.signals_app.listeners import asynchronous, first, listening, second, written
from tests.testapp.models import Effect, Thing

pytestmark = pytest.mark.django_db

announced = Signal()
repeated = Signal()


def plain(sender: object, **kwargs: Any) -> None: ...


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


def test_the_decorator_passes_a_dispatch_uid_on() -> None:
    signal = Signal()
    queued_receiver(signal, key="by uid", weak=False, dispatch_uid="uid")(plain)
    registry.forget("by uid")

    assert signal.disconnect(dispatch_uid="uid")


@pytest.mark.parametrize("signal", [plain, [], "announced", [announced, None]])
def test_what_is_no_signal_is_refused_before_the_key_is_taken(signal: Any) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued_receiver(signal, key="no signal")(plain)

    assert str(caught.value) == f"queued_receiver takes a signal or a list of signals, not {signal!r}."
    assert registry.get("no signal") is None


def test_filters_uids_and_disconnections_hold_and_djangos_check_of_receivers_passes() -> None:
    with override_settings(DEBUG=True), listening(announced, first, asynchronous, sender=Thing):
        announced.connect(first, sender=Thing)
        assert [len(announced.send(sender=sender)) for sender in (Effect, None, Thing)] == [0, 0, 2]
    with listening(announced, first, second, dispatch_uid="only one"):
        assert [who for who, _ in announced.send(sender=None)] == [first]
    assert announced.send(sender=Thing) == []
    assert len(written()) == 3


@pytest.mark.parametrize("weak", [True, False])
def test_the_registry_holds_the_receiver_of_a_weak_connection(weak: bool) -> None:
    signal = Signal()
    queued_receiver(signal, key="unheld", weak=weak)(plain)
    gc.collect()
    assert len(signal.send(sender=None)) == 1

    registry.forget("unheld")
    gc.collect()
    assert len(signal.send(sender=None)) == (0 if weak else 1)
