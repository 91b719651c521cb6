"""Seeing what is due, and waiting for it without hammering the database."""

import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.ledger import Change, ChangeListener
from signals_app.models import IdleQueue
from tests.signals_app.ledger.acts import put
from tests.signals_app.threads import beside
from tests.testapp.receivers import delayed_work, enqueue, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]
on_postgresql = pytest.mark.database("postgresql")


def settled(poll: float, looks: int = 3) -> ChangeListener:
    """Return a listener that has waited before: the first looks may end at once, and the naps grow."""
    listener = ChangeListener(queue=conf.queue, poll=poll)
    for _ in range(looks):
        listener.wait(0.01)
    return listener


def test_due_names_what_could_run_now_in_the_order_of_claims() -> None:
    put(due_at=timezone.now() + timedelta(days=1))
    first, second = put(), put()
    assert ledger.due(conf.queue, limit=5) == [first.id, second.id]
    assert ledger.due(conf.queue, limit=1) == [first.id]
    assert ledger.due("elsewhere", limit=5) == []
    urgent = put(priority=1)
    assert ledger.due(conf.queue, limit=2) == [urgent.id, first.id]
    assert [ledger.count_ready(queue) for queue in (conf.queue, "elsewhere")] == [4, 0]


def test_seconds_to_first_is_the_time_until_the_first_that_waits() -> None:
    assert ledger.seconds_to_first(conf.queue) is None
    put(due_at=timezone.now() + timedelta(seconds=60))
    put(due_at=timezone.now() + timedelta(seconds=600), priority=1)
    left = ledger.seconds_to_first(conf.queue)
    assert left is not None
    assert 50 < left <= 60
    put()
    assert ledger.seconds_to_first(conf.queue) == 0


@pytest.mark.django_db(transaction=True)
def test_a_wait_ends_when_another_process_enqueues() -> None:
    listener, ended, noticed = settled(poll=60), threading.Event(), []

    def send() -> None:
        time.sleep(0.3)
        enqueue(nothing)
        noticed.append(ended.wait(30))

    sender = beside(send)
    while not ledger.due(conf.queue, limit=1):
        listener.wait(60)
    ended.set()
    sender.join()
    assert noticed == [True]


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("sqlite")
def test_on_sqlite_nobody_needs_a_note_and_a_wait_never_tells_what_changed() -> None:
    listener = settled(poll=0.2)
    beside(lambda: enqueue(nothing)).join()
    assert listener.wait(0.01) is not Change.OURS
    assert not IdleQueue.objects.exists()


@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_senders_notify_only_while_a_pusher_sleeps() -> None:
    connection.cursor().execute("LISTEN signals_app")

    def notified() -> bool:
        return bool(list(connection.connection.notifies(timeout=0.2, stop_after=1)))

    enqueue(nothing)
    assert not notified()
    settled(poll=0.2, looks=1)
    with transaction.atomic():
        enqueue(nothing)
    assert notified()
    enqueue(delayed_work)
    assert not notified()  # it is not due yet; the pusher's own clock tells when
    DeliveryBroker().enqueue("a plain task")
    assert notified()


@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_a_note_for_another_queue_does_not_end_a_wait() -> None:
    listener = settled(poll=5, looks=12)

    def notify(queue: str) -> None:
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_notify('signals_app', %s)", [queue])

    notify("elsewhere")
    ours = threading.Timer(0.3, notify, [conf.queue])
    ours.start()
    assert listener.wait(5) is Change.OURS
    ours.join()


@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_notes_that_came_while_the_pusher_was_busy_end_one_wait_together() -> None:
    listener = settled(poll=5)
    beside(lambda: [enqueue(nothing) for _ in range(50)]).join()
    ledger.due(conf.queue, limit=1)  # psycopg keeps the notes that come with an answer
    assert sum(listener.wait(0.01) is Change.OURS for _ in range(50)) == 1
