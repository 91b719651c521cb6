"""Lanes: their order is kept and never more run than may, whoever is killed; and what a lease that ran out leaves."""

import random
import time
from collections.abc import Iterable, Sequence

import pytest

from signals_app.models import Delivery, State
from tests.cluster import is_all_done, kill, wait_for_all, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.harness import Fault, enqueue_many, size, stands
from tests.faults.receivers import gated_in_turn, in_turn, two_at_a_time
from tests.faults.test_leases import CLUSTER, stale, stopped, wake
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def check_lanes(fault: Fault, lanes: Iterable[Sequence[Delivery]]) -> None:
    """Require that all of each lane began, in order, and that no receiver met more of its lane than may run."""
    assert journal.crowds(fault.journal) == []
    begun = journal.begun(fault.journal)
    for lane in lanes:
        ids = {delivery.id for delivery in lane}
        in_order = [one for one in begun if one in ids]
        assert in_order == sorted(in_order)
        assert set(in_order) == ids


@pytest.mark.short
@pytest.mark.fault(30, "workers of two clusters killed at random moments, with work in lanes")
def test_lanes_keep_their_order_and_their_limits_while_workers_of_two_clusters_are_killed(fault: Fault) -> None:
    lanes, each, kills, chance = size(4, 40), size(12, 40), size(5, 200), random.Random(29)
    deliveries: dict[str, list[Delivery]] = {str(lane): [] for lane in range(lanes)}
    killed = 0
    with fault.cluster() as one, fault.cluster() as two:
        while killed < kills:
            if is_all_done():
                for lane, those in deliveries.items():
                    those += enqueue_many(each, in_turn, lane=lane, seconds=0.1)
                enqueue_many(each, two_at_a_time, seconds=0.1)
            time.sleep(chance.uniform(0.01, 0.2))  # a random moment is what this is about
            if busy := one.running() + two.running():
                killed += kill(chance.choice(busy))
        wait_for_all(seconds=size(120, 600))
        family = one.family() + two.family()
    ledger, number = fault.invariant(family=family), Delivery.objects.count()
    fault.note(lanes=lanes, deliveries=number, kills=kills)
    assert ledger["states"] == {"SUCCESSFUL": number}
    check_lanes(fault, deliveries.values())


@pytest.mark.short
@pytest.mark.fault(30, "a worker stopped past its lease wakes after its lane has gone on")
def test_a_lease_that_runs_out_lets_two_of_a_lane_run_at_once_and_not_end_out_of_order(fault: Fault) -> None:
    with fault.cluster(**CLUSTER):
        delivery, sleeper = stopped(fault, gated_in_turn, lane="one")
        following = enqueue(gated_in_turn, lane="one")
        journal.wait_for_gate(fault.journal, delivery.id, 2)
        assert not following.failed_attempts.exists()
        assert stands(following) == (State.READY, 0), "its lane waits, however long the first one takes"
        fault.let_go(delivery, attempt=2)
        journal.wait_for_gate(fault.journal, following.id, 1)
        wake(fault, delivery, sleeper)
        wait_until(lambda: stale(delivery), "the record of the refusal")
        fault.let_go(following)
        wait_for_end([delivery, following])
    fault.invariant()
    ends = [one for one, _ in journal.commits(fault.journal) if one in (delivery.id, following.id)]
    assert ends == [delivery.id, following.id]
    assert (stands(delivery), stands(following)) == ((State.SUCCESSFUL, 2), (State.SUCCESSFUL, 1))
