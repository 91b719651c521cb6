"""Pause and resume: what is paused stays READY and is not claimed, and costs those that are not nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.cluster.stalls import StallDetector
from signals_app.conf import conf
from signals_app.ledger.operator import _BRING_BACK, _PARKED_IN_VAIN, PARK_AT_ONCE
from signals_app.models import Delivery, Pause, PauseKind, State
from signals_app.processes.liveness import liveness
from tests.query_plan import query_plan
from tests.signals_app.steps import steps_of
from tests.testapp.receivers import enqueue, gives_up, in_another_queue, nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]

CROWD = 100_000  # waiting deliveries of a paused receiver


def claim(limit: int = 10, queue: str = "") -> list[int]:
    return [one.id for one in ledger.claim(queue or conf.queue, owner="me", limit=limit, lease=30)]


def crowd(pattern: Delivery, count: int) -> None:
    """Write that many copies of a delivery, all due an hour before it."""
    names = [str(field.column) for field in Delivery._meta.concrete_fields if not field.primary_key]
    copied = ", ".join(names).replace("due_at", "%s")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO signals_app_delivery ({', '.join(names)}) WITH RECURSIVE n(i) AS "
            f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) SELECT {copied} FROM n, signals_app_delivery "
            "WHERE signals_app_delivery.id = %s",
            [count, pattern.due_at - timedelta(hours=1), pattern.id],
        )


def park_all() -> None:
    while ledger.park(conf.queue):
        pass


def test_a_paused_queue_gives_nothing_to_claims_and_its_work_stays_ready() -> None:
    here, there = enqueue(nothing), enqueue(in_another_queue)
    assert ledger.pause(PauseKind.QUEUE, conf.queue, by="ada")
    assert claim() == []
    assert claim(queue="elsewhere") == [there.id]
    here.refresh_from_db()
    assert (here.state, here.attempts, here.token) == (State.READY, 0, 0)
    assert ledger.resume(PauseKind.QUEUE, conf.queue)
    assert claim() == [here.id]


def test_a_paused_receiver_is_passed_over_in_every_queue_and_others_run() -> None:
    paused, other, moved = enqueue(nothing), enqueue(work), enqueue(nothing)
    ledger.move([moved.id], queue="elsewhere")
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert claim() == [other.id]
    assert claim(queue="elsewhere") == []
    ledger.resume(PauseKind.RECEIVER, nothing.key)
    assert claim() == [paused.id]
    assert claim(queue="elsewhere") == [moved.id]


def test_a_queue_and_a_receiver_of_one_name_are_paused_apart() -> None:
    delivery = enqueue(nothing)
    ledger.pause(PauseKind.RECEIVER, conf.queue)
    ledger.pause(PauseKind.QUEUE, nothing.key)
    assert claim() == [delivery.id]


def test_what_is_paused_is_not_due_so_nobody_is_woken_and_nothing_stands_still() -> None:
    enqueue(nothing)
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(due_at=timezone.now() + timedelta(seconds=60))
    for kind, name in ((PauseKind.QUEUE, conf.queue), (PauseKind.RECEIVER, nothing.key)):
        ledger.pause(kind, name)
        assert ledger.due(conf.queue, limit=5) == []
        assert ledger.oldest_waits()[conf.queue] == 0
        assert DeliveryBroker().dequeue() is None
        liveness.begin()
        standstill = StallDetector(conf.queue, leader=0, workers=2)
        with override_settings(SIGNALS_APP={"STALL": 1e-9}):
            assert [standstill.reason(), standstill.reason()] == [None, None]
        ledger.resume(kind, name)
        assert len(ledger.due(conf.queue, limit=5)) == 1
    assert len(DeliveryBroker().dequeue() or []) == 1


@pytest.mark.django_db(transaction=True)
def test_a_note_of_a_sender_wakes_nobody_in_a_paused_queue() -> None:
    ledger.pause(PauseKind.QUEUE, conf.queue)
    pusher = DeliveryBroker()
    assert pusher.dequeue() is None  # on PostgreSQL, senders are asked to notify from here on
    enqueue(nothing)
    assert [pusher.dequeue() for _ in range(3)] == [None] * 3


def test_a_paused_queue_does_not_wait_for_what_is_due_later() -> None:
    delivery = enqueue(nothing)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() + timedelta(seconds=60))
    assert ledger.seconds_to_next(conf.queue) is not None
    ledger.pause(PauseKind.QUEUE, conf.queue)
    assert ledger.seconds_to_next(conf.queue) is None


def test_a_pause_is_kept_once_with_who_and_since_when() -> None:
    assert ledger.pause(PauseKind.QUEUE, "mail", by="ada")
    assert not ledger.pause(PauseKind.QUEUE, "mail", by="bob")
    (pause,) = ledger.pauses()
    assert (pause.kind, pause.name, pause.by) == (PauseKind.QUEUE, "mail", "ada")
    assert timezone.now() - pause.since < timedelta(minutes=1)
    assert ledger.is_paused(PauseKind.QUEUE, "mail")
    assert not ledger.is_paused(PauseKind.RECEIVER, "mail")
    assert ledger.resume(PauseKind.QUEUE, "mail")
    assert not ledger.resume(PauseKind.QUEUE, "mail")
    assert not Pause.objects.exists()


def test_a_pause_by_a_user_with_a_very_long_name_is_kept() -> None:
    assert ledger.pause(PauseKind.QUEUE, "mail", by=f"{'x' * 242}@example.com")
    assert [pause.by for pause in ledger.pauses()] == ["x" * 150]


def test_what_is_paused_is_parked_and_brought_back_in_batches() -> None:
    for _ in range(6):
        enqueue(nothing)
    others = [enqueue(work).id, enqueue(gives_up).id]
    assert ledger.park(conf.queue) == 0
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert [ledger.park(conf.queue, limit=2) for _ in range(4)] == [2, 2, 2, 0]
    assert Delivery.objects.filter(parked=True, state=State.READY, receiver=nothing.key).count() == 6
    assert sorted(claim()) == others
    Pause.objects.all().delete()
    assert [ledger.park(conf.queue, limit=4) for _ in range(3)] == [4, 2, 0]
    assert not Delivery.objects.filter(parked=True).exists()
    assert len(claim()) == 6


def test_the_first_of_what_was_parked_can_be_claimed_as_soon_as_it_is_resumed() -> None:
    for _ in range(3):
        enqueue(nothing)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    park_all()
    ledger.resume(PauseKind.RECEIVER, nothing.key)
    assert len(claim()) == 3


def test_parking_leaves_what_is_due_later_and_reads_every_band() -> None:
    later, high = enqueue(nothing), enqueue(nothing)
    Delivery.objects.filter(pk=later.pk).update(due_at=later.due_at + timedelta(hours=1))
    Delivery.objects.filter(pk=high.pk).update(priority=7)
    enqueue(nothing)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert ledger.park(conf.queue) == 2
    later.refresh_from_db()
    assert not later.parked


@pytest.mark.parametrize("query", [_PARKED_IN_VAIN, _BRING_BACK])
def test_what_is_parked_is_found_by_its_own_index(query: str) -> None:
    plan = query_plan(query, receiver=nothing.key, limit=10)
    assert "signals_app_parked" in plan
    assert "Seq Scan on signals_app_delivery" not in plan


@pytest.mark.parametrize("act", [ledger.cancel, lambda ids: ledger.move(ids, queue="elsewhere")])
def test_what_is_parked_can_be_cancelled_and_moved(act: Any) -> None:
    delivery = enqueue(nothing)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    park_all()
    assert act([delivery.id]) == [delivery.id]
    delivery.refresh_from_db()
    assert not delivery.parked


@pytest.mark.django_db(transaction=True)
def test_a_hundred_thousand_paused_deliveries_cost_a_claim_and_a_look_nothing() -> None:
    enqueue(work)
    alone = steps_of(claim_and_return), steps_of(look)
    crowd(enqueue(nothing), CROWD - 1)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # as its autovacuum soon does
            cursor.execute("ANALYZE signals_app_delivery")
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    unparked = steps_of(claim_and_return), steps_of(look)
    assert min(unparked) > CROWD / 2, "the measure sees what a claim steps over"
    park_all()
    assert Delivery.objects.filter(parked=True).count() == CROWD
    if connection.vendor == "postgresql":  # as its autovacuum would, or a scan that meets dead index entries
        with connection.cursor() as cursor:
            cursor.execute("VACUUM signals_app_delivery")
    parked = steps_of(claim_and_return), steps_of(look)
    assert parked[0] < 2 * alone[0] + 100
    assert parked[1] < 2 * alone[1] + 100


def test_parking_reads_the_head_once_though_the_planner_takes_the_table_for_empty() -> None:
    crowd(enqueue(nothing), 1_000)
    Delivery.objects.all().delete()
    if connection.vendor == "postgresql":  # as its autovacuum does on a quiet day, before many come at once
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE signals_app_delivery")
    crowd(enqueue(nothing), 3_000)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert steps_of(lambda: ledger.park(conf.queue)) < 100_000
    assert Delivery.objects.filter(parked=True).count() == PARK_AT_ONCE
    assert steps_of(lambda: ledger.resume(PauseKind.RECEIVER, nothing.key)) < 100_000
    assert not Delivery.objects.filter(parked=True).exists()


def claim_and_return() -> None:
    claimed = ledger.claim(conf.queue, owner="me", limit=1, lease=30)
    assert [one.receiver for one in claimed] == [work.key]
    ledger.give_back(claimed)


def look() -> None:
    assert len(ledger.due(conf.queue, limit=2)) == 1
    assert ledger.seconds_to_next(conf.queue) is None
