"""How an attempt ends on the record."""

import pytest
from django.db.models.signals import post_save

from signals_app import ledger
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.signals_app.ledger.acts import claim, put
from tests.signals_app.listeners import Make
from tests.testapp.receivers import fails

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def claimed_one() -> tuple[ClaimedDelivery, Delivery]:
    delivery = put()
    (claimed,) = claim("vm/boot/12/34")
    return claimed, delivery


def failed_attempt(state: State = State.READY, message: str = "no", delay: float = 0) -> Failure:
    return Failure(
        outcome=Outcome.ERROR, state=state, ran=0.5, error_class="builtins.ValueError", message=message, delay=delay
    )


def test_success_is_recorded_once_with_how_long_the_receiver_ran() -> None:
    claimed, delivery = claimed_one()
    assert ledger.succeed(claimed, ran=1.5, done=3, total=4)
    assert not ledger.succeed(claimed, ran=0)
    assert ledger.is_successful(claimed)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.lease_until, delivery.attempts) == (State.SUCCESSFUL, None, 1)
    assert (delivery.progress_done, delivery.progress_total) == (3, 4)
    assert delivery.started_at is not None
    assert delivery.finished_at is not None
    assert (delivery.finished_at - delivery.started_at).total_seconds() == pytest.approx(1.5, abs=0.001)
    assert not Attempt.objects.exists()


def test_successes_are_recorded_together_each_with_its_own_times_but_what_was_taken_over_is_not() -> None:
    (taken_over, claimed_anew), others = [put(), put()], [put(), put()]
    ended = [
        ledger.Success(claimed=one, began=number + 2.25, ended=number, done=number, total=3)
        for number, one in enumerate(claim())
    ]
    Delivery.objects.filter(pk=taken_over.pk).update(token=99)
    Delivery.objects.filter(pk=claimed_anew.pk).update(owner="another")  # whose server forgot the claim before
    assert not ledger.succeed_together(ended)
    for delivery in (taken_over, claimed_anew):
        delivery.refresh_from_db()
        assert (delivery.state, delivery.finished_at) == (State.RUNNING, None)
    for number, delivery in enumerate(others, start=2):
        delivery.refresh_from_db()
        assert (delivery.state, delivery.lease_until, delivery.attempts) == (State.SUCCESSFUL, None, 1)
        assert (delivery.progress_done, delivery.progress_total) == (number, 3)
        assert delivery.started_at is not None
        assert delivery.finished_at is not None
        assert (delivery.finished_at - delivery.started_at).total_seconds() == pytest.approx(2.25, abs=0.001)
    first, second = (one.finished_at for one in others)
    assert first is not None
    assert second is not None
    assert (first - second).total_seconds() == pytest.approx(1, abs=0.001)
    assert ledger.succeed_together([ledger.Success(claimed=claim_of(put()), began=1, ended=0)])


def claim_of(delivery: Delivery) -> ClaimedDelivery:
    (claimed,) = claim()
    assert claimed.id == delivery.id
    return claimed


def test_a_failure_with_attempts_left_is_due_after_its_delay() -> None:
    claimed, delivery = claimed_one()
    assert not ledger.has_failed(claimed)
    assert ledger.record_failure(claimed, failed_attempt(delay=60))
    assert ledger.has_failed(claimed)
    before = delivery.due_at
    delivery.refresh_from_db()
    assert (delivery.state, delivery.finished_at, delivery.lease_until) == (State.READY, None, None)
    assert 55 < (delivery.due_at - before).total_seconds() < 120
    attempt = Attempt.objects.get()
    assert (attempt.delivery_id, attempt.number, attempt.owner) == (delivery.id, 1, "vm/boot/12/34")
    assert (attempt.outcome, attempt.error_class, attempt.message) == (Outcome.ERROR, "builtins.ValueError", "no")
    assert attempt.started_at is not None
    assert (attempt.finished_at - attempt.started_at).total_seconds() == pytest.approx(0.5)
    assert abs((attempt.finished_at - delivery.enqueued_at).total_seconds()) < 60


def test_an_end_that_comes_too_late_is_kept_as_stale_and_changes_nothing() -> None:
    stale, delivery = claimed_one()
    ledger.give_back([stale])
    claim("fresh")
    assert not ledger.record_failure(stale, failed_attempt(State.FAILED, message="too late"))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.owner) == (State.RUNNING, "fresh")
    attempt = Attempt.objects.get()
    assert attempt.outcome == Outcome.STALE
    assert attempt.message == (
        "This attempt ended after its lease had run out, or after a crash of the database; another claim decides. "
        "too late"
    )


def test_an_attempt_that_an_operator_cancelled_is_on_the_record_once_and_as_no_failure() -> None:
    claimed, delivery = claimed_one()
    assert ledger.cancel([delivery.id]) == [delivery.id]
    assert not ledger.has_failed(claimed)
    assert ledger.retry([delivery.id], attempts=1) == [delivery.id], "at once, while its worker is still at it"
    assert not ledger.record_failure(claimed, failed_attempt())
    assert Attempt.objects.get().outcome == Outcome.CANCELLED


def test_what_was_taken_over_is_kept_as_stale_though_the_next_claim_was_cancelled() -> None:
    stale, _ = claimed_one()
    Delivery.objects.update(state=State.READY)
    (second,) = claim("fresh")
    ledger.cancel([second.id])
    ledger.record_stale(stale, ran=1)
    assert list(Attempt.objects.order_by("id").values_list("number", "outcome")) == [
        (2, Outcome.CANCELLED),
        (1, Outcome.STALE),
    ]


def test_progress_is_recorded_and_a_new_attempt_starts_from_none() -> None:
    claimed, delivery = claimed_one()
    assert ledger.report_progress(claimed, done=3, total=9)
    delivery.refresh_from_db()
    assert (delivery.progress_done, delivery.progress_total) == (3, 9)
    ledger.record_failure(claimed, failed_attempt())
    claim()
    delivery.refresh_from_db()
    assert (delivery.progress_done, delivery.progress_total) == (0, 0)


def test_a_final_failure_fails_the_delivery_and_calls_no_receivers_of_models(
    made: Make,
) -> None:
    everything = made(fails.func, key="audit")
    post_save.connect(everything)
    try:
        claimed, delivery = claimed_one()
        due_at = delivery.due_at
        assert ledger.record_failure(claimed, failed_attempt(State.FAILED))
        assert not ledger.record_failure(claimed, failed_attempt(State.FAILED))
    finally:
        post_save.disconnect(everything)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.due_at, delivery.finished_at is None) == (State.FAILED, due_at, False)
    assert [attempt.outcome for attempt in delivery.failed_attempts.all()] == [Outcome.ERROR, Outcome.STALE]
    assert not Delivery.objects.filter(receiver="audit").exists(), "it would enqueue for each of its own failures"
