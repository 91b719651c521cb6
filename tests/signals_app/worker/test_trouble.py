"""A database that fails over a claim, a return or a record: a worker asks again, and gives back what it never began."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.test import override_settings

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery
from signals_app.models import ClusterStat, Delivery, State
from signals_app.processes.identity import current_process
from signals_app.processes.liveness import liveness
from signals_app.worker import loop
from signals_app.worker.connections import reconnect, retry_while_unavailable
from signals_app.worker.isolation import Isolation
from signals_app.worker.loop import UncertainClaims
from tests.signals_app.listeners import Failing
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

ME = str(current_process())
Fail = Callable[..., None]

GONE = 'relation "signals_app_delivery" does not exist'


def raising(errors: list[Error]) -> Callable[[], object]:
    """Return a function that raises these one after another, and then returns the session that it has."""

    def work() -> object:
        if errors:
            raise errors.pop(0)
        connection.ensure_connection()
        return connection.connection

    return work


# Asking again


@pytest.mark.parametrize("kind", [InterfaceError, InternalError, NotSupportedError, ProgrammingError])
def test_it_asks_again_on_a_new_connection_until_the_database_answers(
    kind: type[Error], caplog: pytest.LogCaptureFixture
) -> None:
    connection.ensure_connection()
    first = connection.connection
    work = raising([OperationalError("the system is starting up"), kind("cannot execute UPDATE")])
    assert retry_while_unavailable(work, seconds=30) is not first
    assert caplog.messages == ["The database is asked again for up to 30 s: the system is starting up"]


def test_it_gives_up_when_the_time_is_over() -> None:
    errors: list[Error] = [OperationalError("database is locked")] * 1_000
    with pytest.raises(OperationalError, match="database is locked"):
        retry_while_unavailable(raising(errors), seconds=0.2)
    assert len(errors) < 999


@pytest.mark.parametrize("kind", [DataError, IntegrityError])
def test_it_does_not_ask_again_where_a_value_is_refused(kind: type[Error]) -> None:
    with pytest.raises(kind):
        retry_while_unavailable(raising([kind("no such delivery")]), seconds=30)


def test_it_does_not_ask_again_within_a_transaction() -> None:
    with transaction.atomic():
        assert not reconnect(OperationalError("gone"))
        with pytest.raises(OperationalError):
            retry_while_unavailable(raising([OperationalError("server closed the connection")]), seconds=30)


# Claims that fail again and again


@pytest.fixture
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
def fail(pauses: list[float], failing: Failing) -> Fail:
    """Return a function that has claims fail with an error so many times."""

    def claim_in_vain(error: Error, times: int = 1) -> None:
        failing("claim", *[error] * times)
        for _ in range(times):
            assert loop.drain(conf.queue) == 0

    return claim_in_vain


def test_it_waits_longer_from_one_to_the_next_and_goes_on_at_once_when_it_is_over(
    fail: Fail, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    delivery = enqueue(receivers.nothing)
    fail(ProgrammingError(GONE), times=8)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert caplog.messages.count(f"A worker of sigdemo cannot use the database: {GONE}") == 8
    assert loop.drain(conf.queue) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    fail(OperationalError("the database system is starting up"))
    assert pauses[8:] == [0.05]
    assert liveness.failing == 0, "a database that is away is no fault of the cluster"


def test_a_cluster_whose_claims_all_fail_counts_as_none(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals_app.cluster.broker.CANNOT_CLAIM", 1e-9)
    broker = DeliveryBroker(conf.queue)
    fail(ProgrammingError(GONE))
    enqueue(receivers.nothing)
    broker.set_stat("one", "package", 3)
    assert not ClusterStat.objects.exists()
    loop.drain(conf.queue)
    broker.set_stat("one", "package", 3)
    assert ClusterStat.objects.count() == 1


@override_settings(SIGNALS_APP={"STALL": 1e-9})
def test_a_worker_whose_claims_alone_fail_ends(
    fail: Fail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[int] = []
    monkeypatch.setattr("signals_app.worker.loop.os._exit", ends.append)
    error = OperationalError("connection failed: Too many open files")
    fail(error, times=2)
    assert not ends, "nobody else could claim either"
    liveness.claim_succeeded()
    fail(error)
    assert ends == [70]
    assert "The claims of this worker alone have failed for 0 s; it ends." in caplog.text


# Claims that may stand although nobody knows of them


def claim(limit: int = 1, *, owner: str = ME) -> list[ClaimedDelivery]:
    return ledger.claim(conf.queue, owner=owner, limit=limit, lease=30)


def standing() -> list[tuple[str, int]]:
    return list(Delivery.objects.order_by("id").values_list("state", "attempts"))


def test_only_what_was_claimed_here_and_not_begun_goes_back_and_is_not_charged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    claims = UncertainClaims()
    for _ in range(4):
        enqueue(receivers.work)
    begun, *_ = claim(3)
    claim(owner="another process")
    claims.begun.append((begun.id, begun.token))
    claims.release_unstarted(conf.queue, owner=ME)
    assert standing() == [(State.RUNNING, 1)] * 4, "nothing is uncertain"
    claims.is_open = True
    claims.release_unstarted(conf.queue, owner=ME)
    assert standing() == [(State.RUNNING, 1), (State.READY, 0), (State.READY, 0), (State.RUNNING, 1)]
    assert not claims.is_open
    assert caplog.messages == ["2 claimed deliveries that had not begun are given back."]


def test_what_cannot_be_given_back_now_is_given_back_before_the_drain_ends(
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    lost, other = enqueue(receivers.work), enqueue(receivers.nothing)
    Delivery.objects.filter(pk=lost.pk).update(losses=1, due_at=other.due_at)
    failing("give_back", OperationalError("database is locked"))
    assert loop._run_all(claim(2), Isolation())[0] == 1
    assert "1 deliveries cannot be given back yet: database is locked" in caplog.text
    assert loop.drain(conf.queue) == 1
    assert standing() == [(State.SUCCESSFUL, 1)] * 2
