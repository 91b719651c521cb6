"""What a worker holds without knowing is given back; what it began is not."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import OperationalError, transaction

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, State
from signals_app.processes.identity import current_process
from signals_app.worker import loop
from signals_app.worker.isolation import Isolation
from signals_app.worker.loop import UncertainClaims
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

ME = str(current_process())


def claim(limit: int = 1, *, owner: str = ME) -> list[ClaimedDelivery]:
    return ledger.claim(conf.queue, owner=owner, limit=limit, lease=30)


def standing() -> list[tuple[str, int]]:
    return list(Delivery.objects.order_by("id").values_list("state", "attempts"))


@pytest.fixture
def claims() -> UncertainClaims:
    return UncertainClaims()


def test_what_was_claimed_and_not_begun_goes_back_uncharged(claims: UncertainClaims) -> None:
    for _ in range(3):
        enqueue(receivers.work)
    claim(2)
    claim(owner="another process")
    claims.is_open = True
    claims.release_unstarted(conf.queue, owner=ME)
    assert standing() == [(State.READY, 0), (State.READY, 0), (State.RUNNING, 1)]
    assert not claims.is_open


def test_what_was_begun_waits_for_its_lease(claims: UncertainClaims) -> None:
    enqueue(receivers.work)
    enqueue(receivers.work)
    begun, _ = claim(2)
    claims.begun.append((begun.id, begun.token))
    claims.is_open = True
    claims.release_unstarted(conf.queue, owner=ME)
    assert standing() == [(State.RUNNING, 1), (State.READY, 0)]


def test_what_is_certain_is_not_given_back(claims: UncertainClaims) -> None:
    enqueue(receivers.work)
    claim()
    claims.release_unstarted(conf.queue, owner=ME)
    assert standing() == [(State.RUNNING, 1)]


def test_a_claim_whose_answer_was_lost_is_given_back_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(receivers.work)
    make_a_claim = ledger.claim

    def cut_after(queue: str, **options: Any) -> list[ClaimedDelivery]:
        make_a_claim(queue, **options)
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "claim", cut_after)
        assert loop.drain(conf.queue) == 0
    assert standing() == [(State.READY, 0)]
    assert "A worker of sigdemo cannot reach the database: server closed the connection unexpectedly" in caplog.text
    assert "1 claimed deliveries that had not begun are given back." in caplog.text
    assert loop.drain(conf.queue) == 1
    assert standing() == [(State.SUCCESSFUL, 1)]
    assert not Attempt.objects.exists()


@pytest.fixture
def no_transaction(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first transaction that is asked for is refused, as by a database that is locked or gone."""
    begin = transaction.Atomic.__enter__
    errors = [OperationalError("database is locked")]

    def refused(block: transaction.Atomic) -> None:
        if errors:
            raise errors.pop()
        begin(block)

    with monkeypatch.context() as patch:
        patch.setattr(transaction.Atomic, "__enter__", refused)
        yield
    assert not errors


@pytest.mark.usefixtures("no_transaction")
def test_an_atomic_receiver_that_gets_no_transaction_is_not_charged(caplog: pytest.LogCaptureFixture) -> None:
    delivery = enqueue(receivers.atomic_work)
    loop.drain(conf.queue)
    assert f"Delivery {delivery.id} goes back before it began: database is locked" in caplog.text
    loop.drain(conf.queue)
    assert standing() == [(State.SUCCESSFUL, 1)]
    assert not Attempt.objects.exists()


def test_what_cannot_be_given_back_now_is_given_back_before_the_drain_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost, other = enqueue(receivers.work), enqueue(receivers.nothing)
    Delivery.objects.filter(pk=lost.pk).update(losses=1, due_at=other.due_at)
    give_back = ledger.give_back
    errors = [OperationalError("database is locked")]

    def fails_first(claimed: Sequence[ClaimedDelivery]) -> None:
        if errors:
            raise errors.pop()
        give_back(claimed)

    monkeypatch.setattr(ledger, "give_back", fails_first)
    claimed = claim(2)
    assert loop._run_all(claimed, Isolation()) == 1
    assert "1 deliveries cannot be given back yet: database is locked" in caplog.text
    assert loop.drain(conf.queue) == 1
    assert standing() == [(State.SUCCESSFUL, 1)] * 2
