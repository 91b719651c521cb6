"""A worker that stands still past its lease, and wakes when its delivery is another's: its result is refused."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from signals_app.models import State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import Holds
from tests.faults.receivers.slow import gated, gated_inside
from tests.faults.sleepers import SHORT_LEASE, overtaken, stale, stop_at_gate, wake
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CLUSTER = SHORT_LEASE


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
