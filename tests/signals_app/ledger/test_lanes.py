"""Lanes: what may begin, what is parked behind it, and what comes back when something ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.ledger.claims import _CLAIM_NEXT
from signals_app.ledger.endings import _BRING_BACK
from signals_app.ledger.lanes import _BEGIN_FIRST, _STANDING_STILL
from signals_app.models import Delivery, Outcome, PauseKind, State
from tests.cluster import wait_until
from tests.query_plan import query_plan
from tests.signals_app.ledger.acts import claim, put
from tests.signals_app.threads import at_the_same_time
from tests.testapp.receivers import blocks_its_lane, enqueue, in_lane, two_at_a_time

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def claimed(owner: str = "me", limit: int = 10) -> list[ClaimedDelivery]:
    return claim(owner, limit=limit)


def begins(one: ClaimedDelivery, slots: int = 0) -> bool:
    """Do what a worker does before it runs a delivery."""
    if ledger.begin_in_lane(one, slots=slots):
        return True
    ledger.park_behind([one], slots=slots)
    return False


def failed(one: ClaimedDelivery, state: State = State.FAILED, delay: float = 0) -> bool:
    end = Failure(outcome=Outcome.ERROR, state=state, ran=1, message="told to", delay=delay)
    return ledger.record_failure(one, end)


def behind() -> list[int]:
    return list(
        Delivery.objects.filter(behind=True, parked=True, state=State.READY).order_by("pk").values_list("pk", flat=True)
    )


def test_of_a_lane_the_first_begins_and_the_others_wait_unattempted_until_it_ends() -> None:
    first, second, third = (enqueue(in_lane).id for _ in range(3))
    other = enqueue(in_lane, label="other").id
    (one,), (two, three, elsewhere) = claimed("a", limit=1), claimed("b")
    assert [begins(each) for each in (elsewhere, three, two, one)] == [True, False, False, True]
    assert behind() == [second, third]
    assert set(Delivery.objects.filter(pk__in=behind()).values_list("attempts", "started_at")) == {(0, None)}
    assert not claimed()
    assert ledger.succeed(one, ran=1)
    assert behind() == [third]
    (two,) = claimed()
    assert (two.id, two.attempt) == (second, 1)
    assert begins(two)
    assert ledger.succeed(elsewhere, ran=0)
    assert behind() == [third], "it is of another lane"
    assert ledger.succeed(two, ran=0)
    assert [one.id for one in claimed()] == [third]
    assert {first, other} == set(Delivery.objects.filter(state=State.SUCCESSFUL).values_list("pk", flat=True)) - {
        second
    }


def test_the_database_lets_no_two_of_a_lane_have_one_slot() -> None:
    enqueue(in_lane)
    enqueue(in_lane)
    one, two = claimed()
    assert begins(one)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=two.id).update(slot=0)


ENDS: list[tuple[str, Callable[[ClaimedDelivery], Any]]] = [
    ("success", lambda one: ledger.succeed(one, ran=1)),
    ("failure", failed),
    ("skip", lambda one: failed(one, State.CANCELLED)),
    ("cancel", lambda one: ledger.cancel([one.id])),
]


@pytest.mark.parametrize(("how", "end"), ENDS)
def test_whoever_ends_the_head_brings_the_next(how: str, end: Callable[[ClaimedDelivery], Any]) -> None:
    enqueue(in_lane)
    second = enqueue(in_lane).id
    one, two = claimed()
    assert [begins(one), begins(two)] == [True, False]
    assert end(one)
    assert [each.id for each in claimed()] == [second]


def test_a_head_that_waits_for_its_retry_or_was_put_off_keeps_its_lane_waiting() -> None:
    first, second = enqueue(in_lane).id, enqueue(in_lane).id
    one, two = claimed()
    assert [begins(one), begins(two)] == [True, False]
    failed(one, State.READY, delay=60)
    assert behind() == [second]
    ledger.run_now([first])
    (one,) = claimed()
    assert begins(one)
    ledger.defer(one, delay=60)
    assert behind() == [second]
    assert ledger.cancel([first]) == [first]
    assert behind() == []


def test_what_is_retried_by_hand_has_its_old_place_in_its_lane() -> None:
    first, second, third = (enqueue(in_lane).id for _ in range(3))
    ledger.cancel([first])
    two, three = claimed()
    assert [begins(two), begins(three)] == [True, False]
    assert ledger.retry([first], attempts=1) == [first]
    (one,) = claimed()
    assert not begins(one), "two has begun already"
    assert behind() == [first, third]
    failed(two, State.READY, delay=60)
    assert behind() == [third], "the first is the head again, and nothing of the lane runs"
    (one,) = claimed()
    assert begins(one)
    ledger.succeed(one, ran=0)
    assert behind() == [third], "the second is the head, and waits for its retry"
    assert second in Delivery.objects.filter(state=State.READY, behind=False).values_list("pk", flat=True)


def test_a_failed_head_that_blocks_is_waited_for_until_its_lane_is_freed_or_it_is_retried() -> None:
    first, second = enqueue(blocks_its_lane).id, enqueue(blocks_its_lane).id
    one, two = claimed()
    assert [begins(one), begins(two)] == [True, False]
    failed(one)
    assert behind() == [second]
    assert ledger.mend_lanes() == ""
    assert behind() == [second]
    late = enqueue(in_lane)
    (three,) = claimed()
    assert not begins(three)
    assert behind() == [second, late.id]
    assert ledger.retry([first], attempts=1)
    (one,) = claimed()
    assert begins(one)
    failed(one)
    assert behind() == [second, late.id]
    assert ledger.free([first, second]) == [first]
    assert behind() == [late.id]
    assert ledger.free([first]) == []


def test_of_a_receiver_with_concurrency_so_many_run_and_whoever_frees_a_slot_brings_one() -> None:
    for _ in range(5):
        enqueue(two_at_a_time)
    one, two, three, *more = claimed()
    assert [begins(each, 2) for each in (three, one, two, *more)] == [True, True, False, False, False]
    assert set(Delivery.objects.filter(state=State.RUNNING).values_list("slot", flat=True)) == {0, 1}
    ledger.succeed(one, ran=1)
    (again,) = claimed()
    assert again.id == two.id
    failed(three, State.READY, delay=60)
    (four,) = claimed()
    assert [begins(again, 2), begins(four, 2)] == [True, True], "one waits for its backoff, and does not count"
    assert [begins(each, 2) for each in claimed()] == [False]
    assert len(behind()) == 1


def test_more_slots_than_before_take_effect_at_once_and_fewer_as_they_are_freed() -> None:
    for _ in range(7):
        enqueue(two_at_a_time)
    one, *others = claimed()
    assert [begins(each, 1) for each in (one, *others)] == [True, *[False] * 6]
    ledger.succeed(one, ran=1)
    begun: list[ClaimedDelivery] = []
    while found := claimed():
        begun += [replace(each, slots=3) for each in found if begins(each, 3)]
    assert (len(begun), len(behind())) == (3, 3)
    ledger.succeed(begun[0], ran=1)
    (again,) = claimed()
    assert begins(again, 3)
    ledger.succeed(begun[1], ran=1)
    (less,) = claimed()
    assert not begins(less, 1)
    assert Delivery.objects.filter(state=State.RUNNING).count() == 2


def test_a_batch_of_one_lane_is_handed_on_within_the_worker_and_claims_what_is_behind() -> None:
    ids = [enqueue(in_lane).id for _ in range(5)]
    one, two = claimed(limit=2)
    (three,) = claimed("b", limit=1)
    assert begins(one)
    assert not begins(three)
    assert behind() == ids[2:], "the worker that waits parks all that it finds"
    assert ledger.succeed(one, ran=0, hand_on=lambda: ledger.hand_on(two))
    assert Delivery.objects.get(pk=two.id).slot == 0
    assert behind() == ids[2:]
    with transaction.atomic():
        found = ledger.claim_next(two, limit=2, lease=30)
        assert found == [], "it has not ended yet"

        def hand_on() -> bool:
            found.extend(ledger.claim_next(two, limit=2, lease=30))
            return ledger.hand_on(found[0])

        assert ledger.succeed(two, ran=0, hand_on=hand_on)
    assert [(each.id, each.owner, each.attempt) for each in found] == [(ids[2], "me", 1), (ids[3], "me", 1)]
    assert behind() == ids[4:]


def test_a_success_and_the_begin_of_the_next_are_written_together() -> None:
    ids = [enqueue(in_lane).id for _ in range(4)]
    one, two, three, four = claimed()
    assert begins(one)
    assert ledger.succeed_and_hand_on(one, two, ran=1.5, done=1, total=2, result="3") == (True, True)
    ended, begun = Delivery.objects.get(pk=one.id), Delivery.objects.get(pk=two.id)
    assert (ended.state, ended.progress_done, ended.progress_total, ended.result) == (State.SUCCESSFUL, 1, 2, "3")
    assert ended.started_at
    assert ended.finished_at
    assert ended.finished_at - ended.started_at == timedelta(seconds=1.5)
    assert (begun.state, begun.slot) == (State.RUNNING, 0)
    assert ledger.succeed_and_hand_on(one, three, ran=0) == (False, False), "it has ended before"
    assert ledger.succeed_and_hand_on(two, four, ran=0) == (True, False), "the third comes first"
    assert ledger.succeed_and_hand_on(replace(three, token=2), four, ran=0) == (False, False)
    assert list(Delivery.objects.filter(slot=0, state=State.RUNNING)) == []
    assert begins(three)
    assert ledger.succeed_and_hand_on(three, replace(four, token=2), ran=0) == (True, False), "another's by now"
    assert Delivery.objects.filter(pk__in=ids, state=State.SUCCESSFUL).count() == 3


def test_where_the_next_does_not_begin_what_is_behind_comes_back() -> None:
    ids = [enqueue(in_lane).id for _ in range(3)]
    (one,), (two, three) = claimed("a", limit=1), claimed("b")
    assert [begins(each) for each in (one, two)] == [True, False]
    assert behind() == [ids[1]]
    assert ledger.succeed_and_hand_on(one, replace(three, owner=one.owner), ran=0) == (True, False)
    assert behind() == []


@pytest.mark.parametrize("prevents", ["a later due time", "another queue", "a paused receiver", "a paused queue"])
def test_a_worker_takes_on_nothing_of_a_lane_that_it_may_not_claim(prevents: str) -> None:
    enqueue(in_lane)
    second = enqueue(in_lane).id
    one, two = claimed()
    assert [begins(one), begins(two)] == [True, False]
    if prevents == "a later due time":
        Delivery.objects.filter(pk=second).update(due_at=timezone.now() + timedelta(hours=1))
    elif prevents == "another queue":
        Delivery.objects.filter(pk=second).update(queue="elsewhere")
    else:
        is_queue = prevents == "a paused queue"
        ledger.pause(*(PauseKind.QUEUE, conf.queue) if is_queue else (PauseKind.RECEIVER, in_lane.key))
    with transaction.atomic():
        assert ledger.succeed(one, ran=0, hand_on=lambda: bool(ledger.claim_next(one, limit=2, lease=30)))
    assert Delivery.objects.get(pk=second).state == State.READY
    assert behind() == []


@pytest.mark.django_db(transaction=True)
def test_what_is_parked_while_its_head_ends_comes_back() -> None:
    enqueue(in_lane)
    second = enqueue(in_lane).id
    one, two = claimed()
    assert begins(one)
    has_ended, is_parked = Event(), Event()

    def end() -> None:
        with transaction.atomic():
            ledger.succeed(one, ran=0)
            has_ended.set()
            if connection.vendor == "postgresql":
                wait_until(lambda: is_parked.is_set() or waits_for_a_lock(), "the other one")

    def park() -> None:
        assert has_ended.wait(10)
        ledger.park_behind([two], slots=0)
        is_parked.set()

    at_the_same_time(end, park)
    assert behind() == []
    assert [each.id for each in claimed()] == [second]


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("receiver", "slots"), [(in_lane, 0), (two_at_a_time, 2)])
def test_of_many_that_try_to_begin_at_the_same_time_no_more_than_may_succeed(
    receiver: QueuedReceiver, slots: int
) -> None:
    for _ in range(12):
        enqueue(receiver)
    found = claimed(limit=12)
    begun = at_the_same_time(*(lambda one=one: ledger.begin_in_lane(one, slots=slots) for one in found))
    assert sum(begun) == (slots or 1)
    assert slots or begun[0]


def test_what_a_deleted_head_left_parked_is_brought_back_by_a_look_that_goes_round() -> None:
    for label in "abc":
        enqueue(in_lane, label=label)
    seconds = [enqueue(in_lane, label=label).id for label in "abc"]
    for one in claimed():
        begins(one)
    assert behind() == seconds
    Delivery.objects.filter(state=State.RUNNING).delete()
    after = ledger.mend_lanes(limit=2)
    assert (after, behind()) == ("b", seconds[2:])
    assert ledger.mend_lanes(after, limit=2) == ""
    assert behind() == []


def test_whoever_brings_back_what_is_in_another_queue_wakes_its_pusher(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(ledger.database(connection), "wake", woken.append, raising=False)
    enqueue(in_lane)
    put(in_lane, queue="elsewhere")
    (one,), (two,) = claimed(), claim(queue="elsewhere")
    assert [begins(one), begins(two)] == [True, False]
    ledger.succeed(one, ran=0)
    assert woken == ["elsewhere"]


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (_BRING_BACK, {"signals_app_behind", "signals_app_lane", "signals_app_one_a_slot", "signals_app_blocking"}),
        (_BEGIN_FIRST, {"signals_app_lane", "signals_app_one_a_slot", "signals_app_blocking"}),
        (_STANDING_STILL, {"signals_app_behind", "signals_app_lane", "signals_app_one_a_slot"}),
        (_CLAIM_NEXT, {"signals_app_behind", "signals_app_lane", "signals_app_one_a_slot", "signals_app_blocking"}),
    ],
)
def test_lanes_are_looked_up_by_indexes_of_their_own(query: str, indexes: set[str]) -> None:
    claim = {"queue": "sigdemo", "delay": 1, "false": False}
    plan = query_plan(query, lane="one", limit=10, slots=1, id=1, token=1, owner="me", after="", **claim)
    assert "signals_app_claim" not in plan
    assert {name for name in indexes if name not in plan} == set()
    assert "Seq Scan on signals_app_delivery" not in plan
    assert "SCAN signals_app_delivery" not in plan
