"""Odd values returned and odd errors raised: none stops a worker, loops, or goes unrecorded."""

from typing import Any

import pytest

from signals_app.models import Outcome, State
from tests.cluster import Cluster, wait_for_end
from tests.faults.conftest import Holds, size
from tests.faults.receivers import oddities
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
CLUSTER = {"TEST_Q_CLUSTER": '{"recycle": 100000}'}


@pytest.mark.fault(13, "return values that cannot be pickled, are huge, or hold themselves")
def test_an_odd_return_value_changes_nothing(invariant: Holds, cluster: Cluster, record_property: Any) -> None:
    deliveries = [
        enqueue(receiver, value=value)
        for value in oddities.VALUES
        for receiver in (oddities.returns, oddities.returns_async)
        for _ in range(size(1, 20))
    ]
    wait_for_end(deliveries, seconds=size(30, 120))
    record_property("values", invariant()["effects"])
    assert {(one.state, one.attempts) for one in deliveries} == {(State.SUCCESSFUL, 1)}


@pytest.mark.fault(13, "SystemExit, KeyboardInterrupt, GeneratorExit and others, raised by receivers")
def test_an_odd_error_is_recorded_and_ends_its_attempt_only(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    workers = cluster.family()
    deliveries = [
        enqueue(receiver, error=error)
        for error in oddities.ERRORS
        for receiver in (oddities.raises, oddities.raises_async)
        for _ in range(size(1, 20))
    ]
    deliveries += [enqueue(oddities.never_comes_back)]
    wait_for_end(deliveries, seconds=size(30, 120))
    record_property("errors", invariant()["failed_attempts"]["ERROR"])
    for delivery in deliveries:
        ends = list(delivery.failed_attempts.values_list("outcome", flat=True))
        assert (delivery.payload, delivery.state, ends) == (delivery.payload, State.FAILED, [Outcome.ERROR] * 2)
    assert cluster.family() == workers, "a worker died"
