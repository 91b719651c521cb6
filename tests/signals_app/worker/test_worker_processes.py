"""Clusters whose receivers start threads and processes, or never end."""

import os
import signal
from pathlib import Path

import pytest

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Outcome, State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.testapp import neighbours
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db(transaction=True)

IMPATIENT = {"FAULT_SABOTAGE": "impatient_last_moment:0.2"}  # the two seconds of the workarounds wait for nothing here


@pytest.mark.parametrize(
    ("receiver", "q_cluster"),
    [
        (neighbours.leaves_a_thread, "{}"),
        (neighbours.leaves_an_executor, "{}"),
        (neighbours.leaves_a_process, '{"daemonize_workers": false}'),
    ],
    ids=str,
)
def test_a_worker_ends_though_a_receiver_left_something_at_work(
    tmp_path: Path, receiver: QueuedReceiver, q_cluster: str
) -> None:
    with Cluster(tmp_path / "log", TEST_Q_CLUSTER=q_cluster, **IMPATIENT) as cluster:
        deliveries = [enqueue(receiver)]
        if "false" in q_cluster:  # no daemons: they may start processes
            deliveries += [enqueue(neighbours.uses_a_pool), enqueue(neighbours.uses_an_executor)]
        wait_for_end(deliveries)
        assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
        assert cluster.stop() == 0
    log = (tmp_path / "log").read_text()
    assert "Threads or processes that receivers left do not end; their worker ends without them." in log
    assert "does not stop; it is ended" not in log


def test_a_worker_that_is_recycled_is_replaced_though_a_thread_goes_on(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log", TEST_Q_CLUSTER='{"workers": 1, "recycle": 1}', **IMPATIENT) as cluster:
        for _ in range(2):
            delivery = enqueue(neighbours.leaves_a_thread)
            wait_for_end([delivery])
            assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
        wait_until(lambda: "recycled worker" in cluster.log.read_text(), "another worker")
        assert "signals_app.supervisor" not in cluster.log.read_text()
        cluster.kill()  # the queue of its pusher may be full, and then a stop takes the supervisor's LINGER


def test_an_error_whose_text_never_ends_is_a_timeout(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"GRACE": 0.2}'):
        delivery = enqueue(neighbours.says_an_endless_error)
        wait_for_end([delivery])
    assert (delivery.state, delivery.failed_attempts.get().outcome) == (State.FAILED, Outcome.TIMEOUT)


def test_a_cluster_stops_though_a_child_of_a_receiver_goes_on_and_ends_it(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log") as cluster:
        delivery = enqueue(neighbours.leaves_a_child, seconds=600)
        wait_for_end([delivery])
        child = int(Effect.objects.get().detail)
        assert is_alive(child)
        assert cluster.stop() == 0
    assert "it is ended" not in (tmp_path / "log").read_text()
    wait_until(lambda: not is_alive(child), "the end of the child")


def test_what_a_receiver_started_ends_with_a_cluster_whose_supervisor_is_killed(tmp_path: Path) -> None:
    settings = {"TEST_Q_CLUSTER": '{"daemonize_workers": false}', "TEST_SIGNALS_APP": '{"STOP_WITHIN": 0.5}'}
    with Cluster(tmp_path / "log", **settings) as cluster:
        delivery = enqueue(neighbours.leaves_a_process)
        wait_for_end([delivery])
        family = cluster.family()
        child = int(Effect.objects.get().detail)
        assert child in family
        os.kill(cluster.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, family)), "the end of every process")
        cluster.kill()
