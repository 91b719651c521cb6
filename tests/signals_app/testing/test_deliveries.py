"""What projects test with: what was handed off, and running it without a cluster."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from signals_app import ledger
from signals_app.dispatcher import bulk
from signals_app.exceptions import Defer, PermanentFailure
from signals_app.models import Delivery, PauseKind, State
from signals_app.testing import assert_handed_off, capture_deliveries, run_deliveries
from tests.signals_app.listeners import Doing
from tests.testapp import receivers
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue
from tests.testapp.signals import plain


class Kit:
    """What holds in each kind of test case."""

    def test_a_hand_off_is_captured_asserted_and_run(self) -> None:
        with capture_deliveries() as deliveries:
            plain.send(sender=Thing, label="bread")
        plain.send(sender=Thing, label="cake")
        assert [one.receiver for one in deliveries] == [receivers.work.key]
        assert assert_handed_off(receivers.work, deliveries, times=1, label="bread") == [deliveries[0]]
        assert_handed_off(receivers.work, times=2)
        assert run_deliveries() == 2
        assert [one.state for one in deliveries] == [State.SUCCESSFUL]
        assert {effect.label for effect in Effect.objects.all()} == {"bread", "cake"}

    def test_what_a_savepoint_takes_back_was_not_handed_off(self) -> None:
        with capture_deliveries() as deliveries:
            with transaction.atomic():
                plain.send(sender=Thing)
                transaction.set_rollback(True)
            assert not deliveries
        assert_handed_off(receivers.work, times=0)

    async def test_coroutines(self) -> None:
        with capture_deliveries() as deliveries:
            await plain.asend(sender=Thing, label="async")
        assert [one.state async for one in deliveries] == [State.READY]
        await sync_to_async(assert_handed_off)(receivers.work, deliveries, label="async")
        assert await sync_to_async(run_deliveries)() == 1
        assert [one.state async for one in deliveries] == [State.SUCCESSFUL]


class InTestCaseTests(Kit, TestCase):
    pass


class InTransactionTestCaseTests(Kit, TransactionTestCase):
    pass


pytestmark = pytest.mark.django_db


def test_what_bulk_writes_and_what_receivers_send_is_captured_too() -> None:
    with capture_deliveries() as deliveries:
        with bulk():
            enqueue(receivers.sends_on)
        run_deliveries()
    assert [one.receiver for one in deliveries] == [receivers.sends_on.key, receivers.work.key]


def test_a_model_instance_is_compared_as_django_does_and_anything_by_mock() -> None:
    thing = Thing.objects.create(name="loaf")
    enqueue(receivers.nothing, thing=thing, sizes=[1, 2])
    assert_handed_off(receivers.nothing, thing=thing, sizes=mock.ANY)


def refused(*arguments: object, **named: object) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        assert_handed_off(receivers.work, *arguments, **named)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_a_failed_assertion_says_what_was_handed_off_instead() -> None:
    thing = Thing.objects.create(name="loaf")
    one = enqueue(receivers.work, label="bread", thing=thing)
    two = enqueue(receivers.work)
    three = enqueue(receivers.work, label="cake")
    enqueue(receivers.nothing)
    thing.delete()

    said = refused(times=2, label="cake")

    key = receivers.work.key
    assert said[0] == f"{key} should have been handed off 2 times with label='cake', and was once."
    assert said[1].startswith(f"  #{one.pk} cannot be read: thing refers to testapp.Thing with primary key ")
    assert said[2:] == [
        f"  #{two.pk} has no argument label, but none at all",
        f"  #{three.pk} matches",
        f"  1 to {receivers.nothing.key}",
    ]
    assert refused(label="roll")[-2] == f"  #{three.pk} has label='cake'"


def test_a_failed_assertion_names_immediate(settings: LazySettings) -> None:
    settings.SIGNALS_APP = {"IMMEDIATE": True}
    plain.send(sender=Thing)
    assert refused()[1:] == [
        "  Nothing was handed off.",
        '  SIGNALS_APP["IMMEDIATE"] is on, so receivers run at the send and nothing is handed off.',
    ]


@pytest.mark.database
def test_until_idle_retries_and_delays_run_without_waiting() -> None:
    failing, delayed, elsewhere = map(enqueue, (receivers.fails, receivers.delayed_work, receivers.in_another_queue))
    assert run_deliveries() == 2
    assert run_deliveries(until_idle=True) == 3
    for one, state in ((failing, State.FAILED), (delayed, State.SUCCESSFUL), (elsewhere, State.SUCCESSFUL)):
        one.refresh_from_db()
        assert one.state == state
    assert failing.attempts == 3


@pytest.mark.database
def test_a_jump_keeps_distances_and_lets_the_rest_expire() -> None:
    expired = enqueue(receivers.soon_or_never)
    now = expired.due_at
    Delivery.objects.filter(pk=expired.pk).update(due_at=now + timedelta(hours=3))
    later = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=later.pk).update(due_at=now + timedelta(hours=2))

    run_deliveries(until_idle=True)

    expired.refresh_from_db()
    later.refresh_from_db()
    assert later.state == State.SUCCESSFUL
    assert expired.state == State.CANCELLED
    assert now - expired.enqueued_at > timedelta(hours=2, minutes=59)


def test_until_idle_leaves_what_does_not_wait_for_time() -> None:
    paused, lost, other = (enqueue(receivers.work), enqueue(receivers.nothing), enqueue(receivers.in_another_queue))
    ledger.pause(PauseKind.RECEIVER, receivers.work.key)
    Delivery.objects.filter(pk=lost.pk).update(receiver="gone.receiver")
    run_deliveries(until_idle=True)
    other.refresh_from_db()
    assert other.state == State.SUCCESSFUL
    assert {one.pk for one in Delivery.objects.filter(state=State.READY)} == {paused.pk, lost.pk}


def test_errors_are_raised_on_request() -> None:
    enqueue(receivers.asks_for_later)
    assert run_deliveries(raise_errors=True, until_idle=True) > 1
    given_up = enqueue(receivers.gives_up)
    with pytest.raises(PermanentFailure, match="the customer is gone"):
        run_deliveries(raise_errors=True)
    given_up.refresh_from_db()
    assert given_up.state == State.FAILED


def test_a_receiver_that_never_ends_is_named(doing: Doing, monkeypatch: pytest.MonkeyPatch) -> None:
    def defers(**kwargs: object) -> None:
        raise Defer(60)

    monkeypatch.setattr("signals_app.testing.deliveries.MOST_JUMPS", 3)
    doing(receivers.nothing, defers)
    with pytest.raises(AssertionError, match=f"After 3 jumps .* still work for {receivers.nothing.key}"):
        run_deliveries(until_idle=True)
