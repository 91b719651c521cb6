"""A worker that stands still past its lease, and wakes when its delivery is another's: its result is refused."""

import signal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import Holds
from tests.faults.receivers.slow import gated, gated_inside
from tests.faults.victims import kill
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CLUSTER = {"TEST_SIGNALS_APP": '{"LEASE": 1.5, "HEARTBEAT": 0.5}'}


# the first of the tests, for the cluster of the others lives until the last one
@pytest.mark.fault(7, "the same without the token, as a control: the invariant breaks")
def test_without_the_token_the_one_that_woke_decides_and_the_invariant_says_so(
    invariant: Holds, journal_file: Path, tmp_path: Path
) -> None:
    with Cluster(tmp_path / "log", **CLUSTER, FAULT_SABOTAGE="without_token"):
        delivery = overtaken(gated, journal_file)
        wait_for_end([delivery])  # by the first attempt, which is on the record as LOST
        gates.let_through(journal_file, delivery.id, 2)
        wait_until(lambda: stale(delivery) == [2], "the refusal of the wrong one")
    with pytest.raises(AssertionError, match=r"after 2 attempts, and left effects of attempts \[1\]"):
        invariant()


@pytest.mark.fault(7, "a worker stopped past its lease wakes after another attempt has completed")
def test_a_worker_that_wakes_after_another_has_completed_is_refused(
    invariant: Holds, cluster: Cluster, journal_file: Path, record_property: Any
) -> None:
    # on SQLite a worker inside its transaction keeps everybody from writing; nothing can be taken over from it
    for receiver in (gated, gated_inside) if connection.vendor == "postgresql" else (gated,):
        delivery = enqueue(receiver)
        sleeper = stop_at_gate(delivery, journal_file)
        gates.let_through(journal_file, delivery.id, 2)
        wait_for_end([delivery])
        assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 2)
        wake(sleeper, delivery, journal_file)
        wait_until(lambda: stale(delivery), "the record of the refusal")  # noqa: B023
    record_property("stale results refused", invariant()["failed_attempts"]["STALE"])


@pytest.mark.short
@pytest.mark.fault(7, "a worker stopped past its lease wakes while another attempt runs")
def test_a_worker_that_wakes_while_another_runs_is_refused(
    invariant: Holds, cluster: Cluster, journal_file: Path, record_property: Any
) -> None:
    delivery = overtaken(gated, journal_file)
    wait_until(lambda: stale(delivery), "the record of the refusal")
    gates.let_through(journal_file, delivery.id, 2)
    wait_for_end([delivery])
    record_property("stale results refused", invariant()["failed_attempts"]["STALE"])
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 2)
    assert stale(delivery) == [1]


def overtaken(receiver: QueuedReceiver, journal_file: Path) -> Delivery:
    """Hand off; let the first attempt sleep past its lease, and go on to its end while the second one runs."""
    delivery = enqueue(receiver)
    sleeper = stop_at_gate(delivery, journal_file)
    gates.reached(journal_file, delivery.id, 2)
    wake(sleeper, delivery, journal_file)
    return delivery


def stop_at_gate(delivery: Delivery, journal_file: Path) -> int:
    """Wait for the first attempt and stop its worker; return its pid."""
    gates.reached(journal_file, delivery.id, 1)
    delivery.refresh_from_db()
    process = ProcessIdentity.parse(delivery.owner)
    assert process is not None
    kill(process.pid, number=signal.SIGSTOP)
    return process.pid


def wake(sleeper: int, delivery: Delivery, journal_file: Path) -> None:
    """Let the stopped worker go on to the end of its attempt."""
    gates.let_through(journal_file, delivery.id, 1)
    kill(sleeper, number=signal.SIGCONT)


def stale(delivery: Delivery) -> list[int]:
    """Return the numbers of the delivery's attempts whose result was refused."""
    refused = Attempt.objects.filter(delivery=delivery, outcome=Outcome.STALE)
    return list(refused.values_list("number", flat=True))
