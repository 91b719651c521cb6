"""A whole tree killed in mid-run and started again, here and on another host."""

import time
from pathlib import Path
from typing import Any

import pytest

from signals_app.models import Outcome, State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.network import elsewhere
from tests.faults.receivers.slow import takes_long
from tests.faults.victims import running
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

LEASE = 3.0  # seconds


@pytest.mark.short("postgresql")
@pytest.mark.fault(5, "the whole tree killed in mid-run and started again")
@pytest.mark.parametrize(
    ("where", "lease", "within"),
    [("here", 60.0, 10.0), ("elsewhere", LEASE, LEASE + 5)],
)
def test_work_resumes_after_the_end_of_a_whole_tree(
    invariant: Holds, tmp_path: Path, record_property: Any, where: str, lease: float, within: float
) -> None:
    settings = {"TEST_SIGNALS_APP": f'{{"LEASE": {lease}, "HEARTBEAT": 1}}'}
    host = elsewhere() if where == "elsewhere" else ()
    deliveries = [enqueue(takes_long, seconds=60, attempts=1)] + [enqueue(takes_long) for _ in range(size(20, 500))]
    with Cluster(tmp_path / "log", **settings) as first:
        wait_until(lambda: running(first), "a worker at work")
        family = first.family()
        first.kill()
        wait_until(lambda: not any(map(is_alive, family)), "the end of the tree")
    with Cluster(tmp_path / "log", within=host, **settings):
        began = time.monotonic()
        lost = deliveries[0]
        wait_until(lambda: lost.failed_attempts.exists(), "the rescue of what ran", seconds=within)
        record_property(f"s until what ran was given back, {where}", round(time.monotonic() - began, 1))
        wait_for_end(deliveries, seconds=size(30, 120))
    invariant()
    assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
    assert [(end.outcome, end.error_class) for end in lost.failed_attempts.all()] == [
        (Outcome.LOST, "WorkerDied" if where == "here" else "LeaseExpired")
    ]
