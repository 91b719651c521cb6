"""A cluster that dies or stands still comes back by itself; nothing of the old one is left."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from signals_app.conf import conf
from signals_app.models import State
from signals_app.supervisor import Stall
from tests.cluster import Cluster, descendants, wait_for_end, wait_until
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import hand_off

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def own_cluster(transactional_db: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, that notices quickly when it stands still."""
    with Cluster(tmp_path / "log", TEST_STALL="2") as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_stops_at_sigterm_and_leaves_no_process(own_cluster: Cluster) -> None:
    family = own_cluster.family()
    assert len(family) >= 5  # main, sentinel, two workers, monitor, pusher
    assert own_cluster.stop(signal.SIGTERM) == 0
    assert not [pid for pid in family if is_alive(pid)]


def test_it_stops_at_sigint_and_leaves_no_process(own_cluster: Cluster) -> None:
    family = own_cluster.family()
    assert own_cluster.stop(signal.SIGINT) == 0
    assert not [pid for pid in family if is_alive(pid)]


def test_stopping_lets_a_running_receiver_finish(own_cluster: Cluster) -> None:
    delivery = hand_off(receivers.long_work, seconds=2)
    wait_until(lambda: Effect.objects.filter(label="long_work begins").exists(), "the start")
    assert own_cluster.stop() == 0
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)


@pytest.mark.parametrize("victim", ["main", "sentinel"])
def test_a_cluster_whose_head_is_killed_is_started_anew(own_cluster: Cluster, victim: str) -> None:
    family = own_cluster.family()
    head = family[0] if victim == "main" else descendants(family[0])[0]
    os.kill(head, signal.SIGKILL)
    delivery = hand_off(receivers.work)
    wait_for_end([delivery], seconds=60)
    assert delivery.state == State.SUCCESSFUL
    assert delivery.bad_ends.count() == delivery.attempts - 1  # an orphan may have begun it before its end came
    wait_until(lambda: not any(map(is_alive, family)), "the end of the old cluster")
    assert "starts anew" in own_cluster.log.read_text()


def test_a_cluster_whose_workers_wait_for_a_dead_lock_is_started_anew(own_cluster: Cluster) -> None:
    """One idle worker holds the lock of Django-Q's queue; killed with it, no other worker ever gets a task again."""
    workers = [pid for pid in own_cluster.family() if _waits_for_work(own_cluster, pid)]
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    delivery = hand_off(receivers.work)
    wait_for_end([delivery], seconds=60)
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    assert "has claimed nothing" in own_cluster.log.read_text()


def test_a_stall_is_measured_from_when_the_same_work_was_first_due() -> None:
    stall = Stall(conf.queue)
    assert stall.seconds() == pytest.approx(0, abs=0.5)
    hand_off(receivers.work)
    stall.seconds()
    first = stall._since
    assert stall.seconds() > 0
    assert stall._since == first
    hand_off(receivers.work)
    assert stall._since == first


def _waits_for_work(cluster: Cluster, pid: int) -> bool:
    return f"ready for work at {pid}" in cluster.log.read_text()


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_a_supervisor_that_goes_takes_its_cluster_along(own_cluster: Cluster, end: signal.Signals) -> None:
    family = own_cluster.family()
    own_cluster.stop(end)
    wait_until(lambda: not any(map(is_alive, family)), "the end of the cluster")
