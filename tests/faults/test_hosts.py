"""Several clusters on one database, on hosts whose clocks differ: they share its work, and nothing of it twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.cluster.broker import RECOVER_EVERY
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import Holds, size
from tests.faults.receivers.commits import bare_effect, tells_the_time
from tests.faults.receivers.effects import effect, fails_at_first
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


HOUR = 3600
MINUTE = timedelta(minutes=1)


@pytest.mark.fault(16, "clusters whose clocks are an hour ahead and behind")
def test_hosts_whose_clocks_are_wrong_steal_nothing_and_run_nothing_early(
    invariant: Holds, journal_file: Path, tmp_path: Path, record_property: Any
) -> None:
    clusters = [Cluster(tmp_path / f"log{shift}", WORKERS="1", TEST_CLOCK_SHIFT=str(shift)) for shift in (HOUR, -HOUR)]
    clusters.append(Cluster(tmp_path / "log", WORKERS="1"))
    with transaction.atomic():
        not_due = enqueue(effect)
        Delivery.objects.filter(pk=not_due.pk).update(due_at=timezone.now() + timedelta(seconds=HOUR / 2))
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        for cluster in clusters:
            stack.callback(cluster.kill)
        list(pool.map(Cluster.start, clusters[:2]))
        failing = [enqueue(tells_the_time) for _ in range(4)]
        wait_for_end(failing)  # its second attempt is due by the clock of the database
        clusters[2].start()
        held = [enqueue(bare_effect, gate=True) for _ in clusters]
        for delivery in held:
            gates.reached(journal_file, delivery.id, 1)
        time.sleep(3 * RECOVER_EVERY)  # each pusher looks for expired leases meanwhile, and two find all of them so
        for delivery in held:
            gates.let_through(journal_file, delivery.id, 1)
        wait_for_end(held)
        list(pool.map(Cluster.stop, clusters))
    told = [datetime.fromisoformat(effect.detail) for effect in Effect.objects.exclude(detail="")]
    assert len(told) == len(failing)
    assert all(HOUR - 60 < abs((timezone.now() - moment).total_seconds()) < HOUR + 60 for moment in told)
    not_due.refresh_from_db()
    assert (not_due.state, not_due.attempts) == (State.READY, 0)
    assert [delivery.attempts for delivery in held] == [1] * len(held)
    ends = list(Attempt.objects.all())
    assert [end.outcome for end in ends] == [Outcome.ERROR] * len(failing)
    assert all(abs(end.finished_at - timezone.now()) < MINUTE for end in ends)
    ledger.cancel([not_due.id])
    record_property("deliveries", sum(invariant()["states"].values()))


@pytest.mark.fault(15, "two and then four clusters on one PostgreSQL")
def test_clusters_share_the_work_of_one_database(invariant: Holds, tmp_path: Path, record_property: Any) -> None:
    deliveries = size(100, 2_500)
    clusters = [Cluster(tmp_path / f"log-{number}") for number in range(4)]
    with ExitStack() as stack, ThreadPoolExecutor(len(clusters)) as pool:
        for cluster in clusters:
            stack.callback(cluster.kill)
        for joining in clusters[:2], clusters[2:]:
            list(pool.map(Cluster.start, joining))
            hand_off_many(deliveries)
            wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "every end", seconds=300)
        shares = shares_of(clusters)
        families = [pid for cluster in clusters for pid in cluster.family()]
        list(pool.map(Cluster.stop, clusters))
    wait_until(lambda: not any(map(is_alive, families)), "the end of every process")
    ledger = invariant()
    record_property("deliveries", 2 * deliveries)
    record_property("of them by each cluster", "+".join(map(str, shares)))
    assert ledger["states"] == {"SUCCESSFUL": 2 * deliveries}
    assert ledger["failed_attempts"] == {"ERROR": 2 * deliveries // 10}
    assert all(shares)


def hand_off_many(deliveries: int) -> None:
    """Hand off, every tenth time to a receiver that fails once."""
    with transaction.atomic():
        for number in range(deliveries):
            enqueue(fails_at_first if number % 10 == 0 else effect)


def shares_of(clusters: list[Cluster]) -> list[int]:
    """Return how many deliveries each cluster ended."""
    owners = map(ProcessIdentity.parse, Delivery.objects.values_list("owner", flat=True))
    pids = [owner.pid for owner in owners if owner]
    return [sum(pid in family for pid in pids) for family in (cluster.family() for cluster in clusters)]
