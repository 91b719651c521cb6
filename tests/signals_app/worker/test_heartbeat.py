"""The second thread of a worker, beside a receiver that takes its time."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection, transaction
from django.test import override_settings

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher.current import CurrentDelivery
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import current_process
from signals_app.worker import heartbeat, loop, timeouts
from signals_app.worker.heartbeat import ClaimedBatch, Heartbeat, Run
from signals_app.worker.isolation import Isolation
from tests.cluster import wait_until
from tests.faults import misbehaving
from tests.forks import in_child
from tests.signals_app.listeners import Failing
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def batch() -> ClaimedBatch:
    """Two deliveries that were claimed at once."""
    enqueue(receivers.long_work)
    enqueue(receivers.long_work)
    return ClaimedBatch(ledger.claim(conf.queue, owner="me", limit=2, lease=10))


@pytest.fixture
def slow(batch: ClaimedBatch) -> Iterator[Run]:
    """The first of them runs, under a heartbeat, until the test ends."""
    one = batch.take()
    assert one is not None
    current = CurrentDelivery(id=one.id, emission=one.emission, attempt=1, max_attempts=5)
    run = Run(claimed=one, receiver=receivers.long_work, current=current, timeout=30)
    beats = Heartbeat()
    beats.watch(batch)
    with batch:
        batch.begin(run)
        yield run
    beats.rest()
    time.sleep(heartbeat.TICK * 2)  # the thread has one more look; it must not meet the emptied tables


def row(run: Run) -> Delivery:
    return Delivery.objects.get(pk=run.claimed.id)


def test_what_cannot_be_given_back_stays_in_the_batch(failing: Failing, batch: ClaimedBatch) -> None:
    failing("give_back", OperationalError("database is locked"))
    with pytest.raises(OperationalError):
        batch.give_back_rest()
    assert (batch.take() is None, batch.take() is None, batch.take()) == (False, False, None)


def test_what_went_back_without_an_answer_is_not_run_here(monkeypatch: pytest.MonkeyPatch, batch: ClaimedBatch) -> None:
    short_lock_timeout = ledger.short_lock_timeout

    @contextmanager
    def cut_after_its_commit() -> Iterator[None]:
        with short_lock_timeout():
            yield
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ledger, "short_lock_timeout", cut_after_its_commit)
    with pytest.raises(OperationalError):
        batch.give_back_rest()
    one = batch.take()
    assert one is not None
    assert not loop._still_ours(one, batch)


def test_progress_is_written_while_the_receiver_runs(slow: Run) -> None:
    for done in (3, 4):
        slow.current.progress(done, 8)
        wait_until(lambda done=done: row(slow).progress_done == done, "the progress")  # type: ignore[misc]


def test_a_run_that_was_taken_over_is_told_of(slow: Run, caplog: pytest.LogCaptureFixture) -> None:
    Delivery.objects.filter(pk=slow.claimed.id).update(token=99)
    message = f"Delivery {slow.claimed.id} was cancelled or taken over while it runs here."
    wait_until(lambda: message in caplog.text, "the warning")


@pytest.mark.parametrize("receiver", [receivers.sleeps, receivers.async_sleeps], ids=str)
def test_cancelling_a_run_stops_its_receiver(monkeypatch: pytest.MonkeyPatch, receiver: Any) -> None:
    _run_and_cancel(monkeypatch, receiver)


@pytest.mark.database("postgresql")  # on SQLite a cancellation waits for the write lock, which the receiver has
def test_cancelling_a_run_undoes_what_an_atomic_receiver_writes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers.atomic_work, "func", _write_late)
    _run_and_cancel(monkeypatch, receivers.atomic_work)
    assert not Effect.objects.exists()


@pytest.mark.parametrize("receiver", [receivers.sleeps, receivers.async_sleeps], ids=str)
def test_a_run_that_was_taken_over_is_stopped_and_its_attempt_says_so(
    monkeypatch: pytest.MonkeyPatch, receiver: Any
) -> None:
    taken_over = Delivery.objects.filter(state=State.RUNNING)
    _, attempt = _run_until(monkeypatch, receiver, lambda one: taken_over.filter(pk=one).update(token=99))
    assert attempt.outcome == Outcome.STALE
    assert attempt.message.endswith("The receiver was stopped, since its delivery was cancelled or taken over.")


def _run_and_cancel(monkeypatch: pytest.MonkeyPatch, receiver: Any) -> None:
    delivery, attempt = _run_until(monkeypatch, receiver, lambda one: len(ledger.cancel([one])))
    assert (delivery.state, delivery.lease_until, attempt.outcome) == (State.CANCELLED, None, Outcome.CANCELLED)
    assert (attempt.number, attempt.message) == (1, "An operator cancelled it while it ran.")
    assert attempt.started_at is not None
    assert attempt.started_at < attempt.finished_at
    assert signal.getsignal(signal.SIGURG) == signal.SIG_DFL


def _run_until(
    monkeypatch: pytest.MonkeyPatch, receiver: Any, change: Callable[[int], int]
) -> tuple[Delivery, Attempt]:
    """Run a delivery for 20 seconds, or until a change by another thread; return what is on the record then."""
    monkeypatch.setattr(type(receiver.options), "timeout", 20.0)
    delivery = enqueue(receiver, seconds=20)
    changing = threading.Thread(target=_once_it_runs, args=(delivery.id, change))
    changing.start()
    with override_settings(SIGNALS_APP={"HEARTBEAT": 0.1}):
        loop.drain(conf.queue)
    changing.join()
    delivery.refresh_from_db()
    return delivery, Attempt.objects.get()


def _write_late(**arguments: Any) -> None:
    with suppress(Exception):  # which the interruption is not
        time.sleep(20)
    Effect.objects.create(label="too late")


def _once_it_runs(one: int, change: Callable[[int], int]) -> None:
    try:
        wait_until(lambda: Delivery.objects.filter(pk=one, state=State.RUNNING).exists(), "the start")
        time.sleep(0.3)
        assert change(one) == 1
    finally:
        connection.close()


def test_a_slow_receiver_within_a_tests_transaction_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_RENEWAL", 0.1)
    monkeypatch.setattr(type(receivers.sleeps.options), "timeout", 20.0)
    with transaction.atomic():
        for _ in range(2):
            enqueue(receivers.sleeps, seconds=1)
        loop._run_all(ledger.claim(conf.queue, owner=str(current_process()), limit=2, lease=30), Isolation())
    assert list(Delivery.objects.values_list("state", flat=True)) == [State.SUCCESSFUL] * 2


def test_a_signal_that_comes_too_late_stops_nobody() -> None:
    enqueue(receivers.work)
    timeouts.stop_receiver()
    assert loop.drain(conf.queue) == 1
    timeouts.stop_receiver()
    assert not Attempt.objects.exists()


def test_a_signal_that_comes_as_the_loop_of_a_coroutine_is_closed_leaves_it_as_it_ended() -> None:
    async def done() -> str:
        return "done"

    coroutine = timeouts._Coroutine(done(), seconds=9, left=9)
    assert async_to_sync(coroutine.run)() == "done"
    coroutine.stop()


def test_a_database_that_fails_does_not_end_the_heartbeat(
    failing: Failing,
    monkeypatch: pytest.MonkeyPatch,
    slow: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = failing("renew", OperationalError("gone"), RuntimeError("worse"))
    monkeypatch.setattr(heartbeat, "FIRST_RENEWAL", 0.1)
    first = row(slow).lease_until
    with override_settings(SIGNALS_APP={"HEARTBEAT": 0.1}):
        wait_until(lambda: row(slow).lease_until != first, "the renewal")
    assert not errors
    assert f"The heartbeat of delivery {slow.claimed.id} failed." in caplog.text


def test_what_waits_behind_a_run_whose_process_is_ended_goes_back_uncharged() -> None:
    for receiver in (misbehaving.overruns_atomically, receivers.work, receivers.work):
        enqueue(receiver, how="digests in C", times=1)

    def run_all_that_is_claimed() -> None:
        loop._run_all(ledger.claim(conf.queue, owner="me", limit=3, lease=30), Isolation())

    with override_settings(SIGNALS_APP={"GRACE": 0.1}):
        assert in_child(run_all_that_is_claimed) == 70
    states = list(Delivery.objects.order_by("id").values_list("state", "attempts"))
    assert states == [(State.READY, 1), (State.READY, 0), (State.READY, 0)]
    assert Attempt.objects.get().outcome == Outcome.TIMEOUT
