"""One attempt, where the receiver or the database does what nobody hopes for."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DataError, OperationalError, connection, transaction
from django.db.models.signals import post_init
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger, signals
from signals_app.conf import LONGEST, conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import Defer, RetryAfter
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.cluster import wait_until
from tests.signals_app.listeners import Doing, Failing, listening, run
from tests.testapp import receivers
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def succeeded() -> Iterator[list[int]]:
    """The deliveries of which delivery_succeeded was sent."""
    told: list[int] = []

    def tell(delivery: ClaimedDelivery, **kwargs: object) -> None:
        told.append(delivery.id)

    with listening(signals.delivery_succeeded, tell):
        yield told


def outcomes() -> list[str]:
    return list(Attempt.objects.order_by("id").values_list("outcome", flat=True))


# Timeouts


def sleeping_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active' "
            "AND datname = current_database()"
        )
        return len(cursor.fetchall())


@pytest.mark.parametrize("block", [nullcontext, transaction.atomic])
def test_a_timeout_in_the_middle_of_a_query_is_recorded_and_stops_the_query(
    doing: Doing, block: Callable[[], AbstractContextManager[None]]
) -> None:
    if connection.vendor != "postgresql":
        connection.ensure_connection()
        raw: Any = connection.connection
        raw.create_function("pg_sleep", 1, time.sleep)

    def query(**arguments: object) -> None:
        with block(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    delivery = run(doing(receivers.sleeps, query))
    assert (delivery.state, outcomes()) == (State.FAILED, [Outcome.TIMEOUT])
    if connection.vendor == "postgresql":
        wait_until(lambda: not sleeping_sessions(), "the end of the query on the server", seconds=10)


def test_reading_the_arguments_counts_towards_the_timeout() -> None:
    def load_slowly(**arguments: object) -> None:
        time.sleep(30)

    delivery = enqueue(receivers.sleeps, thing=Thing.objects.create(name="lamp"))
    with listening(post_init, load_slowly, sender=Thing):
        run(delivery)
    assert (delivery.state, outcomes()) == (State.FAILED, [Outcome.TIMEOUT])


def test_a_coroutine_in_the_middle_of_a_query_ends_at_its_timeout(doing: Doing) -> None:
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

    delivery = run(doing(receivers.async_sleeps, asks))
    assert (delivery.state, outcomes()) == (State.FAILED, [Outcome.TIMEOUT])
    assert bool(cancelled) == (connection.vendor == "postgresql")


# The record


@pytest.mark.parametrize(
    ("error", "state", "ends"), [(None, State.SUCCESSFUL, []), (ValueError("it went wrong"), State.READY, ["ERROR"])]
)
def test_an_end_is_recorded_though_the_connection_is_gone(
    doing: Doing, error: Exception | None, state: State, ends: list[str]
) -> None:
    def cut(**arguments: object) -> None:
        raw: Any = connection.connection if connection.vendor == "postgresql" else connection
        raw.close()  # as by a server that restarts, or a firewall that forgets; SQLite has no server to lose
        if error:
            raise error

    delivery = run(doing(receivers.work, cut))
    assert (delivery.state, delivery.attempts, outcomes()) == (state, 1, ends)


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("statement", ["succeed", "record_failure"])
def test_an_end_is_recorded_once_though_its_answer_was_lost_or_it_never_arrived(
    failing: Failing, succeeded: list[int], statement: str, is_written: bool
) -> None:
    failing(statement, *[OperationalError("the system is starting up")] * 3, is_written=is_written)
    delivery = run(enqueue(receivers.work if statement == "succeed" else receivers.fails))
    found = (delivery.state, delivery.attempts, outcomes(), succeeded)
    assert found == (
        (State.SUCCESSFUL, 1, [], [delivery.id]) if statement == "succeed" else (State.READY, 1, ["ERROR"], [])
    )


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
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing("succeed", *[OperationalError("database is locked")] * 1_000)
    with override_settings(SIGNALS_APP={"LEASE": 0.2}):
        delivery = run(enqueue(receivers.work))
    assert "A worker of sigdemo cannot reach the database: database is locked" in caplog.text
    assert (delivery.state, delivery.attempts, outcomes()) == (State.RUNNING, 1, [])  # until its lease runs out


def test_an_error_in_letters_that_the_database_does_not_have_is_recorded_in_ascii(
    monkeypatch: pytest.MonkeyPatch, doing: Doing, caplog: pytest.LogCaptureFixture
) -> None:
    record_failure = ledger.record_failure

    def of_latin1(claimed: ClaimedDelivery, end: ledger.Failure) -> bool:
        if "\N{SNOWMAN}" in end.message:
            raise DataError('character with byte sequence 0xe2 0x98 0x83 has no equivalent in encoding "LATIN1"')
        return record_failure(claimed, end)

    def freezes(**kwargs: Any) -> None:
        raise ValueError("a \N{SNOWMAN}\nin June")

    monkeypatch.setattr(ledger, "record_failure", of_latin1)
    delivery = run(doing(receivers.work, freezes))
    end = Attempt.objects.get()
    assert (delivery.state, end.outcome, end.message) == (State.READY, Outcome.ERROR, "a \\u2603\nin June")
    assert f"The texts of delivery {delivery.id}'s error are recorded as ASCII: character with byte" in caplog.text


# Transactions


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("alias", ["default", "other"])
def test_a_receiver_that_leaves_a_transaction_open_fails_and_spoils_nothing_else(doing: Doing, alias: str) -> None:
    def opens(**arguments: object) -> None:
        transaction.set_autocommit(False, using=alias)
        Effect.objects.using(alias).create(label="in a transaction that nobody ends")

    delivery = doing(receivers.fails, opens)
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
    doing: Doing, succeeded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    def hook() -> None:
        raise ValueError("the cache is down")

    def commits(**arguments: object) -> None:
        Effect.objects.create(label="committed")
        transaction.on_commit(hook)

    delivery = run(doing(receivers.atomic_work, commits))
    assert (delivery.state, succeeded, outcomes()) == (State.SUCCESSFUL, [delivery.id], [])
    assert f"Delivery {delivery.id} is SUCCESSFUL; what followed its commit failed." in caplog.text
    assert "the cache is down" in caplog.text


# Putting off


@pytest.mark.parametrize("receiver", [receivers.nothing, receivers.atomic_work], ids=str)
def test_what_is_put_off_comes_back_uncharged_and_undone_however_often(
    doing: Doing, caplog: pytest.LogCaptureFixture, receiver: QueuedReceiver
) -> None:
    delivery = doing(receiver, lambda **arguments: (Effect.objects.create(), _raise(Defer(60, "stock is counted."))))
    Delivery.objects.update(max_attempts=1)
    with caplog.at_level("INFO", "signals_app.deliveries"):
        for times in (1, 2, 3):
            Delivery.objects.update(due_at=delivery.enqueued_at)
            run(delivery)
            assert (delivery.state, delivery.attempts, delivery.deferrals) == (State.READY, 0, times)
    assert 50 < (delivery.due_at - timezone.now()).total_seconds() <= 60
    assert not Attempt.objects.exists()
    assert Effect.objects.count() == (0 if receiver is receivers.atomic_work else 3)
    assert caplog.messages[-1].endswith("ms: stock is counted; runs again in 60.0 s")


def test_what_another_worker_has_taken_over_is_not_put_off(doing: Doing) -> None:
    delivery = run(doing(receivers.nothing, lambda **arguments: (Delivery.objects.update(token=99), _raise(Defer(60)))))
    assert (delivery.state, delivery.deferrals, outcomes()) == (State.RUNNING, 0, [Outcome.STALE])


def test_an_answer_lost_while_putting_off_does_not_put_it_off_twice(
    monkeypatch: pytest.MonkeyPatch, doing: Doing
) -> None:
    defer = ledger.defer

    def loses_its_answer(*args: Any, **kwargs: Any) -> bool:
        monkeypatch.setattr(ledger, "defer", defer)
        defer(*args, **kwargs)
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(ledger, "defer", loses_its_answer)
    delivery = run(doing(receivers.nothing, lambda **arguments: _raise(Defer(60))))
    assert (delivery.state, delivery.deferrals, outcomes()) == (State.READY, 1, [])


def _raise(error: Exception) -> object:
    raise error


# Expiry


@pytest.mark.parametrize(
    ("age", "begun", "state"),
    [
        (59, {}, "SUCCESSFUL"),
        (61, {}, "CANCELLED"),
        (61, {"attempts": 1}, "SUCCESSFUL"),
        (61, {"deferrals": 1}, "SUCCESSFUL"),
    ],
)
def test_what_nobody_began_in_time_is_cancelled_and_never_run(age: int, begun: dict[str, int], state: str) -> None:
    delivery = enqueue(receivers.soon_or_never)
    Delivery.objects.update(enqueued_at=delivery.enqueued_at - timedelta(seconds=age), **begun)
    assert run(delivery).state == state
    assert Effect.objects.count() == (state == "SUCCESSFUL")
    if state == "CANCELLED":
        attempt = Attempt.objects.get()
        assert (attempt.outcome, attempt.message) == (Outcome.EXPIRED, "It was not begun within 60 s of its send.")
        ledger.retry([delivery.pk], attempts=1)  # an operator who wants it all the same
        assert run(delivery).state == State.SUCCESSFUL


def test_what_may_have_expired_goes_back_uncharged_while_the_database_does_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    age_of = ledger.age_of

    def away(claimed: ClaimedDelivery) -> float:
        monkeypatch.setattr(ledger, "age_of", age_of)
        raise OperationalError("the system is shutting down")

    monkeypatch.setattr(ledger, "age_of", away)
    delivery = run(enqueue(receivers.soon_or_never))
    assert (delivery.state, delivery.attempts, outcomes()) == (State.SUCCESSFUL, 1, [])


# Delays


class Later(RetryAfter):
    """Forgets its seconds."""

    def __init__(self) -> None:
        pass


def beyond(attempt: int) -> float:
    """A backoff that no calendar knows."""
    return 1e15


def leaves(attempt: int) -> float:
    """A backoff that exits."""
    raise SystemExit


@pytest.mark.parametrize(
    ("error", "backoff", "seconds"),
    [
        *((RetryAfter(1e15), beyond, LONGEST), (ValueError("who"), beyond, LONGEST)),
        *((Later(), beyond, 2), (ValueError("who"), leaves, 2)),  # what the default one says
    ],
)
def test_a_delay_beyond_the_calendar_is_cut_and_one_that_cannot_be_had_is_the_default(
    monkeypatch: pytest.MonkeyPatch, doing: Doing, error: Exception, backoff: Callable[[int], float], seconds: float
) -> None:
    def raises(**arguments: object) -> None:
        raise error

    monkeypatch.setattr(type(receivers.fails.options), "backoff", property(lambda self: backoff))
    delivery = run(doing(receivers.fails, raises))
    assert delivery.state == State.READY
    assert (delivery.due_at - Attempt.objects.get().finished_at).total_seconds() == pytest.approx(seconds, rel=0.3)
