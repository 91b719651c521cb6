"""Leases that run out under their workers, leases that heartbeats keep, and a whole tree that is killed in mid-run."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from signals_app.models import Outcome, State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.conftest import FAULTS, FULL, Holds, size
from tests.faults.network import elsewhere
from tests.faults.receivers.slow import starts_late, takes_long, takes_long_outside
from tests.faults.victims import running
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.fault(14, "slow deliveries, each about as long as its lease")
def test_never_two_workers_commit_one_delivery_though_leases_run_out(
    invariant: Holds, tmp_path: Path, journal_file: Path, record_property: Any
) -> None:
    # the first renewal comes after a second; and the other cluster, which is told to be of another host, sees no more
    # of a worker than its lease
    short = {"TEST_SIGNALS_APP": '{"LEASE": 0.6, "HEARTBEAT": 0.3}'}
    # on SQLite nothing is taken over from a worker inside its transaction: there, all are slow before it
    inside = connection.vendor == "postgresql"
    deliveries = [
        enqueue(takes_long, seconds=0.5 + n % 5 / 10) if inside and n % 2 else enqueue(starts_late)
        for n in range(size(6, 200))
    ]
    with (
        Cluster(tmp_path / "log-a", **short),
        Cluster(tmp_path / "log-b", within=elsewhere(), **short),
    ):
        wait_for_end(deliveries, seconds=size(60, 900))
    ledger = invariant()
    record_property("deliveries", len(deliveries))
    record_property("leases that ran out", ledger["failed_attempts"].get("LOST", 0))
    record_property("late results refused", ledger["failed_attempts"].get("STALE", 0))
    assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
    assert not FULL or ledger["failed_attempts"]["LOST"]  # it would prove little otherwise
    committed = Counter(journal.commits(journal_file))
    assert committed == Counter((delivery.id, delivery.attempts) for delivery in deliveries)


@pytest.mark.fault(14, "runs of more than twice their lease")
def test_a_heartbeat_keeps_long_runs_even_where_others_hold_the_write_lock(
    invariant: Holds, tmp_path: Path, record_property: Any
) -> None:
    lease = 2.0
    kept = {"TEST_SIGNALS_APP": f'{{"LEASE": {lease}, "HEARTBEAT": 0.5}}'}
    deliveries = [
        enqueue(receiver, seconds=2.5 * lease)
        for _ in range(size(1, 10))
        for receiver in (takes_long_outside, takes_long)
    ]
    with Cluster(tmp_path / "log", **kept):
        wait_for_end(deliveries, seconds=size(60, 300))
    record_property("deliveries", len(deliveries))
    assert invariant()["failed_attempts"] == {}
    assert {(delivery.state, delivery.attempts) for delivery in deliveries} == {(State.SUCCESSFUL, 1)}


LEASE = 3.0  # seconds


@pytest.mark.short("postgresql")
@pytest.mark.fault(5, "the whole tree killed in mid-run and started again")
@pytest.mark.parametrize(
    ("where", "lease", "within"),
    [("here", 60.0, 10.0), *[("elsewhere", LEASE, LEASE + 5)] * bool(FAULTS)],
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
