"""Giving lost deliveries back."""

import pytest

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.signals_app.ledger.acts import claim, put
from tests.testapp.receivers import fails

pytestmark = [pytest.mark.django_db, pytest.mark.database]

DEAD = "vm/boot/12/34"
ALIVE = "vm/boot/56/78"


def recover_lost() -> ledger.Recovered:
    return ledger.recover_lost(conf.queue, is_dead=lambda owner: owner == DEAD)


def lost() -> list[int]:
    return [one.claimed.id for one in recover_lost().lost]


def attempts_of(*deliveries: Delivery) -> list[tuple[str, int]]:
    return [Delivery.objects.values_list("state", "attempts").get(pk=one.pk) for one in deliveries]


def test_what_a_dead_process_ran_is_ready_at_once_and_charged_and_what_it_claimed_along_is_not() -> None:
    ran, *others = (put() for _ in range(3))
    claim(DEAD)
    recovered = recover_lost()
    assert [(one.claimed.id, one.end.state) for one in recovered.lost] == [(ran.id, State.READY)]
    assert recovered.returned == 2
    assert attempts_of(ran, *others) == [(State.READY, 1), (State.READY, 0), (State.READY, 0)]
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.error_class, attempt.owner) == (Outcome.LOST, "WorkerDied", DEAD)
    assert attempt.message == "Worker 12 on vm died while it ran this delivery."
    assert {one.id for one in claim(ALIVE) if one.losses} == {ran.id}


def test_a_dead_process_takes_with_it_what_it_held_and_no_more() -> None:
    gone, held = put(), put()
    claim(DEAD, limit=1)
    claim(ALIVE)
    assert ledger.recover_lost("elsewhere", is_dead=lambda owner: True) == ledger.Recovered()
    assert [lost(), lost()] == [[gone.id], []]
    held.refresh_from_db()
    assert (held.state, held.owner) == (State.RUNNING, ALIVE)


def test_a_lease_that_was_renewed_outlives_the_others_of_its_process() -> None:
    renewed, gone = put(), put()
    first, _ = claim(ALIVE, lease=0)
    ledger.renew(first, lease=30)
    assert lost() == [gone.id]
    assert attempts_of(renewed) == [(State.RUNNING, 1)]


def test_a_worker_known_to_be_at_work_keeps_its_delivery_and_what_it_claimed_along_without_a_lease() -> None:
    forgotten, *kept = (put() for _ in range(3))
    claim(ALIVE, limit=1, lease=0)  # whose outcome it could not record
    claim(ALIVE, lease=0)

    def recover_with(at_work: int | None) -> list[int]:
        at = lambda owner: at_work if owner == ALIVE else None  # noqa: E731
        return [one.claimed.id for one in ledger.recover_lost(conf.queue, is_dead=lambda owner: False, at_work=at).lost]

    assert recover_with(kept[0].id) == [forgotten.id]
    assert recover_with(kept[1].id) == []
    assert recover_with(None) == [kept[0].id]


def test_losing_the_last_attempt_fails_the_delivery() -> None:
    delivery = put(fails)
    for _ in range(3):
        claim(DEAD)
        recovered = recover_lost()
    assert [(one.claimed.id, one.end.state) for one in recovered.lost] == [(delivery.id, State.FAILED)]
    assert attempts_of(delivery) == [(State.FAILED, 3)]
    assert [attempt.number for attempt in delivery.failed_attempts.all()] == [1, 2, 3]
