"""Giving lost deliveries back."""

import pytest

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.testapp.receivers import enqueue, fails, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

DEAD = "vm/boot/12/34"
ALIVE = "vm/boot/56/78"


def recover_lost() -> ledger.Recovered:
    return ledger.recover_lost(conf.queue, is_dead=lambda owner: owner == DEAD)


def claim(owner: str, *, limit: int = 1, lease: float = 30) -> list[ledger.ClaimedDelivery]:
    return ledger.claim(conf.queue, owner=owner, limit=limit, lease=lease)


def test_what_a_dead_process_ran_is_ready_at_once_and_charged() -> None:
    delivery = enqueue(nothing)
    claim(DEAD)
    recovered = recover_lost()
    assert [one.claimed.id for one in recovered.lost] == [delivery.id]
    assert recovered.lost[0].end.state == State.READY
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.losses) == (State.READY, 1, 1)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.error_class, attempt.owner) == (Outcome.LOST, "WorkerDied", DEAD)
    assert attempt.message == "Worker 12 on vm died while it ran this delivery."
    assert len(claim(ALIVE)) == 1


def test_what_a_living_process_runs_is_left_alone() -> None:
    enqueue(nothing)
    claim(ALIVE)
    assert recover_lost() == ledger.Recovered()
    assert Delivery.objects.get().state == State.RUNNING


def test_a_dead_process_takes_with_it_what_it_held_and_no_more() -> None:
    lost, held = enqueue(nothing), enqueue(nothing)
    claim(DEAD)
    claim(ALIVE)
    assert [one.claimed.id for one in recover_lost().lost] == [lost.id]
    held.refresh_from_db()
    assert (held.state, held.owner) == (State.RUNNING, ALIVE)


def test_a_lease_that_was_renewed_outlives_the_others_of_its_process() -> None:
    renewed, lost = enqueue(nothing), enqueue(nothing)
    first, _ = claim(ALIVE, limit=2, lease=0)
    ledger.renew(first, lease=30)
    assert [one.claimed.id for one in recover_lost().lost] == [lost.id]
    renewed.refresh_from_db()
    assert renewed.state == State.RUNNING


def test_a_lease_that_ran_out_is_a_loss_wherever_the_process_is() -> None:
    enqueue(nothing)
    claim(ALIVE, lease=0)
    assert len(recover_lost().lost) == 1
    assert Attempt.objects.get().message == (
        "Worker 56 on vm did not renew its lease in time; it may be dead, cut off or stopped."
    )


def test_a_worker_known_to_be_at_work_keeps_its_delivery_and_what_it_claimed_along_without_a_lease() -> None:
    forgotten, *kept = (enqueue(nothing) for _ in range(3))
    claim(ALIVE, lease=0)  # whose outcome it could not record
    claim(ALIVE, limit=2, lease=0)

    def rescue_with(at_work: int | None) -> list[int]:
        at = lambda owner: at_work if owner == ALIVE else None  # noqa: E731
        return [one.claimed.id for one in ledger.recover_lost(conf.queue, is_dead=lambda owner: False, at_work=at).lost]

    assert rescue_with(kept[0].id) == [forgotten.id]
    assert rescue_with(kept[1].id) == []
    assert rescue_with(None) == [kept[0].id]


def test_deliveries_claimed_along_with_the_lost_one_are_not_charged() -> None:
    first, second, third = (enqueue(nothing) for _ in range(3))
    claim(DEAD, limit=3)
    recovered = recover_lost()
    assert [one.claimed.id for one in recovered.lost] == [first.id]
    assert recovered.returned == 2
    assert [Delivery.objects.get(pk=d.pk).attempts for d in (first, second, third)] == [1, 0, 0]
    assert {d.state for d in Delivery.objects.all()} == {State.READY}
    assert Attempt.objects.count() == 1


def test_each_of_the_deliveries_that_a_worker_ran_and_could_not_record_is_charged() -> None:
    ran = [enqueue(nothing) for _ in range(2)]
    waited = enqueue(nothing)
    claim(ALIVE, lease=0)
    claim(ALIVE, limit=2, lease=0)
    recovered = recover_lost()
    assert [one.claimed.id for one in recovered.lost] == [one.id for one in ran]
    assert recovered.returned == 1
    assert [Delivery.objects.get(pk=d.pk).attempts for d in (*ran, waited)] == [1, 1, 0]
    assert {d.state for d in Delivery.objects.all()} == {State.READY}


def test_one_that_had_finished_before_its_worker_died_is_not_touched() -> None:
    first, second = enqueue(nothing), enqueue(nothing)
    done, _ = claim(DEAD, limit=2)
    ledger.succeed(done, ran=0)
    assert [one.claimed.id for one in recover_lost().lost] == [second.id]
    first.refresh_from_db()
    assert first.state == State.SUCCESSFUL


def test_losing_the_last_attempt_fails_the_delivery() -> None:
    delivery = enqueue(fails)
    for _ in range(3):
        claim(DEAD)
        recovered = recover_lost()
    assert [(one.claimed.id, one.end.state) for one in recovered.lost] == [(delivery.id, State.FAILED)]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.FAILED, 3)
    assert [a.number for a in delivery.failed_attempts.all()] == [1, 2, 3]


def test_a_rescued_delivery_cannot_be_finished_by_the_process_that_lost_it() -> None:
    enqueue(nothing)
    (stale,) = claim(ALIVE, lease=0)
    recover_lost()
    assert not ledger.succeed(stale, ran=0)


def test_a_rescue_stays_in_its_queue() -> None:
    enqueue(nothing)
    claim(DEAD)
    assert ledger.recover_lost("elsewhere", is_dead=lambda owner: True) == ledger.Recovered()
