"""What an operator does to deliveries."""

import pytest

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Delivery, State
from tests.testapp.receivers import gives_up, hand_off, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def in_state(state: State) -> Delivery:
    delivery = hand_off(nothing)
    Delivery.objects.filter(pk=delivery.pk).update(state=state, attempts=2)
    return delivery


def test_retry_takes_what_failed_or_was_cancelled_and_gives_it_new_attempts() -> None:
    deliveries = {state: in_state(state) for state in State}
    changed = ledger.retry([d.id for d in deliveries.values()], attempts=3)
    assert sorted(changed) == sorted([deliveries[State.FAILED].id, deliveries[State.CANCELLED].id])
    failed = Delivery.objects.get(pk=deliveries[State.FAILED].pk)
    assert (failed.state, failed.attempts, failed.max_attempts) == (State.READY, 2, 5)
    assert failed.finished_at is None


def test_a_retry_is_due_now() -> None:
    delivery = hand_off(gives_up)
    Delivery.objects.filter(pk=delivery.pk).update(state=State.FAILED, due_at=delivery.due_at.replace(year=2999))
    ledger.retry([delivery.id], attempts=1)
    assert [one.id for one in ledger.claim(conf.queue, owner="", limit=1, lease=1)] == [delivery.id]


def test_cancel_takes_only_what_waits() -> None:
    deliveries = {state: in_state(state) for state in State}
    assert ledger.cancel([d.id for d in deliveries.values()]) == [deliveries[State.READY].id]
    deliveries[State.READY].refresh_from_db()
    assert deliveries[State.READY].state == State.CANCELLED
    assert deliveries[State.READY].finished_at is not None
    running = Delivery.objects.get(pk=deliveries[State.RUNNING].pk)
    assert running.state == State.RUNNING


def test_a_worker_can_skip_what_it_holds() -> None:
    delivery = hand_off(nothing)
    (claimed,) = ledger.claim(conf.queue, owner="", limit=1, lease=30)
    assert ledger.skip(claimed)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.lease_until) == (State.CANCELLED, None)
