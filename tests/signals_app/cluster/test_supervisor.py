"""A cluster that dies or stands still comes back by itself; nothing of the old one is left."""

import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signals_app.cluster.supervisor import Supervisor
from tests.cluster import Cluster, is_alive, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def own_cluster(transactional_db: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, that notices quickly when it stands still."""
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"STALL": 2}') as running:
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


@pytest.mark.parametrize(
    ("end", "pauses"),
    [(lambda: sys.exit(1), ["1 s", "2 s"]), (lambda: os.kill(os.getpid(), signal.SIGKILL), ["1 s", "1 s"])],
    ids=["that cannot start", "that was killed"],
)
def test_a_cluster_that_ends_of_itself_at_once_is_started_ever_later(
    end: Callable[[], None], pauses: list[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    log, stop = logging.getLogger("signals_app.supervisor"), Stop()
    log.addHandler(stop)
    try:
        assert Supervisor(end, queue="sigdemo").run() == 0
    finally:
        log.removeHandler(stop)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert stop.pauses == pauses


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_a_supervisor_that_goes_takes_its_cluster_along(own_cluster: Cluster, end: signal.Signals) -> None:
    family = own_cluster.family()
    own_cluster.stop(end)
    wait_until(lambda: not any(map(is_alive, family)), "the end of the cluster")
