"""A worker's hold on deliveries."""

import math
import threading
from typing import Any

import pytest
from django.db import connection, connections

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery, claims
from signals_app.ledger.claims import _CLAIM, _CLAIM_AHEAD
from signals_app.models import Delivery, State
from tests.query_plan import query_plan
from tests.testapp.receivers import enqueue, in_another_queue, nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def claim(limit: int = 10, owner: str = "me", lease: float = 30, queue: str = "") -> list[ClaimedDelivery]:
    return ledger.claim(queue or conf.queue, owner=owner, limit=limit, lease=lease)


def prepare(delivery: Delivery, **changes: Any) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
    return delivery


def test_a_claim_takes_a_delivery_with_its_payload() -> None:
    delivery = enqueue(work, label="mine")
    (claimed,) = claim(owner="vm/boot/12/34")
    assert (claimed.id, claimed.emission, claimed.receiver) == (delivery.id, delivery.emission, work.key)
    assert claimed.payload == delivery.payload
    assert (claimed.attempt, claimed.max_attempts, claimed.token) == (1, conf.max_attempts, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.token) == (State.RUNNING, 1, 1)
    assert delivery.owner == "vm/boot/12/34"
    assert delivery.lease_until is not None
    assert delivery.started_at is not None
    assert 25 < (delivery.lease_until - delivery.started_at).total_seconds() <= 30


def test_a_claimed_delivery_is_not_claimed_again() -> None:
    enqueue(nothing)
    assert len(claim()) == 1
    assert claim() == []


def test_claims_follow_priority_then_due_time_then_id() -> None:
    low, first, second, high = (enqueue(nothing) for _ in range(4))
    moment = first.due_at
    prepare(low, priority=-1)
    prepare(high, priority=7)
    prepare(second, due_at=moment)
    assert [one.id for one in claim(limit=3)] == [high.id, first.id, second.id]
    assert [one.id for one in claim()] == [low.id]


def test_a_claim_takes_no_more_than_its_limit_and_the_right_ones_of_several_bands() -> None:
    for priority in (1, 5, 3, 5, 1):
        prepare(enqueue(nothing), priority=priority)
    taken = [Delivery.objects.get(pk=one.id).priority for _ in range(3) for one in claim(limit=2)]
    assert taken == [5, 5, 3, 1, 1]


def test_what_is_due_later_is_left_whatever_its_priority() -> None:
    later = enqueue(nothing)
    prepare(later, priority=9, due_at=later.due_at.replace(year=2999))
    now = enqueue(nothing)
    assert [one.id for one in claim()] == [now.id]
    assert claim() == []


def test_a_claim_stays_in_its_queue() -> None:
    there = enqueue(in_another_queue)
    assert claim() == []
    assert [one.id for one in claim(queue="elsewhere")] == [there.id]


def test_a_renewed_lease_lasts_longer() -> None:
    delivery = enqueue(nothing)
    (claimed,) = claim(lease=1)
    before = Delivery.objects.get(pk=delivery.pk).lease_until
    assert ledger.renew(claimed, lease=60)
    after = Delivery.objects.get(pk=delivery.pk).lease_until
    assert before is not None
    assert after is not None
    assert after > before


def test_a_claim_that_was_taken_over_can_write_nothing() -> None:
    delivery = enqueue(nothing)
    (stale,) = claim(owner="stale")
    ledger.give_back([stale])
    (fresh,) = claim(owner="fresh")
    assert fresh.token == stale.token + 1
    assert not ledger.renew(stale, lease=60)
    assert not ledger.report_progress(stale, done=1, total=2)
    assert not ledger.succeed(stale, ran=1)
    assert not ledger.give_back_unroutable(stale, delay=1)
    ledger.give_back([stale])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.owner, delivery.progress_done) == (State.RUNNING, "fresh", 0)


def test_what_is_given_back_was_never_attempted() -> None:
    delivery = enqueue(nothing)
    ledger.give_back(claim())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.owner) == (State.READY, 0, "")
    assert (delivery.lease_until, delivery.started_at) == (None, None)
    assert not delivery.unroutable
    assert len(claim()) == 1


def test_an_unroutable_delivery_is_flagged_uncharged_and_due_later() -> None:
    delivery = enqueue(nothing)
    (claimed,) = claim()
    assert ledger.give_back_unroutable(claimed, delay=60)
    due_at = delivery.due_at
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.unroutable) == (State.READY, 0, True)
    assert 55 < (delivery.due_at - due_at).total_seconds() < 120
    assert claim() == []


@pytest.mark.parametrize("query", [_CLAIM, _CLAIM_AHEAD])
def test_a_claim_reads_one_range_of_its_index(query: str) -> None:
    for _ in range(50):
        enqueue(nothing)
    plan = query_plan(query, queue="sigdemo", owner="", limit=1, delay=1, false=False, priority=0, since="2020-01-01")
    assert "signals_app_claim" in plan
    assert "SCAN d\n" not in plan
    assert "Seq Scan" not in plan


def test_what_a_drain_claims_next_begins_where_a_slow_claim_ended_and_misses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "SLOW", 0)
    ids = [enqueue(nothing).id for _ in range(4)]
    late = enqueue(nothing).id
    Delivery.objects.filter(pk=late).update(queue="elsewhere", due_at="2020-01-01T00:00Z")
    ahead = claims.Ahead()

    def take() -> list[int]:
        return [one.id for one in ledger.claim("sigdemo", owner="me", limit=1, lease=30, ahead=ahead)]

    assert [take(), take()] == [[ids[0]], [ids[1]]]
    Delivery.objects.filter(pk=late).update(queue="sigdemo")
    if connection.vendor == "postgresql":
        ahead.until = math.inf
        assert [take(), take(), take()] == [[ids[2]], [ids[3]], [late]], "at the latest when nothing is left ahead"
    else:
        assert [take(), take(), take()] == [[late], [ids[2]], [ids[3]]], "SQLite keeps no entries of what is done"
    assert take() == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_the_same_time_never_get_the_same_delivery() -> None:
    ids = {enqueue(nothing).id for _ in range(120)}
    taken: list[int] = []

    def take() -> None:
        try:
            while claimed := claim(limit=3):
                taken.extend(one.id for one in claimed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(ids)
    assert set(taken) == ids
