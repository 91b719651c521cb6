"""Leases: they run out under slow workers and under those that stand still, and heartbeats keep them."""

import signal
import time
from collections import Counter
from typing import Any

import pytest
from django.db import connection

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, kill, wait_for_death, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.harness import FAULTS, FULL, Fault, enqueue_many, signals_app, size, stands
from tests.faults.network import elsewhere
from tests.faults.receivers import bare_effect, effect, gated, gated_inside, starts_late
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CLUSTER = signals_app(LEASE=1.5, HEARTBEAT=0.5)
LEASE = 3.0  # seconds


# the first of the tests, for the cluster that the others share lives until the last one
@pytest.mark.fault(7, "the same without the token, as a control: the invariant breaks")
def test_without_the_token_the_one_that_woke_decides_and_the_invariant_says_so(fault: Fault) -> None:
    with fault.cluster(**CLUSTER, FAULT_SABOTAGE="without_token"):
        delivery = overtaken(fault)
        wait_for_end([delivery])  # by the first attempt, which is on the record as LOST
        fault.let_go(delivery, attempt=2)
        wait_until(lambda: stale(delivery) == [2], "the refusal of the wrong one")
    with pytest.raises(AssertionError, match=r"after 2 attempts, and left effects of attempts \[1\]"):
        fault.invariant()


@pytest.mark.fault(14, "slow deliveries, each about as long as its lease")
def test_never_two_workers_commit_one_delivery_though_leases_run_out(fault: Fault) -> None:
    # the first renewal comes after a second; and the other cluster, which is told to be of another host, sees no more
    # of a worker than its lease
    short = signals_app(LEASE=0.6, HEARTBEAT=0.3)
    # on SQLite nothing is taken over from a worker inside its transaction: there, all are slow before it
    inside = connection.vendor == "postgresql"
    deliveries = [
        enqueue(effect, before=0.5 + n % 5 / 10) if inside and n % 2 else enqueue(starts_late)
        for n in range(size(6, 200))
    ]
    with fault.cluster(**short), fault.cluster(within=elsewhere(), **short):
        wait_for_end(deliveries, seconds=size(60, 900))
    ledger = fault.invariant()
    lost, refused = (ledger["failed_attempts"].get(outcome, 0) for outcome in ("LOST", "STALE"))
    fault.note(deliveries=len(deliveries), leases_that_ran_out=lost, late_results_refused=refused)
    assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
    assert not FULL or lost  # it would prove little otherwise
    committed = Counter(journal.commits(fault.journal))
    assert committed == Counter((delivery.id, delivery.attempts) for delivery in deliveries)


@pytest.mark.fault(14, "runs of more than twice their lease")
def test_a_heartbeat_keeps_long_runs_even_where_others_hold_the_write_lock(fault: Fault) -> None:
    lease = 2.0
    outside = enqueue_many(size(1, 10), bare_effect, seconds=2.5 * lease)
    deliveries = outside + enqueue_many(size(1, 10), before=2.5 * lease)
    with fault.cluster(**signals_app(LEASE=lease, HEARTBEAT=0.5)):
        wait_for_end(deliveries, seconds=size(60, 300))
    fault.note(deliveries=len(deliveries))
    assert fault.invariant()["failed_attempts"] == {}
    assert {(delivery.state, delivery.attempts) for delivery in deliveries} == {(State.SUCCESSFUL, 1)}


@pytest.mark.short("postgresql")
@pytest.mark.fault(5, "the whole tree killed in mid-run and started again")
@pytest.mark.parametrize(
    ("where", "lease", "within"), [("here", 60.0, 10.0), *[("elsewhere", LEASE, LEASE + 5)] * bool(FAULTS)]
)
def test_work_resumes_after_the_end_of_a_whole_tree(fault: Fault, where: str, lease: float, within: float) -> None:
    settings = signals_app(LEASE=lease, HEARTBEAT=1)
    host = elsewhere() if where == "elsewhere" else ()
    lost = enqueue(effect, before=60, attempts=1)
    deliveries = [lost, *enqueue_many(size(20, 500))]
    with fault.cluster(**settings) as first:
        wait_until(lambda: first.running(), "a worker at work")
        family = first.family()
        first.kill()
        wait_for_death(family)
    with fault.cluster(within=host, **settings):
        began = time.monotonic()
        wait_until(lambda: lost.failed_attempts.exists(), "the recovery of what ran", seconds=within)
        fault.note(**{f"s until what ran was given back, {where}": time.monotonic() - began})
        wait_for_end(deliveries, seconds=size(30, 120))
    fault.invariant()
    assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
    assert [(end.outcome, end.error_class) for end in lost.failed_attempts.all()] == [
        (Outcome.LOST, "WorkerDied" if where == "here" else "LeaseExpired")
    ]


@pytest.mark.short
@pytest.mark.fault(7, "a worker stopped past its lease wakes after another attempt has completed")
def test_a_worker_that_wakes_after_another_has_completed_is_refused(fault: Fault, cluster: Cluster) -> None:
    # on SQLite a worker inside its transaction keeps everybody from writing; nothing can be taken over from it
    for receiver in (gated, gated_inside) if connection.vendor == "postgresql" else (gated,):
        delivery, sleeper = stopped(fault, receiver)
        fault.let_go(delivery, attempt=2)
        wait_for_end([delivery])
        assert stands(delivery) == (State.SUCCESSFUL, 2)
        wake(fault, delivery, sleeper)
        wait_until(lambda: stale(delivery), "the record of the refusal")  # noqa: B023
    fault.note(stale_results_refused=fault.invariant()["failed_attempts"]["STALE"])


@pytest.mark.short
@pytest.mark.fault(7, "a worker stopped past its lease wakes while another attempt runs")
def test_a_worker_that_wakes_while_another_runs_is_refused(fault: Fault, cluster: Cluster) -> None:
    delivery = overtaken(fault)
    wait_until(lambda: stale(delivery), "the record of the refusal")
    fault.let_go(delivery, attempt=2)
    wait_for_end([delivery])
    fault.note(stale_results_refused=fault.invariant()["failed_attempts"]["STALE"])
    assert stands(delivery) == (State.SUCCESSFUL, 2)
    assert stale(delivery) == [1]


def stopped(fault: Fault, receiver: QueuedReceiver, **arguments: Any) -> tuple[Delivery, int]:
    """Hand off, and stop the worker of the first attempt at its gate; return its pid as well."""
    delivery = fault.hold(receiver, **arguments)
    delivery.refresh_from_db()
    process = ProcessIdentity.parse(delivery.owner)
    assert process is not None
    kill(process.pid, number=signal.SIGSTOP)
    return delivery, process.pid


def wake(fault: Fault, delivery: Delivery, sleeper: int) -> None:
    fault.let_go(delivery)
    kill(sleeper, number=signal.SIGCONT)


def overtaken(fault: Fault) -> Delivery:
    """Hand off; let the first attempt sleep past its lease, and go on to its end while the second one runs."""
    delivery, sleeper = stopped(fault, gated)
    journal.wait_for_gate(fault.journal, delivery.id, 2)
    wake(fault, delivery, sleeper)
    return delivery


def stale(delivery: Delivery) -> list[int]:
    """Return the numbers of the delivery's attempts whose result was refused."""
    refused = Attempt.objects.filter(delivery=delivery, outcome=Outcome.STALE)
    return list(refused.values_list("number", flat=True))
