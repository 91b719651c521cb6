"""A cluster that is asked to stop, or whose head is killed: what runs is finished or runs again, no process stays."""

import signal
import time

import pytest

from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, is_alive, kill, wait_for_death, wait_for_end, wait_until
from tests.faults import journal
from tests.faults.harness import FULL, Fault, enqueue_many, kill_lock_holder, outcomes, run_one, signals_app, stands
from tests.faults.receivers import bare_effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

ASKED = [
    (signal.SIGTERM, "everybody"),  # as systemd's KillMode=control-group does
    (signal.SIGTERM, "main"),
    (signal.SIGINT, "everybody"),
    (signal.SIGINT, "supervisor"),
    (signal.SIGTERM, "supervisor"),
    (signal.SIGINT, "main"),
    (signal.SIGTERM, "group"),
    (signal.SIGINT, "group"),
]
WITHIN = 10.0  # seconds


def asked(cluster: Cluster, whom: str) -> list[int]:
    """Return the pids that get the signal; the group is that of the cluster's processes, the supervisor apart."""
    family = cluster.family()
    return {"supervisor": [cluster.pid], "main": family[:1], "group": family, "everybody": [cluster.pid, *family]}[whom]


@pytest.mark.short("sqlite")
@pytest.mark.fault(6, "asked to stop with long work running")
@pytest.mark.parametrize(("number", "whom"), ASKED if FULL else ASKED[:1])
def test_a_stop_finishes_what_runs_and_claims_no_more(fault: Fault, number: signal.Signals, whom: str) -> None:
    with fault.cluster() as cluster:
        long = [enqueue(bare_effect, seconds=2) for _ in range(2)]
        wait_until(lambda: len(cluster.running()) == 2, "two workers at work")
        family = cluster.family()
        waiting = enqueue_many(20, bare_effect)  # quickly, before the workers ask for more
        kill(*asked(cluster, whom), number=number)
        fault.note(**{f"s from {number.name} to {whom} to the end": wait_for_death(family)})
        wait_for_end(long, seconds=1)
        claimed_late = {one for one, pid in journal.runners(fault.journal) if pid in family} - {one.id for one in long}
        assert not claimed_late
        if whom in ("main", "group"):  # the supervisor was not asked, and starts another cluster
            wait_for_end(waiting)
        else:
            wait_until(lambda: not is_alive(cluster.pid), "the end of the supervisor")
            assert cluster.stop() == 0
            left = Delivery.objects.exclude(state=State.SUCCESSFUL).values_list("state", "attempts")
            assert list(left) == [(State.READY, 0)] * len(waiting)
            cluster.start()
            wait_for_end(waiting)
    ledger = fault.invariant()
    assert (ledger["attempts"], ledger["failed_attempts"]) == (len(long) + len(waiting), {})


@pytest.mark.fault(6, "asked to stop where a lock died with its holder")
def test_a_cluster_that_cannot_stop_ends_when_nothing_runs(fault: Fault) -> None:
    with fault.cluster() as cluster:
        family = cluster.family()
        kill_lock_holder(cluster)
        began = time.monotonic()
        assert cluster.stop() == 0
        fault.note(s_to_the_end=time.monotonic() - began)
        assert not any(map(is_alive, family))
    assert "runs nothing and does not stop" in cluster.log.read_text()


@pytest.mark.fault(6, "asked to stop with work running that does not end in time")
def test_a_stop_ends_within_its_time_and_what_ran_runs_again(fault: Fault) -> None:
    limit = 2.0
    with fault.cluster(**signals_app(STOP_WITHIN=limit)) as cluster:
        delivery = enqueue(bare_effect, seconds=50)
        wait_until(lambda: cluster.running(), "a worker at work")
        family, began = cluster.family(), time.monotonic()
        assert cluster.stop() == 0
        took = time.monotonic() - began
        assert not any(map(is_alive, family))
        fault.note(**{f"s to the end, with STOP_WITHIN {limit:g}": took})
        assert limit <= took < limit + 10
        cluster.start()
        wait_for_end([delivery])
    fault.invariant()
    assert (stands(delivery), outcomes(delivery)) == ((State.SUCCESSFUL, 2), [Outcome.LOST])


@pytest.mark.short("sqlite")
@pytest.mark.fault(4, "the head of a cluster killed, its supervisor standing still")
@pytest.mark.parametrize("victim", ["main", "sentinel"])
def test_no_orphan_lives_on(fault: Fault, cluster: Cluster, victim: str) -> None:
    family = cluster.family()
    doomed = family if victim == "main" else family[1:]
    assert len(doomed) >= 5  # sentinel, two workers, monitor, pusher
    kill(cluster.pid, number=signal.SIGSTOP)  # it would end them all, and is not to
    try:
        kill(*cluster.living(victim))
        fault.note(**{f"s until every process below {victim} had ended": wait_for_death(doomed, seconds=WITHIN)})
    finally:
        kill(cluster.pid, number=signal.SIGCONT)
    run_one()
    assert not any(map(is_alive, family))
    fault.invariant()


@pytest.mark.fault(4, "the supervisor of a cluster that stands still killed")
def test_a_cluster_that_nobody_watches_and_that_cannot_stop_ends_all_the_same(fault: Fault) -> None:
    with fault.cluster(**signals_app(STOP_WITHIN=2)) as cluster:
        family = cluster.family()
        kill_lock_holder(cluster)
        began = time.monotonic()
        cluster.stop(signal.SIGKILL)
        wait_for_death(family, seconds=WITHIN)
        fault.note(s_until_it_had_ended=time.monotonic() - began)
        assert time.monotonic() - began > 2
