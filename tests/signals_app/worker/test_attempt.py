"""One attempt, where the receiver or the database does what nobody hopes for."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DataError, OperationalError, connection, transaction
from django.db.models.signals import post_init
from django.test import override_settings

from signals_app import ledger, signals
from signals_app.conf import LONGEST, conf
from signals_app.exceptions import RetryAfter
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.worker import loop
from tests.cluster import wait_until
from tests.signals_app.listeners import listening
from tests.testapp import receivers
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def succeeded() -> Iterator[list[int]]:
    """The deliveries of which delivery_succeeded was sent."""
    told: list[int] = []

    def tell(delivery: ClaimedDelivery, **kwargs: object) -> None:
        told.append(delivery.id)

    signals.delivery_succeeded.connect(tell)
    yield told
    signals.delivery_succeeded.disconnect(tell)


def run(delivery: Delivery) -> Delivery:
    loop.drain(delivery.queue)
    delivery.refresh_from_db()
    return delivery


def doing(monkeypatch: pytest.MonkeyPatch, receiver: Any, func: Callable[..., Any]) -> Delivery:
    """Hand off to a receiver that does something else for once."""
    monkeypatch.setattr(receiver, "func", func)
    return enqueue(receiver)


def cut_connection() -> None:
    """End the connection as a server that restarts, or a firewall that forgets."""
    if connection.vendor == "postgresql":
        raw: Any = connection.connection
        raw.close()
    else:
        connection.close()  # SQLite has no server to lose; a receiver may still close what it used


@pytest.mark.parametrize("block", [nullcontext, transaction.atomic])
def test_a_timeout_in_the_middle_of_a_query_is_recorded_and_stops_the_query(
    monkeypatch: pytest.MonkeyPatch, block: Callable[[], AbstractContextManager[None]]
) -> None:
    if connection.vendor != "postgresql":
        connection.ensure_connection()
        raw: Any = connection.connection
        raw.create_function("pg_sleep", 1, time.sleep)

    def query(**arguments: object) -> None:
        with block(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    delivery = run(doing(monkeypatch, receivers.sleeps, query))
    assert (delivery.state, delivery.failed_attempts.get().outcome) == (State.FAILED, Outcome.TIMEOUT)
    if connection.vendor == "postgresql":
        wait_until(lambda: not sleeping_sessions(), "the end of the query on the server", seconds=10)


def test_reading_the_arguments_counts_towards_the_timeout() -> None:
    def load_slowly(**arguments: object) -> None:
        time.sleep(30)

    delivery = enqueue(receivers.sleeps, thing=Thing.objects.create(name="lamp"))
    with listening(post_init, load_slowly, sender=Thing):
        run(delivery)
    assert (delivery.state, delivery.failed_attempts.get().outcome) == (State.FAILED, Outcome.TIMEOUT)


def test_a_coroutine_in_the_middle_of_a_query_ends_at_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    statement = "SELECT pg_sleep(4)" if connection.vendor == "postgresql" else "SELECT 1"
    cancelled: list[bool] = []

    def query() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except OperationalError:
            cancelled.append(True)
            raise

    async def asks(**arguments: object) -> None:
        await sync_to_async(query)()
        await asyncio.sleep(30)

    delivery = run(doing(monkeypatch, receivers.async_sleeps, asks))
    assert (delivery.state, delivery.failed_attempts.get().outcome) == (State.FAILED, Outcome.TIMEOUT)
    assert bool(cancelled) == (connection.vendor == "postgresql")


def sleeping_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active' "
            "AND datname = current_database()"
        )
        return len(cursor.fetchall())


def test_a_success_is_recorded_though_the_connection_is_gone(
    monkeypatch: pytest.MonkeyPatch, succeeded: list[int]
) -> None:
    delivery = run(doing(monkeypatch, receivers.work, lambda **arguments: cut_connection()))
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    assert succeeded == [delivery.id]
    assert not Attempt.objects.exists()


def test_an_error_is_recorded_though_the_connection_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(**arguments: object) -> None:
        cut_connection()
        raise ValueError("and then it went wrong")

    delivery = run(doing(monkeypatch, receivers.work, cut))
    assert (delivery.state, delivery.attempts) == (State.READY, 1)
    assert delivery.failed_attempts.get().message == "and then it went wrong"


def test_a_success_whose_answer_was_lost_is_not_recorded_as_stale(
    monkeypatch: pytest.MonkeyPatch, succeeded: list[int]
) -> None:
    succeed = ledger.succeed

    def cut_after(claimed: ClaimedDelivery, **options: Any) -> bool:
        succeed(claimed, **options)
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(ledger, "succeed", cut_after)
    delivery = run(enqueue(receivers.work))
    assert (delivery.state, succeeded) == (State.SUCCESSFUL, [delivery.id])
    assert not Attempt.objects.exists()


def test_an_outcome_is_recorded_when_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch, succeeded: list[int]
) -> None:
    succeed = ledger.succeed
    errors = [OperationalError("the database system is starting up") for _ in range(3)]

    def away(claimed: ClaimedDelivery, **options: Any) -> bool:
        if errors:
            raise errors.pop()
        return succeed(claimed, **options)

    monkeypatch.setattr(ledger, "succeed", away)
    delivery = run(enqueue(receivers.work))
    assert (delivery.state, delivery.attempts, succeeded) == (State.SUCCESSFUL, 1, [delivery.id])
    assert not Attempt.objects.exists()


def test_a_failed_attempt_whose_answer_was_lost_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    record_failure = ledger.record_failure

    def cut_after(claimed: ClaimedDelivery, end: ledger.Failure) -> bool:
        record_failure(claimed, end)
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(ledger, "record_failure", cut_after)
    delivery = run(enqueue(receivers.fails))
    assert (delivery.state, delivery.attempts) == (State.READY, 1)
    assert delivery.failed_attempts.get().outcome == Outcome.ERROR


def test_a_failure_that_comes_after_a_recovery_is_not_taken_for_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    record_failure, tries = ledger.record_failure, iter([True])

    def cut_off_for_long(claimed: ClaimedDelivery, end: ledger.Failure) -> bool:
        if next(tries, False):
            assert ledger.recover_lost(conf.queue, is_dead=lambda owner: True).lost
            raise OperationalError("could not receive data from server: Connection timed out")
        return record_failure(claimed, end)

    monkeypatch.setattr(ledger, "record_failure", cut_off_for_long)
    delivery = run(enqueue(receivers.fails))
    ends = delivery.failed_attempts.filter(number=1)
    assert list(ends.values_list("outcome", flat=True)) == [Outcome.LOST, Outcome.STALE]


def test_an_error_of_the_record_is_never_charged_to_the_receiver(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(claimed: ClaimedDelivery, **options: Any) -> bool:
        raise OperationalError("database is locked")

    delivery = enqueue(receivers.work)
    monkeypatch.setattr(ledger, "succeed", locked)
    with override_settings(SIGNALS_APP={"LEASE": 0.2}):
        loop.drain(conf.queue)
    assert "A worker of sigdemo cannot reach the database: database is locked" in caplog.text
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.RUNNING, 1)  # until its lease runs out
    assert not Attempt.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("alias", ["default", "other"])
def test_a_receiver_that_leaves_a_transaction_open_fails_and_spoils_nothing_else(
    monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    def opens(**arguments: object) -> None:
        transaction.set_autocommit(False, using=alias)
        Effect.objects.using(alias).create(label="in a transaction that nobody ends")

    delivery = doing(monkeypatch, receivers.fails, opens)
    next_one = enqueue(receivers.work, label="next")
    run(delivery)
    assert delivery.failed_attempts.get().message.startswith(
        f"The receiver returned with a transaction open on {alias};"
    )
    next_one.refresh_from_db()
    assert next_one.state == State.SUCCESSFUL
    assert list(Effect.objects.values_list("label", flat=True)) == ["next"]
    assert transaction.get_autocommit(using=alias)


def test_a_function_that_fails_after_the_commit_leaves_the_success_standing(
    monkeypatch: pytest.MonkeyPatch, succeeded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    def hook() -> None:
        raise ValueError("the cache is down")

    def commits(**arguments: object) -> None:
        Effect.objects.create(label="committed")
        transaction.on_commit(hook)

    delivery = run(doing(monkeypatch, receivers.atomic_work, commits))
    assert (delivery.state, succeeded) == (State.SUCCESSFUL, [delivery.id])
    assert not Attempt.objects.exists()
    assert f"Delivery {delivery.id} is SUCCESSFUL; what followed its commit failed." in caplog.text
    assert "the cache is down" in caplog.text


@pytest.mark.parametrize("error", [RetryAfter(1e15), ValueError("with a backoff from beyond")])
def test_a_delay_beyond_the_calendar_is_cut(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def raises(**arguments: object) -> None:
        raise error

    monkeypatch.setattr(type(receivers.fails.options), "backoff", property(lambda self: lambda attempts: 10.0**15))
    delivery = run(doing(monkeypatch, receivers.fails, raises))
    assert delivery.state == State.READY
    assert (delivery.due_at - delivery.enqueued_at).total_seconds() == pytest.approx(LONGEST, rel=0.01)


def test_a_delivery_deleted_while_it_runs_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    doing(monkeypatch, receivers.work, lambda **arguments: Delivery.objects.all().delete())
    assert loop.drain(conf.queue) == 1
    assert not Delivery.objects.exists()


def test_every_failed_attempt_leaves_the_connection_fit_for_the_next() -> None:
    for receiver in (receivers.fails, receivers.sleeps, receivers.atomic_fails_once, receivers.exits):
        run(enqueue(receiver))
        assert not connection.in_atomic_block
        assert transaction.get_autocommit()
    assert run(enqueue(receivers.work)).state == State.SUCCESSFUL


def test_a_retry_after_that_forgot_its_seconds_has_those_of_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(RetryAfter):
        def __init__(self) -> None:
            pass

    def raises(**arguments: object) -> None:
        raise Later

    delivery = run(doing(monkeypatch, receivers.fails, raises))
    assert (delivery.state, delivery.failed_attempts.get().outcome) == (State.READY, Outcome.RETRY_AFTER)
    assert delivery.due_at > delivery.enqueued_at


def test_an_error_in_letters_that_the_database_does_not_have_is_recorded_in_ascii(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record_failure = ledger.record_failure

    def of_latin1(claimed: ClaimedDelivery, end: ledger.Failure) -> bool:
        if "\N{SNOWMAN}" in end.message:
            raise DataError('character with byte sequence 0xe2 0x98 0x83 has no equivalent in encoding "LATIN1"')
        return record_failure(claimed, end)

    def freezes(**kwargs: Any) -> None:
        raise ValueError("a \N{SNOWMAN}\nin June")

    monkeypatch.setattr(ledger, "record_failure", of_latin1)
    delivery = run(doing(monkeypatch, receivers.work, freezes))
    end = Attempt.objects.get()
    assert (delivery.state, end.outcome, end.message) == (State.READY, Outcome.ERROR, "a \\u2603\nin June")
    assert f"The texts of delivery {delivery.id}'s error are recorded as ASCII: character with byte" in caplog.text
