"""Seeing what is due, and waiting for it without hammering the database."""

import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger.wakeup import _DUE, _NEXT_DUE, ChangeListener
from signals_app.models import Delivery, IdleQueue
from tests.query_plan import query_plan
from tests.testapp.receivers import delayed_work, enqueue, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_due_names_what_could_run_now_in_the_order_of_claims() -> None:
    late, first, second = (enqueue(nothing) for _ in range(3))
    Delivery.objects.filter(pk=late.pk).update(due_at=late.due_at.replace(year=2999))
    assert ledger.due(conf.queue, limit=5) == [first.id, second.id]
    assert ledger.due(conf.queue, limit=1) == [first.id]
    assert ledger.due("elsewhere", limit=5) == []
    urgent = enqueue(nothing)
    Delivery.objects.filter(pk=urgent.pk).update(priority=1)
    assert ledger.due(conf.queue, limit=2) == [urgent.id, first.id]


def test_seconds_to_next_is_the_time_until_the_first_that_waits() -> None:
    assert ledger.seconds_to_next(conf.queue) is None
    delivery = enqueue(nothing)
    assert ledger.seconds_to_next(conf.queue) is None
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at + timedelta(seconds=60))
    urgent = enqueue(nothing)
    Delivery.objects.filter(pk=urgent.pk).update(due_at=urgent.due_at + timedelta(seconds=600), priority=1)
    left = ledger.seconds_to_next(conf.queue)
    assert left is not None
    assert 50 < left <= 60


@pytest.mark.parametrize("look", [_DUE, _NEXT_DUE])
def test_a_look_reads_ranges_of_the_index_of_claims(look: str) -> None:
    for _ in range(50):
        enqueue(nothing)
    plan = query_plan(look, queue=conf.queue, limit=1)
    assert "signals_app_claim" in plan
    assert "SCAN d\n" not in plan
    assert "Seq Scan" not in plan


@pytest.mark.django_db(transaction=True)
def test_a_wait_ends_soon_after_another_process_hands_off() -> None:
    lookout = ChangeListener(queue=conf.queue, poll=30)
    for _ in range(3):  # settle: the first looks may end at once
        lookout.wait(0.05)
    enqueued = threading.Event()

    def send() -> None:
        time.sleep(0.3)
        enqueue(nothing)
        enqueued.set()
        connections.close_all()

    sender = threading.Thread(target=send)
    sender.start()
    began = time.monotonic()
    while not enqueued.is_set() and time.monotonic() - began < 10:
        lookout.wait(10)
    seen_after = time.monotonic() - began
    sender.join()
    assert enqueued.is_set()
    assert seen_after < 5
    assert ledger.due(conf.queue, limit=1)


@pytest.mark.django_db(transaction=True)
def test_a_wait_in_which_nothing_happens_ends_on_time() -> None:
    lookout = ChangeListener(queue=conf.queue, poll=0.2)
    began = time.monotonic()
    for _ in range(10):
        lookout.wait(0.02)
    assert time.monotonic() - began < 5


@pytest.mark.django_db(transaction=True)
def test_senders_on_postgresql_notify_only_while_a_pusher_sleeps() -> None:
    if connection.vendor != "postgresql":
        ChangeListener(queue=conf.queue, poll=0.2).wait(0.01)
        assert not IdleQueue.objects.exists()  # SQLite's pushers need no note
        return
    with connection.cursor() as cursor:
        cursor.execute("LISTEN signals_app")
    raw = connection.connection

    def notified() -> bool:
        return bool(list(raw.notifies(timeout=0.2, stop_after=1)))

    enqueue(nothing)
    assert not notified()
    ChangeListener(queue=conf.queue, poll=0.2).wait(0.01)
    with transaction.atomic():
        enqueue(nothing)
    assert notified()
    enqueue(delayed_work)
    assert not notified()  # it is not due yet; the pusher's own clock tells when


@pytest.mark.django_db(transaction=True)
def test_a_note_for_another_queue_does_not_end_a_wait() -> None:
    lookout = ChangeListener(queue=conf.queue, poll=5)
    for _ in range(12):  # until the naps are long
        lookout.wait(0.01)
    if connection.vendor != "postgresql":
        assert not lookout.wait(0.05)  # SQLite's counter says that something changed, never what
        return

    def notify(queue: str) -> None:
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_notify('signals_app', %s)", [queue])

    notify("elsewhere")
    ours = threading.Timer(0.3, notify, [conf.queue])
    ours.start()
    assert lookout.wait(5)
    ours.join()


@pytest.mark.django_db(transaction=True)
def test_notes_that_came_while_the_pusher_was_busy_end_one_wait_together() -> None:
    lookout = ChangeListener(queue=conf.queue, poll=5)
    for _ in range(3):
        lookout.wait(0.01)

    def send() -> None:
        for _ in range(50):
            enqueue(nothing)
        connections.close_all()

    sender = threading.Thread(target=send)
    sender.start()
    sender.join()
    ledger.due(conf.queue, limit=1)  # psycopg keeps the notes that come with an answer
    told = sum(lookout.wait(0.01) for _ in range(50))
    assert told == (1 if connection.vendor == "postgresql" else 0)  # SQLite has no notes
