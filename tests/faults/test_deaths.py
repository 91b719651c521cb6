"""Receivers that end their own process: charged for exactly what they did, and their neighbours are not."""

from typing import Any

import pytest

from signals_app.models import Outcome, State
from tests.cluster import Cluster, wait_for_end
from tests.faults.conftest import Holds, size
from tests.faults.receivers import deaths
from tests.faults.receivers.effects import effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

# a worker that has no memory left to record the outcome, and lives, is found by its lease
CLUSTER = {"TEST_SIGNALS_APP": '{"LEASE": 4, "HEARTBEAT": 1}'}


@pytest.mark.short("sqlite")
@pytest.mark.fault(11, "receivers that end their process")
def test_a_receiver_that_ends_its_process_fails_after_its_attempts_and_alone(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    killers = [
        enqueue(one) for one in (deaths.exits, deaths.crashes, deaths.takes_all_in_c) for _ in range(size(1, 10))
    ]
    neighbours = [enqueue(effect) for _ in range(size(20, 400))]
    wait_for_end([*killers, *neighbours], seconds=size(60, 600))
    ledger = invariant()
    record_property("deaths", ledger["failed_attempts"]["LOST"])
    record_property("neighbours", len(neighbours))
    for killer in killers:
        assert (killer.state, killer.attempts) == (State.FAILED, killer.max_attempts)
        for end in killer.failed_attempts.all():
            assert (end.outcome, end.error_class) == (Outcome.LOST, "WorkerDied")
            assert end.message.startswith("Worker ")
            assert end.message.endswith(" died while it ran this delivery.")
    assert {(one.state, one.attempts) for one in neighbours} == {(State.SUCCESSFUL, 1)}


@pytest.mark.fault(11, "memory taken to the last byte, in Python")
def test_a_receiver_that_takes_all_memory_in_python_is_charged_alone_too(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    greedy = [enqueue(deaths.takes_all_in_python) for _ in range(size(1, 20))]
    neighbours = [enqueue(effect) for _ in greedy]
    wait_for_end([*greedy, *neighbours], seconds=size(30, 300))
    record_property("deaths", invariant()["failed_attempts"].get("LOST", 0))
    assert {(one.state, one.attempts) for one in greedy} == {(State.FAILED, 2)}
    said = {end.error_class for one in greedy for end in one.failed_attempts.all()}
    assert said <= {"builtins.MemoryError", "WorkerDied", "LeaseExpired"}
    assert {one.state for one in neighbours} == {State.SUCCESSFUL}
