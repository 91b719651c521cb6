"""Running what is due, in the process of the test: what a drain takes, for how long, and every outcome."""

import os
import time
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from signals_app import ledger, signals
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import current_process
from signals_app.processes.liveness import liveness
from signals_app.worker import loop
from signals_app.worker.heartbeat import ClaimedBatch
from signals_app.worker.isolation import Isolation
from tests.signals_app.listeners import Doing, run
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def only_attempt(delivery: Delivery) -> Attempt:
    return delivery.failed_attempts.get()


# What a drain takes


@override_settings(SIGNALS_APP={"TIME_SLICE": 60})  # a busy machine may take its second for these alone
def test_a_drain_runs_everything_that_is_due_and_counts_it() -> None:
    deliveries = [enqueue(receivers.work, label=str(n)) for n in range(40)]
    assert loop.drain(conf.queue) == 40
    assert [e.label for e in Effect.objects.order_by("id")] == [str(n) for n in range(40)]
    ended = Delivery.objects.filter(pk__in=[d.pk for d in deliveries])
    assert set(ended.values_list("state", "owner")) == {(State.SUCCESSFUL, str(current_process()))}
    assert set(Effect.objects.values_list("pid", flat=True)) == {os.getpid()}
    assert loop.drain(conf.queue) == 0


def test_a_drain_ends_with_its_time_slice() -> None:
    for _ in range(3):
        enqueue(receivers.atomic_work, seconds=0.05)
    with override_settings(SIGNALS_APP={"TIME_SLICE": 0.01}):
        assert loop.drain(conf.queue) == 1
    assert loop.drain(conf.queue) == 2


def test_workers_that_are_told_to_stop_claim_nothing_more() -> None:
    enqueue(receivers.work)
    liveness.may_claim = False
    try:
        assert loop.drain(conf.queue) == 0
    finally:
        liveness.begin()
    assert loop.drain(conf.queue) == 1


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many each claim asks for."""
    limits: list[int] = []
    claim = ledger.claim

    def watched(queue: str, **options: Any) -> list[ClaimedDelivery]:
        limits.append(options["limit"])
        return claim(queue, **options)

    monkeypatch.setattr(ledger, "claim", watched)
    return limits


def test_claims_grow_while_receivers_are_quick_and_start_at_one(
    monkeypatch: pytest.MonkeyPatch, limits: list[int]
) -> None:
    for _ in range(40):
        enqueue(receivers.nothing)
    monkeypatch.setattr(loop, "QUICK", 10)
    Delivery.objects.update(attempts=1)  # second attempts are taken together as well
    loop.drain(conf.queue)
    assert limits == [1, 2, 4, 8, 16, 16, 16]
    enqueue(receivers.nothing)
    enqueue(receivers.nothing)
    limits.clear()
    monkeypatch.setattr(loop, "QUICK", 0)
    loop.drain(conf.queue)
    assert limits == [1, 1, 1]


def test_claims_grow_where_the_database_is_slow(monkeypatch: pytest.MonkeyPatch, limits: list[int]) -> None:
    succeed, quick = ledger.succeed, 0.2  # seconds

    def slowly(*args: Any, **options: Any) -> bool:
        time.sleep(2 * quick)
        return succeed(*args, **options)

    for _ in range(3):
        enqueue(receivers.nothing)
    Delivery.objects.update(attempts=1)
    monkeypatch.setattr(loop, "QUICK", quick)
    monkeypatch.setattr(ledger, "succeed", slowly)
    monkeypatch.setattr("signals_app.worker.attempt.may_wait", lambda *args: False)
    loop.drain(conf.queue)
    assert limits[:2] == [1, 2]


def test_a_delivery_that_was_ever_lost_never_shares_a_claim() -> None:
    first, second, third = (enqueue(receivers.nothing) for _ in range(3))
    Delivery.objects.filter(pk=second.pk).update(losses=1)
    claimed = ledger.claim(conf.queue, owner="", limit=3, lease=30)
    for begin, now, back in ((0, [first], [second, third]), (1, [second], [third])):
        parts = loop._apart(claimed[begin:])
        assert [[one.id for one in part] for part in parts] == [[one.id for one in now], [one.id for one in back]]


def test_a_worker_that_stood_still_makes_sure_of_its_lease() -> None:
    first, second = enqueue(receivers.work, label="1"), enqueue(receivers.work, label="2")
    claimed = ledger.claim(conf.queue, owner="", limit=2, lease=30)
    Delivery.objects.filter(pk=second.pk).update(token=99)
    with override_settings(SIGNALS_APP={"LEASE": 0}):
        assert loop._run_all(claimed, Isolation())[0] == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.SUCCESSFUL, State.RUNNING)
    assert [e.label for e in Effect.objects.all()] == ["1"]


def test_a_worker_that_lost_the_session_of_its_claim_makes_sure_that_it_stands() -> None:
    enqueue(receivers.work, label="1")
    claimed = ledger.claim(conf.queue, owner="before", limit=1, lease=30)
    batch = ClaimedBatch(claimed)
    Delivery.objects.update(owner="after")  # its token is the same, for the server had forgotten the claim
    assert loop._still_ours(claimed[0], batch)
    batch.claimed_in = None
    assert not loop._still_ours(claimed[0], batch)


GARBAGE = [
    (None, "None"),
    ("", "''"),
    ("sigdemo\nCRITICAL forged", r"'sigdemo\nCRITICAL forged'"),
    ("x" * 101, f"'{'x' * 59}…"),
]


@pytest.mark.parametrize(
    ("queue", "told"),
    [
        *((queue, [f"A hint names no queue but {told}; nothing was run for it."]) for queue, told in GARBAGE),
        *((queue, []) for queue in ("nobody", "'; DROP TABLE signals_app_delivery; --", "%(queue)s", "Sigdemo")),
    ],
    ids=repr,
)
def test_a_hint_that_names_no_queue_of_ours_runs_nothing(
    queue: object, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    waiting = enqueue(receivers.work)
    assert loop.drain(queue) == 0
    assert caplog.messages == told
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == (State.READY, 0)
    assert loop.drain(waiting.queue) == 1


# How an attempt ends


@pytest.mark.parametrize(
    ("receiver", "state", "outcome", "error", "delay"),
    [
        (receivers.fails, State.READY, Outcome.ERROR, "builtins.ValueError: it went wrong at attempt 1", 0.2),
        (receivers.asks_for_later, State.READY, Outcome.RETRY_AFTER, "RetryAfter: the service asked for a pause", 0.2),
        (receivers.gives_up, State.FAILED, Outcome.ERROR, "PermanentFailure: the customer is gone", None),
    ],
    ids=str,
)
def test_an_attempt_that_fails_is_kept_and_says_what_becomes_of_its_delivery(
    receiver: QueuedReceiver, state: State, outcome: Outcome, error: str, delay: float | None
) -> None:
    delivery = run(enqueue(receiver))
    attempt = only_attempt(delivery)
    assert (delivery.state, delivery.attempts, attempt.outcome) == (state, 1, outcome)
    assert f"{attempt.error_class}: {attempt.message}".endswith(error)
    assert f"in {receiver.key.rpartition('.')[2]}\n    raise " in attempt.traceback
    if delay is not None:
        assert (delivery.due_at - attempt.finished_at).total_seconds() == pytest.approx(delay, abs=0.1)


def test_exhausted_attempts_fail_a_delivery() -> None:
    delivery = enqueue(receivers.fails)
    Delivery.objects.filter(pk=delivery.pk).update(attempts=2)
    run(delivery)
    assert (delivery.state, delivery.attempts, delivery.finished_at is None) == (State.FAILED, 3, False)


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_exceptions_that_end_a_program_end_an_attempt_only(error: str) -> None:
    delivery = run(enqueue(receivers.exits, error=error))
    assert (delivery.state, only_attempt(delivery).error_class) == (State.FAILED, f"builtins.{error}")


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


def test_an_atomic_receiver_whose_claim_was_taken_over_leaves_no_effect(doing: Doing) -> None:
    def taken_over(**arguments: object) -> None:
        Effect.objects.create(label="stale")
        Delivery.objects.update(token=99)

    delivery = run(doing(receivers.atomic_work, taken_over))
    assert delivery.token == 1  # the take-over was part of the transaction that is rolled back
    assert not Effect.objects.exists()
    assert only_attempt(delivery).outcome == Outcome.STALE
    assert delivery.state == State.RUNNING


def test_an_atomic_receiver_whose_delivery_is_gone_at_its_end_leaves_no_effect(doing: Doing) -> None:
    def deletes(**arguments: object) -> None:
        Effect.objects.create(label="of a delivery that is gone")
        Delivery.objects.filter(receiver=receivers.atomic_work.key).delete()

    doing(receivers.atomic_work, deletes)
    assert run(enqueue(receivers.nothing)).state == State.SUCCESSFUL
    assert not Effect.objects.exists()
    assert Delivery.objects.count() == 2  # the deletion was part of the transaction that is rolled back


def test_a_delivery_deleted_while_it_runs_ends_quietly(doing: Doing) -> None:
    doing(receivers.work, lambda **arguments: Delivery.objects.all().delete())
    assert loop.drain(conf.queue) == 1
    assert not Delivery.objects.exists()


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
    assert run(delivery).state == State.FAILED
    assert only_attempt(delivery).error_class == "signals_app.exceptions.PayloadError"


def test_lifecycle_signals_tell_of_each_step() -> None:
    told: list[tuple[str, int]] = []

    def listener(name: str) -> Any:
        return lambda delivery, **kwargs: told.append((name, delivery.id))

    names = ("delivery_started", "delivery_succeeded", "delivery_attempt_failed", "delivery_failed")
    listeners = {name: listener(name) for name in names}
    for name, one in listeners.items():
        getattr(signals, name).connect(one)
    good, bad = enqueue(receivers.nothing), enqueue(receivers.gives_up)
    loop.drain(conf.queue)
    assert told == [
        *((name, good.id) for name in ("delivery_started", "delivery_succeeded")),
        *((name, bad.id) for name in ("delivery_started", "delivery_attempt_failed", "delivery_failed")),
    ]
