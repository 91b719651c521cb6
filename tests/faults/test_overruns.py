"""Receivers that outlive their timeout, each in its own way: the record says so, and their policy decides."""

from typing import Any

import pytest

from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers import overruns
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
CLUSTER = {"TEST_SIGNALS_APP": '{"GRACE": 0.3, "LEASE": 3, "HEARTBEAT": 0.5}', "WORKERS": "6"}


def outcomes(delivery: Delivery) -> list[str]:
    return list(delivery.failed_attempts.values_list("outcome", flat=True))


@pytest.mark.short("sqlite")
@pytest.mark.fault(12, f"timeouts taken in {len(overruns.WAYS)} ways")
def test_a_timeout_is_recorded_and_retried_or_failed_however_the_receiver_takes_it(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    plans = [(way, 1 + n % 2) for n, way in enumerate(overruns.WAYS * size(1, 11))]  # an odd number of ways
    deliveries = {enqueue(way, times=times): times for way, times in plans}
    wait_for_end(deliveries, seconds=size(60, 300))
    record_property("timeouts", invariant()["failed_attempts"]["TIMEOUT"])
    ends = {1: (State.SUCCESSFUL, Outcome.TIMEOUT), 2: (State.FAILED, Outcome.TIMEOUT, Outcome.TIMEOUT)}
    for delivery, times in deliveries.items():
        assert (delivery.receiver, delivery.state, *outcomes(delivery)) == (delivery.receiver, *ends[times])


@pytest.mark.fault(12, "C code that keeps the interpreter past its lease")
def test_a_receiver_that_keeps_the_interpreter_past_its_lease_is_fenced_off(invariant: Holds, cluster: Cluster) -> None:
    delivery = enqueue(overruns.keeps_the_interpreter, times=1, seconds=4.5)
    wait_for_end([delivery])
    # with SQLite's one write lock it keeps others from taking the delivery over, and may be in time to say why
    fenced_off = ([Outcome.LOST, Outcome.STALE], [Outcome.TIMEOUT])
    wait_until(lambda: outcomes(delivery) in fenced_off, "the end of the first attempt")
    assert invariant()["states"] == {"SUCCESSFUL": 1}
