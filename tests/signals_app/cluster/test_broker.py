"""The door to Django-Q: what the pusher is told."""

import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from signals_app import ledger, signals
from signals_app.cluster import broker
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.models import Attempt, Delivery, Outcome, Snapshot, State
from signals_app.processes.identity import current_process
from signals_app.worker import loop
from tests.signals_app.listeners import Failing, listening
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def tasks(packages: Any) -> list[dict[str, Any]]:
    return [SignedPackage.loads(package) for _, package in packages or []]


def test_due_deliveries_are_hints_that_say_only_their_queue_and_no_more_than_workers() -> None:
    for _ in range(10):
        enqueue(receivers.work, label="secret")
    packages = DeliveryBroker().dequeue() or []
    assert len(packages) == Conf.WORKERS
    assert packages[0][0] is None  # nothing to acknowledge
    task = SignedPackage.loads(packages[0][1])
    assert (task["func"], task["args"], task["kwargs"]) == ("signals_app.worker.loop.drain", ("sigdemo",), {})
    assert not task["save"]
    assert "secret" not in str(task)


def test_a_delivery_is_hinted_at_again_only_after_a_while_and_another_one_at_once() -> None:
    one = DeliveryBroker()
    for _ in range(2):
        enqueue(receivers.nothing)
        assert len(one.dequeue() or []) == 1
    assert not one.dequeue()
    Delivery.objects.first().delete()  # type: ignore[union-attr]
    end = time.monotonic() + 10
    while not (again := one.dequeue()) and time.monotonic() < end:
        pass
    assert len(again or []) == 1
    ((delivery, (_, life)),) = one._hinted.items()
    assert life == 2 * broker.HINT_LIFE
    one._hinted = {delivery: (0, broker.LONGEST_HINT_LIFE)}
    assert one.dequeue()
    assert one._hinted[delivery][1] == broker.LONGEST_HINT_LIFE


def test_plain_tasks_come_with_the_hints() -> None:
    async_task("math.sqrt", 16)
    enqueue(receivers.nothing)
    assert DeliveryBroker().queue_size() == 2
    hint, plain = tasks(DeliveryBroker().dequeue())
    assert (plain["func"], plain["args"]) == ("math.sqrt", (16,))
    assert hint["func"] == "signals_app.worker.loop.drain"
    assert OrmQ.objects.count() == 1  # kept until it is acknowledged


def test_a_hint_outlives_the_longest_receiver() -> None:
    assert broker.hint_timeout() >= 60 + conf.time_slice + conf.grace
    with override_settings(SIGNALS_APP={"TIMEOUT": 500}):
        assert broker.hint_timeout() >= 500 + conf.time_slice + conf.grace


def test_the_pusher_recovers_what_is_lost_and_tells_of_it() -> None:
    told: list[tuple[str, Any]] = []

    def failed(delivery: ledger.ClaimedDelivery, outcome: Outcome, **kwargs: object) -> None:
        told.append((delivery.receiver, outcome))

    here = current_process()
    dead = replace(here, started="1")  # our pid, but not our start
    lost, running = enqueue(receivers.sleeps), enqueue(receivers.nothing)  # one attempt, and more
    for owner in (dead, here):
        ledger.claim(conf.queue, owner=str(owner), limit=1, lease=30)
    with listening(signals.delivery_attempt_failed, failed), listening(signals.delivery_failed, failed):
        DeliveryBroker().dequeue()
    lost.refresh_from_db()
    running.refresh_from_db()
    assert (lost.state, running.state) == (State.FAILED, State.RUNNING)
    assert Attempt.objects.get().outcome == Outcome.LOST
    assert told == [(receivers.sleeps.key, Outcome.LOST)] * 2


@pytest.mark.django_db(transaction=True)  # it closes the connection
def test_a_database_that_does_not_answer_is_asked_again(
    failing: Failing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = DeliveryBroker()
    enqueue(receivers.nothing)
    failing("due", OperationalError("the server went away"))
    monkeypatch.setattr(broker, "RECONNECT", 0)
    assert one.dequeue() is None
    assert "The pusher of sigdemo cannot reach the database: the server went away" in caplog.text
    assert len(one.dequeue() or []) == 1


def test_a_pusher_keeps_the_counters_totals_once_a_lock_lets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked() -> bool:
        raise OperationalError("database is locked")

    pusher = DeliveryBroker()
    enqueue(receivers.nothing)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "take_snapshot", locked)
        assert pusher.dequeue(), "hints go out meanwhile"
    assert not Snapshot.objects.exists()
    pusher._kept_up_at = 0.0
    pusher.dequeue()
    assert Snapshot.objects.count() == 1


def test_no_minute_is_left_out_where_the_clock_of_the_database_is_a_little_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pusher, behind = DeliveryBroker(), 0.5
    for now in (5_999_950.0, 6_000_000.3, 6_000_001.3):  # a minute begins at 6,000,000
        monkeypatch.setattr("time.time", lambda now=now: now)
        monkeypatch.setattr("signals_app.ledger.snapshots.this_minute", lambda now=now: int((now - behind) // 60))
        pusher._keep_totals()
    assert list(Snapshot.objects.order_by("minute").values_list("minute", flat=True)) == [99_999, 100_000]


def test_a_failed_attempt_reaches_the_error_reporters(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[BaseException | None] = []

    class Reporter:
        def report(self) -> None:
            reported.append(sys.exc_info()[1])

    monkeypatch.setattr("django_q.conf.error_reporter", Reporter())
    enqueue(receivers.fails)
    loop.drain(conf.queue)
    assert [str(error) for error in reported] == ["it went wrong at attempt 1"]
