"""What a drain takes, and for how long, in the process of the test."""

from typing import Any

import pytest
from django.test import override_settings

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Delivery, State
from signals_app.processes.liveness import liveness
from signals_app.worker import loop
from signals_app.worker.isolation import Isolation
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_drain_ends_with_its_time_slice() -> None:
    for _ in range(3):
        enqueue(receivers.atomic_work, seconds=0.05)
    with override_settings(SIGNALS_APP={"TIME_SLICE": 0.01}):
        assert loop.drain(conf.queue) == 1
    assert loop.drain(conf.queue) == 2


def test_workers_that_are_told_to_stop_claim_nothing_more() -> None:
    enqueue(receivers.work)
    liveness.may_claim = False
    try:
        assert loop.drain(conf.queue) == 0
    finally:
        liveness.begin()
    assert loop.drain(conf.queue) == 1


def test_claims_grow_while_receivers_are_quick_and_start_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(40):
        enqueue(receivers.nothing)
    limits: list[int] = []
    claim = ledger.claim

    def watched(queue: str, **options: Any) -> list[ClaimedDelivery]:
        limits.append(options["limit"])
        return claim(queue, **options)

    monkeypatch.setattr(ledger, "claim", watched)
    monkeypatch.setattr(loop, "QUICK", 10)
    Delivery.objects.update(attempts=1)  # second attempts are taken together as well
    loop.drain(conf.queue)
    assert limits == [1, 2, 4, 8, 16, 16, 16]
    enqueue(receivers.nothing)
    enqueue(receivers.nothing)
    limits.clear()
    monkeypatch.setattr(loop, "QUICK", 0)
    loop.drain(conf.queue)
    assert limits == [1, 1, 1]


def test_a_delivery_that_was_ever_lost_never_shares_a_claim() -> None:
    first, second, third = (enqueue(receivers.nothing) for _ in range(3))
    Delivery.objects.filter(pk=second.pk).update(losses=1)
    claimed = ledger.claim(conf.queue, owner="", limit=3, lease=30)
    now, back = loop._apart(claimed)
    assert ([one.id for one in now], [one.id for one in back]) == ([first.id], [second.id, third.id])
    now, back = loop._apart(claimed[1:])
    assert ([one.id for one in now], [one.id for one in back]) == ([second.id], [third.id])


def test_a_worker_that_stood_still_makes_sure_of_its_lease() -> None:
    first, second = enqueue(receivers.work, label="1"), enqueue(receivers.work, label="2")
    claimed = ledger.claim(conf.queue, owner="", limit=2, lease=30)
    Delivery.objects.filter(pk=second.pk).update(token=99)
    with override_settings(SIGNALS_APP={"LEASE": 0}):
        assert loop._run_all(claimed, Isolation()) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.SUCCESSFUL, State.RUNNING)
    assert [e.label for e in Effect.objects.all()] == ["1"]
