"""Pause and resume: what is paused stays READY and is not claimed, and costs those that are not nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.cluster.supervisor import StallDetector
from signals_app.conf import conf
from signals_app.ledger.pauses import _BRING_BACK, _PARKED_IN_VAIN, PARK_AT_ONCE
from signals_app.models import Delivery, Pause, PauseKind, State
from signals_app.processes.liveness import liveness
from tests.query_plan import query_plan
from tests.signals_app.console.admin.rows import copies
from tests.signals_app.ledger.acts import claim, claimed, put
from tests.signals_app.steps import steps_of
from tests.testapp.receivers import enqueue, gives_up, nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]

CROWD = 100_000  # waiting deliveries of a paused receiver


def autovacuum(what: str) -> None:
    """Do what PostgreSQL does by itself sooner or later."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"{what} signals_app_delivery")


def park_all() -> None:
    while ledger.park(conf.queue):
        pass


def test_a_pause_ends_by_itself_once_its_time_has_come(caplog: pytest.LogCaptureFixture) -> None:
    row = put()
    later = timezone.now() + timedelta(hours=1)
    assert ledger.pause(PauseKind.QUEUE, conf.queue, until=later)
    assert ledger.pause(PauseKind.RECEIVER, nothing.key, until=later)
    assert ledger.pause(PauseKind.RECEIVER, work.key)
    park_all()
    assert ledger.end_pauses() == []
    assert claimed() == []
    Pause.objects.filter(until=later).update(until=timezone.now())
    assert len(DeliveryBroker().dequeue() or []) == 1  # a hint for what came back
    assert [str(one) for one in ledger.pauses()] == [f"receiver {work.key}"]
    assert claimed() == [row.id]
    assert f"The queue {conf.queue} is resumed: its pause was to end now." in caplog.messages


def test_a_reason_or_an_end_replaces_that_of_a_pause_and_nothing_else_does() -> None:
    later = timezone.now() + timedelta(hours=1)
    assert ledger.pause(PauseKind.QUEUE, "mail", by="ada", reason="no paper", until=later)
    assert not ledger.pause(PauseKind.QUEUE, "mail", by="grace")
    assert not ledger.pause(PauseKind.QUEUE, "mail", by="grace", reason="no paper", until=later)
    assert ledger.pause(PauseKind.QUEUE, "mail", by="grace", reason="no ink")
    (one,) = ledger.pauses()
    assert (one.by, one.reason, one.until) == ("grace", "no ink", None)


@pytest.mark.parametrize(
    ("kind", "name", "stops"),
    [
        (PauseKind.QUEUE, conf.queue, ["here", "other"]),
        (PauseKind.RECEIVER, nothing.key, ["here", "there"]),
        (PauseKind.RECEIVER, conf.queue, []),
        (PauseKind.QUEUE, nothing.key, []),
    ],
)
def test_a_pause_keeps_what_it_names_from_claims_and_nothing_else(kind: PauseKind, name: str, stops: list[str]) -> None:
    rows = {"here": put(), "other": put(work), "there": put(queue="elsewhere")}
    stopped = [rows[which].id for which in stops]
    assert ledger.pause(kind, name)
    assert [*claimed(), *claimed(queue="elsewhere")] == [row.id for row in rows.values() if row.id not in stopped]
    states = Delivery.objects.filter(pk__in=stopped).values_list("state", "attempts", "token")
    assert set(states) <= {(State.READY, 0, 0)}
    assert ledger.resume(kind, name)
    assert [*claimed(), *claimed(queue="elsewhere")] == stopped


def test_what_is_paused_is_not_due_so_nobody_is_woken_and_nothing_stands_still() -> None:
    put()
    put(due_at=timezone.now() + timedelta(seconds=60))
    for kind, name in ((PauseKind.QUEUE, conf.queue), (PauseKind.RECEIVER, nothing.key)):
        ledger.pause(kind, name)
        assert ledger.due(conf.queue, limit=5) == []
        assert (ledger.seconds_to_first(conf.queue) is None) == (kind == PauseKind.QUEUE)
        assert ledger.oldest_waits()[conf.queue] == 0
        assert DeliveryBroker().dequeue() is None
        liveness.begin()
        stall = StallDetector(conf.queue, leader=0, workers=2)
        with override_settings(SIGNALS_APP={"STALL": 1e-9}):
            assert [stall.reason(), stall.reason()] == [None, None]
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


def test_a_pause_is_kept_once_with_who_and_since_when() -> None:
    assert ledger.pause(PauseKind.QUEUE, "mail", by="ada" * 99)  # a name may be an address of 254 characters
    assert not ledger.pause(PauseKind.QUEUE, "mail", by="bob")
    (pause,) = ledger.pauses()
    assert (pause.kind, pause.name, pause.by) == (PauseKind.QUEUE, "mail", "ada" * 50)
    assert timezone.now() - pause.since < timedelta(minutes=1)
    assert ledger.is_paused(PauseKind.QUEUE, "mail")
    assert not ledger.is_paused(PauseKind.RECEIVER, "mail")
    assert ledger.resume(PauseKind.QUEUE, "mail")
    assert not ledger.resume(PauseKind.QUEUE, "mail")
    assert not Pause.objects.exists()


def test_what_is_paused_is_parked_and_brought_back_in_batches() -> None:
    for _ in range(6):
        put()
    others = [put(work).id, put(gives_up).id]
    assert ledger.park(conf.queue) == 0
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert [ledger.park(conf.queue, limit=2) for _ in range(4)] == [2, 2, 2, 0]
    assert Delivery.objects.filter(parked=True, state=State.READY, receiver=nothing.key).count() == 6
    assert sorted(claimed()) == others
    Pause.objects.all().delete()
    assert [ledger.park(conf.queue, limit=4) for _ in range(3)] == [4, 2, 0]
    assert len(claimed()) == 6


def test_parking_leaves_what_is_due_later_and_a_resume_brings_back_the_first_of_every_band() -> None:
    put(due_at=timezone.now() + timedelta(hours=1))
    parked = {put(priority=7).id, put().id}
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert ledger.park(conf.queue) == 2
    assert set(Delivery.objects.filter(parked=True).values_list("pk", flat=True)) == parked
    ledger.resume(PauseKind.RECEIVER, nothing.key)
    assert set(claimed()) == parked


@pytest.mark.parametrize("query", [_PARKED_IN_VAIN, _BRING_BACK])
def test_what_is_parked_is_found_by_its_own_index(query: str) -> None:
    plan = query_plan(query, receiver=nothing.key, limit=10)
    assert "signals_app_parked" in plan
    assert "Seq Scan on signals_app_delivery" not in plan


@pytest.mark.django_db(transaction=True)
def test_a_hundred_thousand_paused_deliveries_cost_a_claim_and_a_look_nothing() -> None:
    put(work)
    alone = steps_of(claim_and_return), steps_of(look)
    copies(put(due_at=timezone.now() - timedelta(hours=1)), CROWD - 1)  # before the other
    autovacuum("ANALYZE")
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    unparked = steps_of(claim_and_return), steps_of(look)
    assert min(unparked) > CROWD / 2, "the measure sees what a claim steps over"
    park_all()
    assert Delivery.objects.filter(parked=True).count() == CROWD
    autovacuum("VACUUM")  # or a scan that meets dead index entries
    parked = steps_of(claim_and_return), steps_of(look)
    assert parked[0] < 2 * alone[0] + 100
    assert parked[1] < 2 * alone[1] + 100


def test_parking_reads_the_head_once_though_the_planner_takes_the_table_for_empty() -> None:
    copies(put(), 1_000)
    Delivery.objects.all().delete()
    autovacuum("ANALYZE")  # on a quiet day, before many come at once
    copies(put(), 3_000)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    assert steps_of(lambda: ledger.park(conf.queue)) < 200_000
    assert Delivery.objects.filter(parked=True).count() == PARK_AT_ONCE
    assert steps_of(lambda: ledger.resume(PauseKind.RECEIVER, nothing.key)) < 200_000
    assert not Delivery.objects.filter(parked=True).exists()


def claim_and_return() -> None:
    taken = claim(limit=1)
    assert [one.receiver for one in taken] == [work.key]
    ledger.give_back(taken)


def look() -> None:
    assert len(ledger.due(conf.queue, limit=2)) == 1
    assert ledger.seconds_to_first(conf.queue) == 0
