"""A worker's hold on deliveries."""

import math

import pytest
from django.db import connection
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery, Failure, claims, coalescing, endings, outcomes
from signals_app.ledger.due import _FIRST
from signals_app.ledger.pauses import _PARK
from signals_app.models import Delivery, Outcome, State
from tests.query_plan import query_plan
from tests.signals_app.console.admin.rows import copies
from tests.signals_app.ledger.acts import claim, claimed, put
from tests.signals_app.threads import at_the_same_time
from tests.testapp.receivers import enqueue, nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_claim_takes_a_delivery_with_its_payload() -> None:
    delivery = enqueue(work, label="mine")
    (taken,) = claim("vm/boot/12/34")
    assert (taken.id, taken.emission, taken.receiver) == (delivery.id, delivery.emission, work.key)
    assert taken.payload == delivery.payload
    assert (taken.attempt, taken.max_attempts, taken.token) == (1, conf.max_attempts, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.token) == (State.RUNNING, 1, 1)
    assert delivery.owner == "vm/boot/12/34"
    assert delivery.lease_until is not None
    assert delivery.started_at is not None
    assert 25 < (delivery.lease_until - delivery.started_at).total_seconds() <= 30


def test_a_claimed_delivery_is_not_claimed_again() -> None:
    put()
    assert len(claim()) == 1
    assert claim() == []


def test_claims_follow_priority_then_due_time_then_id() -> None:
    first = put()
    low, second, high = put(priority=-1), put(due_at=first.due_at), put(priority=7)
    assert claimed(3) == [high.id, first.id, second.id]
    assert claimed() == [low.id]


def test_what_is_due_later_or_in_another_queue_is_left_whatever_its_priority() -> None:
    now, there = put(), put(queue="elsewhere", priority=9)
    put(priority=9, due_at=now.due_at.replace(year=2999))
    assert [claimed(), claimed(), claimed(queue="elsewhere")] == [[now.id], [], [there.id]]


def test_a_claim_that_was_taken_over_can_write_nothing() -> None:
    put()
    (stale,) = claim()
    ledger.give_back([stale])
    (fresh,) = claim()
    assert (fresh.owner, fresh.token) == (stale.owner, stale.token + 1)
    assert_that_writes_nothing(stale)


def test_a_claim_that_a_crash_of_the_server_took_back_can_write_nothing() -> None:
    delivery = put()
    (forgotten,) = claim("before")
    Delivery.objects.filter(pk=delivery.pk).update(state=State.READY, attempts=0, token=0, owner="")
    (fresh,) = claim("after")
    assert (fresh.attempt, fresh.token) == (forgotten.attempt, forgotten.token)
    assert_that_writes_nothing(forgotten)
    assert ledger.defer(fresh, delay=-1)
    assert (ledger.is_deferred(fresh), ledger.is_deferred(forgotten)) == (True, False)
    (fresh,) = claim("after")
    assert ledger.succeed(fresh, ran=1)
    assert not ledger.is_successful(forgotten)


def assert_that_writes_nothing(claimed: ClaimedDelivery) -> None:
    before = Delivery.objects.filter(pk=claimed.id).values().get()
    assert not ledger.renew(claimed, lease=60)
    assert not ledger.report_progress(claimed, done=1, total=2)
    assert not ledger.succeed(claimed, ran=1)
    assert not ledger.give_back_unroutable(claimed, delay=1)
    assert not ledger.defer(claimed, delay=1)
    failure = Failure(outcome=Outcome.ERROR, state=State.FAILED, ran=1)
    assert not ledger.record_failure(claimed, failure)
    ledger.give_back([claimed])
    assert Delivery.objects.filter(pk=claimed.id).values().get() == before
    assert before["state"] == State.RUNNING


def test_what_is_given_back_was_never_attempted() -> None:
    delivery = put()
    ledger.give_back(claim())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.READY, 0)
    assert (delivery.lease_until, delivery.started_at, delivery.unroutable) == (None, None, False)
    assert claimed() == [delivery.id]


@pytest.mark.parametrize("query", [claims._CLAIM, claims._CLAIM_TOP, claims._CLAIM_AHEAD, "{due}", _FIRST])
def test_a_claim_and_a_look_read_one_range_of_the_index_of_claims(query: str) -> None:
    for _ in range(50):
        put()
    plan = query_plan(query, queue="sigdemo", owner="", limit=1, delay=1, false=False, priority=0, since="2020-01-01")
    assert "signals_app_claim" in plan
    assert "SCAN d\n" not in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    ("query", "times"),
    [
        (outcomes.SUCCEED, 1),
        (claims._CLAIM, 1),
        (claims._CLAIM_TOP, 1),
        (claims._CLAIM_AHEAD, 1),
        (claims._CLAIM_NEXT, 2),
        (coalescing._TAKE_OVER, 1),
        (endings._BRING_BACK, 2),
        (_PARK, 2),
    ],
)
def test_what_is_written_to_is_found_by_its_id_though_the_database_last_counted_when_nothing_waited(
    query: str, times: int
) -> None:
    copies(put(state=State.SUCCESSFUL, finished_at=timezone.now()), 500)
    written = {"id": 1, "token": 1, "owner": "", "ago": 0, "done": 0, "total": 0, "result": ""}
    taken = {"queue": "sigdemo", "limit": 1, "delay": 1, "false": False, "priority": 0, "since": "2020-01-01"}
    merged = {"started_at": "2020-01-01", "bucket": "", "booked": False}
    plan = query_plan(query, **written, **taken, **merged, lane="one", slots=1)
    by_id = {"sqlite": "delivery USING INTEGER PRIMARY KEY", "postgresql": "signals_app_delivery_pkey"}
    assert plan.count(by_id[connection.vendor]) == times, plan


def test_what_a_drain_claims_next_begins_where_a_slow_claim_ended_and_misses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "SLOW", 0)
    ids = [put().id for _ in range(4)]
    late = put(queue="elsewhere", due_at="2020-01-01T00:00Z").id
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

    def take() -> list[int]:
        taken: list[int] = []
        while some := claimed(3):
            taken += some
        return taken

    taken = [one for mine in at_the_same_time(*[take] * 4) for one in mine]
    assert len(taken) == len(ids)
    assert set(taken) == ids
