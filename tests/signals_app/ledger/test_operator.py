"""What an operator does to deliveries."""

import pytest

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Delivery, State
from tests.testapp.receivers import enqueue, gives_up, nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def in_state(state: State) -> Delivery:
    delivery = enqueue(nothing)
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
    delivery = enqueue(gives_up)
    Delivery.objects.filter(pk=delivery.pk).update(state=State.FAILED, due_at=delivery.due_at.replace(year=2999))
    ledger.retry([delivery.id], attempts=1)
    assert [one.id for one in ledger.claim(conf.queue, owner="", limit=1, lease=1)] == [delivery.id]


def test_a_receiver_with_as_many_attempts_as_there_may_be_is_retried_too() -> None:
    delivery = in_state(State.FAILED)
    assert ledger.retry([delivery.id], attempts=2**31 - 1) == [delivery.id]
    delivery.refresh_from_db()
    assert delivery.max_attempts == 2 + 2**30


def test_cancel_takes_only_what_waits() -> None:
    deliveries = {state: in_state(state) for state in State}
    assert ledger.cancel([d.id for d in deliveries.values()]) == [deliveries[State.READY].id]
    deliveries[State.READY].refresh_from_db()
    assert deliveries[State.READY].state == State.CANCELLED
    assert deliveries[State.READY].finished_at is not None
    running = Delivery.objects.get(pk=deliveries[State.RUNNING].pk)
    assert running.state == State.RUNNING


def test_move_takes_only_what_waits_elsewhere_and_keeps_its_due_time() -> None:
    deliveries = {state: in_state(state) for state in State}
    ids = [d.id for d in deliveries.values()]
    ready = deliveries[State.READY]
    assert ledger.move(ids, queue="elsewhere") == [ready.id]
    assert ledger.move(ids, queue="elsewhere") == []
    due_at = ready.due_at
    ready.refresh_from_db()
    assert (ready.state, ready.queue, ready.due_at) == (State.READY, "elsewhere", due_at)
    assert [one.id for one in ledger.claim("elsewhere", owner="", limit=9, lease=1)] == [ready.id]


def test_run_now_takes_only_what_waits_for_later() -> None:
    now = enqueue(nothing)
    later = {state: in_state(state) for state in State}
    Delivery.objects.exclude(pk=now.pk).update(due_at=now.due_at.replace(year=2999))
    ids = [now.id, *(d.id for d in later.values())]
    assert ledger.run_now(ids) == [later[State.READY].id]
    assert ledger.run_now(ids) == []
    assert [one.id for one in ledger.claim(conf.queue, owner="", limit=9, lease=1)] == [now.id, later[State.READY].id]


def test_reassign_takes_only_what_waits_for_a_receiver_that_nobody_knows() -> None:
    known, lost = enqueue(nothing), enqueue(nothing)
    for delivery in (known, lost):
        Delivery.objects.filter(pk=delivery.pk).update(receiver="orders.receivers.old_name")
    claimed = ledger.claim(conf.queue, owner="", limit=9, lease=30)
    ledger.give_back([one for one in claimed if one.id == known.id])
    ledger.give_back_unroutable(next(one for one in claimed if one.id == lost.id), delay=60)

    assert ledger.reassign([known.id, lost.id], receiver=work.key) == [lost.id]
    assert ledger.reassign([known.id, lost.id], receiver=work.key) == []

    lost.refresh_from_db()
    assert (lost.receiver, lost.unroutable, lost.attempts) == (work.key, False, 0)
    claimed = ledger.claim(conf.queue, owner="", limit=9, lease=1)
    assert (lost.id, work.key) in [(one.id, one.receiver) for one in claimed]


def test_a_batch_changes_once_what_it_names_twice() -> None:
    delivery = enqueue(nothing)
    assert ledger.cancel([delivery.id, delivery.id, 10**12]) == [delivery.id]
    assert ledger.cancel([]) == []
