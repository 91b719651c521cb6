"""How many deliveries may follow from one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import override_settings

from signals_app.console.operations import RETRY, Operator, perform
from signals_app.dispatcher import QueuedReceiver, current_delivery
from signals_app.exceptions import ChainTooLong
from signals_app.models import Delivery, State
from signals_app.testing import run_deliveries
from tests.signals_app.listeners import listening
from tests.testapp.models import Thing

pytestmark = pytest.mark.django_db

left, right = Signal(), Signal()


def touch(sender: object, instance: Thing, **kwargs: Any) -> None:
    instance.save()


def touch_after_commit(sender: object, instance: Thing, **kwargs: Any) -> None:
    transaction.on_commit(instance.save)


def go_right(sender: object, **kwargs: Any) -> None:
    right.send(sender=None)


def go_left(sender: object, **kwargs: Any) -> None:
    left.send_robust(sender=None)


def test_a_receiver_that_saves_its_own_instance_is_stopped_at_the_twentieth(
    made: Callable[..., QueuedReceiver],
) -> None:
    with listening(post_save, made(touch, key="touch"), sender=Thing):
        Thing.objects.create(name="lamp")
        run_deliveries()

    assert list(Delivery.objects.order_by("pk").values_list("depth", flat=True)) == [*range(21)]
    last = Delivery.objects.latest("pk")
    assert [one.state for one in Delivery.objects.exclude(pk=last.pk)] == [State.SUCCESSFUL] * 20
    assert last.state == State.FAILED
    end = last.failed_attempts.get()
    assert (end.error_class, end.message) == (
        "signals_app.exceptions.ChainTooLong",
        (
            "touch cannot receive django.db.models.signals.post_save: 21 deliveries lead to this one, each sent by the "
            'receiver of the one before, and SIGNALS_APP["MAX_DEPTH"] allows 20: touch → touch. Send only where '
            "something changed, with when=... for instance, or raise the limit."
        ),
    )


@override_settings(SIGNALS_APP={"MAX_DEPTH": 3})
def test_a_circle_of_several_is_shown_whole_and_send_robust_returns_the_error(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture
) -> None:
    with listening(left, made(go_right, key="go right")), listening(right, made(go_left, key="go left")):
        left.send(sender=None)
        run_deliveries()

    assert list(Delivery.objects.order_by("pk").values_list("depth", "state")) == [
        (depth, State.SUCCESSFUL) for depth in range(4)
    ]
    assert 'SIGNALS_APP["MAX_DEPTH"] allows 3: go right → go left → go right. ' in caplog.text


@pytest.mark.django_db(transaction=True)
@override_settings(SIGNALS_APP={"MAX_DEPTH": 2})
def test_what_an_atomic_receiver_sends_after_its_commit_counts(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture
) -> None:
    with listening(post_save, made(touch_after_commit, key="touch", atomic=True), sender=Thing):
        Thing.objects.create(name="lamp")
        run_deliveries()

    assert list(Delivery.objects.order_by("pk").values_list("depth", flat=True)) == [0, 1, 2]
    assert "MAX_DEPTH" in caplog.text


@override_settings(SIGNALS_APP={"IMMEDIATE": True, "MAX_DEPTH": 2})
def test_what_runs_at_once_is_bounded_too(made: Callable[..., QueuedReceiver]) -> None:
    with (
        listening(post_save, made(touch, key="touch"), sender=Thing),
        pytest.raises(ChainTooLong, match=r"^touch cannot receive django\.db\.models\.signals\.post_save: 3 deliv"),
    ):
        Thing.objects.create(name="lamp")


@override_settings(SIGNALS_APP={"MAX_DEPTH": 1})
def test_a_retry_begins_where_it_was(made: Callable[..., QueuedReceiver]) -> None:
    with listening(post_save, made(touch, key="touch"), sender=Thing):
        Thing.objects.create(name="lamp")
        run_deliveries()
        last = Delivery.objects.latest("pk")
        perform(RETRY, [last.pk], by=Operator(name="grace"))
        run_deliveries()

    last.refresh_from_db()
    assert (last.state, last.depth, last.failed_attempts.count()) == (State.FAILED, 1, 2)


@pytest.mark.parametrize("immediate", [False, True], ids=["worker", "at once"])
def test_a_receiver_knows_its_depth(made: Callable[..., QueuedReceiver], immediate: bool) -> None:
    seen: list[int] = []

    def note(sender: object, **kwargs: Any) -> None:
        seen.append(current_delivery().depth)

    note.__qualname__ = "note"
    sends, notes = made(go_right, key="go right"), made(note, key="note")
    with override_settings(SIGNALS_APP={"IMMEDIATE": immediate}), listening(left, sends), listening(right, notes):
        left.send(sender=None)
        right.send(sender=None)
        run_deliveries()

    assert sorted(seen) == [0, 1]
