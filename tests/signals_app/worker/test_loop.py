"""Running what is due: every outcome, in the process of the test."""

import os
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from signals_app import ledger, signals
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import current_process
from signals_app.worker import loop
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue
from tests.testapp.signals import plain

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def run(delivery: Delivery) -> Delivery:
    """Drain once and return the delivery as it stands."""
    loop.drain(delivery.queue)
    delivery.refresh_from_db()
    return delivery


def only_attempt(delivery: Delivery) -> Attempt:
    return delivery.failed_attempts.get()


def test_a_drain_runs_everything_that_is_due_and_counts_it() -> None:
    deliveries = [enqueue(receivers.work, label=str(n)) for n in range(40)]
    assert loop.drain(conf.queue) == 40
    assert [e.label for e in Effect.objects.order_by("id")] == [str(n) for n in range(40)]
    ended = Delivery.objects.filter(pk__in=[d.pk for d in deliveries])
    assert set(ended.values_list("state", "owner")) == {(State.SUCCESSFUL, str(current_process()))}
    assert set(Effect.objects.values_list("pid", flat=True)) == {os.getpid()}
    assert loop.drain(conf.queue) == 0


def test_the_receiver_gets_signal_sender_and_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    got: dict[str, Any] = {}
    monkeypatch.setattr(receivers.work, "func", lambda **arguments: got.update(arguments))
    user = get_user_model().objects.create_user("ada")
    plain.send(sender=Delivery, label="x", user=user)
    loop.drain(conf.queue)
    assert got == {"signal": plain, "sender": Delivery, "label": "x", "user": user}


def test_an_error_is_retried_after_its_backoff_and_leaves_an_attempt() -> None:
    delivery = run(enqueue(receivers.fails))
    assert (delivery.state, delivery.attempts) == (State.READY, 1)
    attempt = only_attempt(delivery)
    assert (attempt.outcome, attempt.error_class) == (Outcome.ERROR, "builtins.ValueError")
    assert attempt.message == "it went wrong at attempt 1"
    assert 'raise ValueError(f"it went wrong' in attempt.traceback
    assert delivery.due_at > attempt.finished_at


def test_exhausted_attempts_fail_a_delivery() -> None:
    delivery = enqueue(receivers.fails)
    Delivery.objects.filter(pk=delivery.pk).update(attempts=2)
    run(delivery)
    assert (delivery.state, delivery.attempts) == (State.FAILED, 3)
    assert delivery.finished_at is not None


def test_a_permanent_failure_fails_at_once() -> None:
    delivery = run(enqueue(receivers.gives_up))
    assert (delivery.state, delivery.attempts, delivery.max_attempts) == (State.FAILED, 1, 5)
    assert only_attempt(delivery).message == "the customer is gone"


def test_retry_after_is_due_when_the_receiver_said() -> None:
    delivery = run(enqueue(receivers.asks_for_later, seconds=90))
    attempt = only_attempt(delivery)
    assert (delivery.state, attempt.outcome) == (State.READY, Outcome.RETRY_AFTER)
    assert attempt.message == "the service asked for a pause"
    assert 85 < (delivery.due_at - attempt.finished_at).total_seconds() < 100


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_exceptions_that_end_a_program_end_an_attempt_only(error: str) -> None:
    delivery = run(enqueue(receivers.exits, error=error))
    assert (delivery.state, only_attempt(delivery).error_class) == (State.FAILED, f"builtins.{error}")


def test_an_async_receiver_runs() -> None:
    assert run(enqueue(receivers.async_work, label="awaited")).state == State.SUCCESSFUL
    assert Effect.objects.get().label == "awaited"


def test_an_atomic_receiver_that_fails_leaves_nothing_behind() -> None:
    delivery = run(enqueue(receivers.atomic_fails_once))
    assert (delivery.state, delivery.attempts) == (State.READY, 1)
    assert not Effect.objects.exists()
    Delivery.objects.update(due_at=delivery.enqueued_at)
    assert run(delivery).state == State.SUCCESSFUL
    assert Effect.objects.get().attempt == 2


def test_an_async_atomic_receiver_writes_in_the_same_transaction() -> None:
    failed = run(enqueue(receivers.async_atomic_work, fail=True))
    assert (failed.state, Effect.objects.count()) == (State.FAILED, 0)
    assert run(enqueue(receivers.async_atomic_work)).state == State.SUCCESSFUL
    assert Effect.objects.count() == 1


def test_an_atomic_receiver_whose_claim_was_taken_over_leaves_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A control stands beside it: without the token the effect would be there twice."""

    def taken_over(**arguments: object) -> None:
        Effect.objects.create(label="stale")
        Delivery.objects.update(token=99)

    monkeypatch.setattr(receivers.atomic_work, "func", taken_over)
    delivery = run(enqueue(receivers.atomic_work))
    assert delivery.token == 1  # the take-over was part of the transaction that is rolled back
    assert not Effect.objects.exists()
    assert only_attempt(delivery).outcome == Outcome.STALE
    assert delivery.state == State.RUNNING


def test_a_result_that_comes_after_a_takeover_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers.work, "func", lambda **arguments: Delivery.objects.update(token=99))
    delivery = run(enqueue(receivers.work))
    assert (delivery.state, delivery.token) == (State.RUNNING, 99)
    assert only_attempt(delivery).outcome == Outcome.STALE


def test_a_delivery_whose_receiver_nobody_knows_waits_uncharged_until_it_is_back() -> None:
    delivery = enqueue(receivers.work)
    registry.forget(receivers.work.key)
    try:
        run(delivery)
        assert (delivery.state, delivery.attempts, delivery.unroutable) == (State.READY, 0, True)
        assert not Attempt.objects.exists()
        assert ledger.due(conf.queue, limit=1) == []
    finally:
        registry.add(receivers.work)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.enqueued_at)
    run(delivery)
    assert (delivery.state, delivery.attempts, delivery.unroutable) == (State.SUCCESSFUL, 1, False)


@pytest.mark.parametrize(
    ("missing", "state", "outcome"),
    [("fail", State.READY, Outcome.ERROR), ("skip", State.CANCELLED, Outcome.SKIPPED)],
)
def test_a_vanished_object_is_dealt_with_as_missing_says(missing: str, state: State, outcome: Outcome) -> None:
    user = get_user_model().objects.create_user("ada")
    with override_settings(SIGNALS_APP={"MISSING": missing}):
        delivery = enqueue(receivers.work, user=user)
        user.delete()
        run(delivery)
    assert delivery.state == state
    assert not Effect.objects.exists()
    assert (delivery.finished_at is not None, delivery.lease_until) == (missing == "skip", None)
    assert only_attempt(delivery).outcome == outcome
    assert "auth.User" in only_attempt(delivery).message


def test_a_payload_of_garbage_is_an_error_on_the_record() -> None:
    delivery = enqueue(receivers.fails)
    Delivery.objects.filter(pk=delivery.pk).update(payload="{not json", max_attempts=1)
    run(delivery)
    assert delivery.state == State.FAILED
    assert only_attempt(delivery).error_class == "signals_app.exceptions.PayloadError"


def test_lifecycle_signals_tell_of_each_step() -> None:
    told: list[tuple[str, int]] = []

    def listener(name: str) -> Any:
        return lambda delivery, **kwargs: told.append((name, delivery.id))

    listeners = {
        name: listener(name)
        for name in ("delivery_started", "delivery_succeeded", "delivery_attempt_failed", "delivery_failed")
    }
    for name, one in listeners.items():
        getattr(signals, name).connect(one)
    good, bad = enqueue(receivers.nothing), enqueue(receivers.gives_up)
    loop.drain(conf.queue)
    assert told == [
        ("delivery_started", good.id),
        ("delivery_succeeded", good.id),
        ("delivery_started", bad.id),
        ("delivery_attempt_failed", bad.id),
        ("delivery_failed", bad.id),
    ]
