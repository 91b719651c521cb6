"""Receivers that end their process, outlive their timeout, return or raise what is odd are charged, and nobody else."""

import pytest

from signals_app.models import Outcome, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import misbehaving
from tests.faults.harness import Fault, enqueue_many, outcomes, signals_app, size
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# a worker that has no memory left to record the outcome, and lives, is found by its lease, and may not stop by itself
CLUSTER = {"WORKERS": "6", "TEST_Q_CLUSTER": '{"recycle": 100000}'} | signals_app(
    GRACE=0.3, LEASE=3, HEARTBEAT=0.5, STOP_WITHIN=5
)


@pytest.mark.short("sqlite")
@pytest.mark.fault(13, "return values that cannot be pickled, are huge, or hold themselves")
def test_an_odd_return_value_changes_nothing(fault: Fault, cluster: Cluster) -> None:
    ways = [(way, value) for value in misbehaving.VALUES for way in (misbehaving.is_odd, misbehaving.is_odd_async)]
    deliveries = [enqueue(way, value=value) for way, value in ways * size(1, 20)]
    wait_for_end(deliveries, seconds=size(30, 120))
    fault.note(values=fault.invariant()["effects"])
    assert {(one.state, one.attempts) for one in deliveries} == {(State.SUCCESSFUL, 1)}


@pytest.mark.short("sqlite")
@pytest.mark.fault(13, "SystemExit, KeyboardInterrupt, GeneratorExit and others, raised by receivers")
def test_an_odd_error_is_recorded_and_ends_its_attempt_only(fault: Fault, cluster: Cluster) -> None:
    workers = cluster.family()
    ways = [(way, error) for error in misbehaving.ERRORS for way in (misbehaving.is_odd, misbehaving.is_odd_async)]
    deliveries = [enqueue(way, error=error) for way, error in ways * size(1, 20)]
    deliveries += [enqueue(misbehaving.never_comes_back)]
    wait_for_end(deliveries, seconds=size(30, 120))
    fault.note(errors=fault.invariant()["failed_attempts"]["ERROR"])
    for one in deliveries:
        assert (one.state, outcomes(one)) == (State.FAILED, [Outcome.ERROR] * 2), one.payload
    assert cluster.family() == workers, "a worker died"


@pytest.mark.short("sqlite")
@pytest.mark.fault(11, "receivers that end their process")
def test_a_receiver_that_ends_its_process_fails_after_its_attempts_and_alone(fault: Fault, cluster: Cluster) -> None:
    *hows, _ = misbehaving.DEATHS
    killers = [enqueue(misbehaving.dies, how=how) for how in hows for _ in range(size(1, 10))]
    neighbours = enqueue_many(size(20, 400))
    wait_for_end([*killers, *neighbours], seconds=size(60, 600))
    fault.note(deaths=fault.invariant()["failed_attempts"]["LOST"], neighbours=len(neighbours))
    for killer in killers:
        assert (killer.state, killer.attempts) == (State.FAILED, killer.max_attempts)
        for end in killer.failed_attempts.all():
            assert (end.outcome, end.error_class) == (Outcome.LOST, "WorkerDied")
            assert end.message.startswith("Worker ")
            assert end.message.endswith(" died while it ran this delivery.")
    assert {(one.state, one.attempts) for one in neighbours} == {(State.SUCCESSFUL, 1)}


@pytest.mark.fault(11, "memory taken to the last byte, in Python")
def test_a_receiver_that_takes_all_memory_in_python_is_charged_alone_too(fault: Fault, cluster: Cluster) -> None:
    *_, in_python = misbehaving.DEATHS
    greedy = [enqueue(misbehaving.dies, how=in_python) for _ in range(size(1, 20))]
    neighbours = enqueue_many(len(greedy))
    wait_for_end([*greedy, *neighbours], seconds=size(30, 300))
    fault.note(deaths=fault.invariant()["failed_attempts"].get("LOST", 0))
    assert {(one.state, one.attempts) for one in greedy} == {(State.FAILED, 2)}
    said = {end.error_class for one in greedy for end in one.failed_attempts.all()}
    assert said <= {"builtins.MemoryError", "WorkerDied", "LeaseExpired"}
    assert {one.state for one in neighbours} == {State.SUCCESSFUL}


@pytest.mark.short("sqlite")
@pytest.mark.fault(12, f"timeouts taken in {len(misbehaving.WAYS)} ways")
def test_a_timeout_is_recorded_and_retried_or_failed_however_the_receiver_takes_it(
    fault: Fault, cluster: Cluster
) -> None:
    ways = misbehaving.WAYS * size(1, 11)  # an odd number of them
    deliveries = [(enqueue(way, how=how, times=1 + n % 2), 1 + n % 2) for n, (way, how) in enumerate(ways)]
    wait_for_end([delivery for delivery, _ in deliveries], seconds=size(60, 300))
    fault.note(timeouts=fault.invariant()["failed_attempts"]["TIMEOUT"])
    ends = {1: (State.SUCCESSFUL, Outcome.TIMEOUT), 2: (State.FAILED, Outcome.TIMEOUT, Outcome.TIMEOUT)}
    for delivery, times in deliveries:
        assert (delivery.state, *outcomes(delivery)) == ends[times], f"{delivery.receiver} {delivery.payload}"


@pytest.mark.fault(12, "C code that keeps the interpreter past its lease")
def test_a_receiver_that_keeps_the_interpreter_past_its_lease_is_fenced_off(fault: Fault, cluster: Cluster) -> None:
    delivery = enqueue(misbehaving.keeps_the_interpreter, times=1, seconds=4.5)
    wait_for_end([delivery])
    # with SQLite's one write lock it keeps others from taking the delivery over, and may be in time to say why
    fenced_off = ([Outcome.LOST, Outcome.STALE], [Outcome.TIMEOUT])
    wait_until(lambda: outcomes(delivery) in fenced_off, "the end of the first attempt")
    assert fault.invariant()["states"] == {"SUCCESSFUL": 1}
