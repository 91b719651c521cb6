"""A cluster that dies or stalls comes back by itself, with nothing left of the old one; a paused one is left alone."""

import logging
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signals_app import ledger
from signals_app.cluster import supervisor
from signals_app.cluster.supervisor import Supervisor
from signals_app.conf import conf
from signals_app.models import ClusterStat, Delivery, PauseKind, State
from signals_app.processes.liveness import liveness
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue, nothing, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def own_cluster(transactional_db: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, that notices quickly when it stalls."""
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"STALL": 1}') as running:
        yield running


class Stop(logging.Handler):
    """Asks this process to stop at the second new start of a cluster, and keeps what was said of each."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.pauses += re.findall(r"restarts in (.*)\.", record.getMessage())
        if len(self.pauses) == 2:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what this process does on signals; and let drains of later tests claim, and not go on watch."""
    monkeypatch.setattr(liveness, "alarm", ())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    liveness.begin()


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    ("end", "pauses"),
    [(lambda: sys.exit(1), ["1 s", "2 s"]), (lambda: os.kill(os.getpid(), signal.SIGKILL), ["1 s", "1 s"])],
    ids=["that cannot start", "that was killed"],
)
def test_a_cluster_that_ends_of_itself_at_once_is_started_ever_later(
    end: Callable[[], None], pauses: list[str]
) -> None:
    log, stop = logging.getLogger("signals_app.supervisor"), Stop()
    log.addHandler(stop)
    try:
        assert Supervisor(end, queue="sigdemo").run() == 0
    finally:
        log.removeHandler(stop)
    assert stop.pauses == pauses


@pytest.mark.usefixtures("as_before")
def test_a_signal_that_comes_while_it_looks_is_passed_on_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_running = multiprocessing.get_context("fork").Event()

    def run() -> None:
        is_running.set()
        time.sleep(5)

    def look(detector: supervisor.StallDetector) -> None:
        is_running.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(supervisor, "LOOK", 60)
    monkeypatch.setattr(supervisor.StallDetector, "reason", look)
    assert Supervisor(run, queue="sigdemo").run() == 0
    assert "The cluster of sigdemo ended with status -15." in caplog.text  # and did not sleep out


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_a_supervisor_that_goes_takes_its_cluster_along(own_cluster: Cluster, end: signal.Signals) -> None:
    family = own_cluster.family()
    own_cluster.stop(end)
    wait_until(lambda: not any(map(is_alive, family)), "the end of the cluster")


def test_paused_work_waits_no_cluster_is_restarted_for_it_and_it_runs_when_resumed(own_cluster: Cluster) -> None:
    family = own_cluster.family()
    ledger.pause(PauseKind.QUEUE, conf.queue)
    waiting = [enqueue(work, label="queue") for _ in range(3)]
    time.sleep(3)  # what is looked for is that nothing happens
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.READY, 0)}
    assert own_cluster.family() == family

    ledger.pause(PauseKind.RECEIVER, work.key)
    ledger.resume(PauseKind.QUEUE, conf.queue)
    wait_for_end([enqueue(nothing)])
    wait_until(lambda: Delivery.objects.filter(parked=True).count() == 3, "the parking of what is paused")
    assert not Effect.objects.exists()

    ledger.resume(PauseKind.RECEIVER, work.key)
    wait_for_end(waiting)
    assert Effect.objects.count() == 3
    assert own_cluster.family() == family
    assert "CRITICAL" not in own_cluster.log.read_text()


def test_a_cluster_that_stops_in_order_counts_as_gone_at_once(own_cluster: Cluster) -> None:
    wait_until(ledger.clusters, "a word of the cluster")
    assert own_cluster.stop() == 0
    stat = ClusterStat.objects.get()
    assert stat.expires_at <= stat.seen_at  # and not three seconds later
