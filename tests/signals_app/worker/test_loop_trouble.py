"""A worker whose claims fail, again and again."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import Error, OperationalError, ProgrammingError
from django.test import override_settings

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.models import ClusterStat, Delivery, State
from signals_app.processes.liveness import liveness
from signals_app.worker import loop
from tests.testapp.receivers import enqueue, nothing

pytestmark = pytest.mark.django_db(transaction=True)

GONE = 'relation "signals_app_delivery" does not exist'


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that the worker would have slept; whatever failed before is forgotten before and after."""
    slept: list[float] = []
    monkeypatch.setattr(
        "signals_app.worker.connections.time", SimpleNamespace(sleep=slept.append, monotonic=time.monotonic)
    )
    monkeypatch.setattr(loop, "_trouble", loop.Trouble())
    liveness.claim_succeeded()
    yield slept
    liveness.claim_succeeded()


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses with which the worker would have ended."""
    statuses: list[int] = []
    monkeypatch.setattr("signals_app.worker.loop.os._exit", statuses.append)
    return statuses


def fail(monkeypatch: pytest.MonkeyPatch, error: Error, times: int = 1) -> None:
    """Have claims fail so many times."""

    def claim(queue: str, **options: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "claim", claim)
        for _ in range(times):
            assert loop.drain(conf.queue) == 0


def test_it_waits_longer_from_one_to_the_next_and_goes_on_at_once_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    delivery = enqueue(nothing)
    fail(monkeypatch, ProgrammingError(GONE), times=8)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert caplog.messages.count(f"A worker of sigdemo cannot use the database: {GONE}") == 8
    assert loop.drain(conf.queue) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    fail(monkeypatch, ProgrammingError(GONE))
    assert pauses[8:] == [0.05]


def test_a_cluster_whose_claims_all_fail_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals_app.cluster.broker.CANNOT_CLAIM", 1e-9)
    broker = DeliveryBroker(conf.queue)
    fail(monkeypatch, ProgrammingError(GONE))
    enqueue(nothing)
    broker.set_stat("one", "package", 3)
    assert not ClusterStat.objects.exists()
    loop.drain(conf.queue)
    broker.set_stat("one", "package", 3)
    assert ClusterStat.objects.count() == 1


def test_a_database_that_is_away_is_no_fault_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, OperationalError("the database system is starting up"))
    assert liveness.failing == 0


@override_settings(SIGNALS_APP={"STALL": 1e-9})
def test_a_worker_whose_claims_alone_fail_ends(
    monkeypatch: pytest.MonkeyPatch, ends: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    error = OperationalError("connection failed: Too many open files")
    fail(monkeypatch, error, times=2)
    assert not ends, "nobody else could claim either"
    liveness.claim_succeeded()
    fail(monkeypatch, error)
    assert ends == [70]
    assert "The claims of this worker alone have failed for 0 s; it ends." in caplog.text
    assert not Delivery.objects.exists()
