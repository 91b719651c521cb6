"""What is sent once all that was enqueued in a block, or by one send, has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import copy_context
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import Error, IntegrityError, connection, connections, transaction
from django.dispatch import Signal
from django.test import override_settings

from signals_app import ledger
from signals_app.dispatcher import BatchResult, batch, bulk, send_each
from signals_app.exceptions import PayloadError, SignalsAppError
from signals_app.ledger import batches
from signals_app.ledger.sql import write
from signals_app.models import FINAL_STATES, Attempt, Batch, Delivery, State
from signals_app.signals import emission_settled
from signals_app.testing import run_deliveries
from signals_app.worker.pruning import prune_all
from tests.signals_app.ledger.acts import claim
from tests.signals_app.listeners import Make, first, listening, run_waiting, second
from tests.signals_app.steps import steps_of
from tests.signals_app.threads import beside, wait_for_a_waiting_one
from tests.testapp.models import Thing
from tests.testapp.receivers import fails

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

step, other, done, inner_done = Signal(), Signal(), Signal(), Signal()
Told = list[dict[str, Any]]


@pytest.fixture
def told() -> Iterator[Told]:
    """Return what the plain receivers of ``done``, ``inner_done`` and ``emission_settled`` were given."""
    calls: Told = []

    def hear(sender: object, signal: Signal, **arguments: Any) -> None:
        calls.append({"sender": sender, "signal": signal, **arguments})

    with listening(done, hear), listening(inner_done, hear):
        yield calls


@pytest.fixture
def settled() -> Iterator[Told]:
    """Return what a plain receiver of ``emission_settled`` was given."""
    calls: Told = []

    def hear(sender: object, signal: Signal, **arguments: Any) -> None:
        calls.append({"sender": sender, **arguments})

    with listening(emission_settled, hear):
        yield calls


def results(told: Told) -> list[tuple[int, int, int]]:
    return [(one["batch"].successful, one["batch"].failed, one["batch"].cancelled) for one in told]


def end_next() -> int:
    """Claim the first that is due, and record that it succeeded; return its id."""
    (claimed,) = claim(limit=1)
    assert ledger.succeed(claimed, ran=0)
    return claimed.id


def callbacks() -> int:
    return Delivery.objects.filter(receiver=ledger.CALLBACK).count()


@pytest.mark.parametrize("is_within", [False, True], ids=["autocommit", "transaction"])
def test_a_signal_follows_the_last_delivery_of_the_block_with_its_arguments(told: Told, is_within: bool) -> None:
    thing = Thing.objects.create(name="a")
    with listening(step, first, second), listening(done, first):
        with (
            transaction.atomic() if is_within else nullcontext(),
            batch(on_done=done, sender=Thing, description="the first", thing=thing) as one,
        ):
            step.send(None)
            step.send(None)
        step.send(None)  # no member
        for ended in range(4):
            assert callbacks() == 0, ended
            end_next()
        assert callbacks() == 1
        calls = run_waiting()
    result = BatchResult(id=one.id, successful=4)
    assert told == [{"sender": Thing, "signal": done, "thing": thing, "batch": result}]
    assert result.total == 4
    assert [call.arguments["batch"] for call in calls if call.signal is done] == [result]
    row = Batch.objects.get(pk=one.id)
    assert (row.description, row.callback) == ("the first", Delivery.objects.get(receiver=ledger.CALLBACK).id)


def test_each_way_to_end_is_counted(told: Told) -> None:
    with listening(step, first, second, fails), batch(on_done=done):
        step.send(None)
    Delivery.objects.filter(receiver=fails.key).update(max_attempts=1)
    ledger.cancel([Delivery.objects.get(receiver=second.key).id])
    run_deliveries()
    assert results(told) == [(1, 1, 1)]


def test_cancelling_all_of_it_settles_it_too(told: Told) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
    ledger.cancel(list(Delivery.objects.values_list("id", flat=True)))
    run_deliveries()
    assert results(told) == [(0, 0, 2)]


def test_members_that_end_before_the_block_does_are_waited_for_by_its_end(told: Told) -> None:
    with listening(step, first), batch(on_done=done):
        step.send(None)
        run_waiting()
        assert callbacks() == 0
    run_deliveries()
    with batch(on_done=done):
        pass
    run_deliveries()
    assert results(told) == [(1, 0, 0), (0, 0, 0)]


def test_a_retry_is_waited_for_until_the_batch_is_settled(told: Told) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
    one, two = Delivery.objects.order_by("id").values_list("id", flat=True)
    ledger.cancel([two])
    ledger.retry([two], attempts=1)
    ledger.cancel([one])
    assert callbacks() == 0
    ledger.cancel([two])
    ledger.retry([one, two], attempts=1)
    assert len(run_waiting()) == 2
    assert results(told) == [(0, 0, 2)]


@pytest.mark.parametrize("is_within", [False, True], ids=["autocommit", "transaction"])
def test_a_block_within_another_is_waited_for_with_all_that_follows_it(told: Told, is_within: bool) -> None:
    atomic = transaction.atomic() if is_within else nullcontext()
    with listening(step, first, second), atomic, batch(on_done=done) as outer:
        step.send(None)
        with batch(on_done=inner_done) as inner:
            step.send(None)
    for _ in range(4):
        end_next()
        assert not Batch.objects.filter(pk=outer.id, settled_at__isnull=False).exists()
    end_next()  # the delivery of the inner one's on_done
    run_deliveries()
    assert Batch.objects.get(pk=inner.id).parent == outer.id
    run_deliveries()
    assert [(one["signal"] is done, one["batch"].successful) for one in told] == [(True, 4)]


def test_the_block_around_waits_for_blocks_alone_as_well(told: Told) -> None:
    with listening(step, first), batch(on_done=done):
        for _ in range(3):
            with batch(on_done=inner_done):
                step.send(None)
    run_deliveries()
    assert results(told) == [(1, 0, 0)] * 3 + [(3, 0, 0)]
    assert [one["signal"] is done for one in told] == [False] * 3 + [True]


def test_an_error_in_the_block_abandons_it_and_what_was_committed_runs(told: Told) -> None:
    def break_off() -> None:
        with batch(on_done=inner_done):
            step.send(None)
            raise LookupError

    with listening(step, first), batch(on_done=done), pytest.raises(LookupError):
        break_off()
    assert len(run_waiting()) == 1
    assert results(told) == [(0, 0, 0)]  # the one around it did not wait for it
    row = Batch.objects.get(parent__isnull=False)
    assert (row.abandoned, row.closed_at, row.callback) == (True, None, None)


@pytest.mark.parametrize("is_around", [False, True], ids=["within the block", "around it"])
def test_what_is_rolled_back_is_not_waited_for(told: Told, is_around: bool) -> None:
    def roll_back() -> None:
        with transaction.atomic():
            with batch(on_done=inner_done) if is_around else nullcontext():
                step.send(None)
            transaction.set_rollback(True)

    with listening(step, first), batch(on_done=done):
        step.send(None)
        roll_back()
        with transaction.atomic():
            roll_back()  # to a savepoint
    run_deliveries()
    assert results(told) == [(1, 0, 0)]
    assert Batch.objects.count() == 1


def test_a_transaction_that_breaks_takes_its_batch_along(told: Told) -> None:
    def break_off(error: Exception) -> None:
        with transaction.atomic(), batch(on_done=done):
            with suppress(IntegrityError):
                Thing.objects.create(pk=Thing.objects.create(name="a").pk, name="b")  # PostgreSQL takes no more
            raise error

    with pytest.raises(LookupError, match="mine"):
        break_off(LookupError("mine"))
    with suppress(Error), transaction.atomic(), batch(on_done=done):
        transaction.set_rollback(True)
    assert not Batch.objects.exists()


@pytest.mark.parametrize("is_around", [False, True], ids=["bulk within", "bulk around"])
def test_what_bulk_writes_is_a_member(told: Told, is_around: bool) -> None:
    def send() -> None:
        send_each(step, None, [{"number": number} for number in range(1_200)])

    with listening(step, first):
        if is_around:
            with bulk(), batch(on_done=done):
                send()
        else:
            with batch(on_done=done):
                send()
    assert callbacks() == 0
    run_deliveries()
    assert results(told) == [(1_200, 0, 0)]


async def _sends_in_a_block() -> None:
    async with batch(on_done=done):
        await step.asend(None)
        async with batch(on_done=inner_done):
            await asyncio.gather(step.asend(None), step.asend(None))
    await step.asend(None)


def test_asynchronous_code_has_batches_too(told: Told) -> None:
    with listening(step, first):
        async_to_sync(_sends_in_a_block)()
    run_deliveries()
    assert results(told) == [(2, 0, 0), (3, 0, 0)]


def test_blocks_of_threads_do_not_mix_and_what_comes_after_a_block_is_no_member(told: Told) -> None:
    late = threading.Event()

    def send() -> None:
        late.wait(10)
        step.send(None)
        connections.close_all()

    with listening(step, first), ThreadPoolExecutor() as pool:
        with batch(on_done=done):
            step.send(None)
            begun = pool.submit(copy_context().run, send)
        late.set()
        begun.result()
    run_deliveries()
    assert results(told) == [(1, 0, 0)]


@pytest.mark.parametrize("is_immediate", [False, True], ids=["", "immediate"])
def test_what_a_member_sends_is_no_member(told: Told, is_immediate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second, "func", lambda **kwargs: step.send(None))
    with listening(step, first), override_settings(SIGNALS_APP={"IMMEDIATE": is_immediate}):
        with listening(other, second), batch(on_done=done):
            other.send(None)
        run_deliveries()
    assert results(told) == [(1, 0, 0)]


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_immediate_mode_sends_at_the_end_of_the_block(told: Told, settled: Told) -> None:
    thing = Thing.objects.create(name="a")
    with listening(step, first, second), batch(on_done=done, thing=thing):
        step.send(Thing, number=1)
        assert not told
    assert told[0]["thing"] == thing
    assert results(told) == [(2, 0, 0)]
    assert [(one["sender"], one["sent"], one["arguments"]) for one in settled] == [
        (Thing, f"{__name__}.step", {"number": 1})
    ]
    assert results(settled) == [(2, 0, 0)]
    with pytest.raises(LookupError), batch(on_done=done):
        raise LookupError
    assert len(told) == 1
    assert not Batch.objects.exists()


def test_what_cannot_work_is_refused_before_anything_is_sent() -> None:
    def hidden() -> Signal:
        return Signal()

    with pytest.raises(SignalsAppError, match=r"a worker finds a signal by its name\. Give it one at the top level"):
        batch(on_done=hidden())
    with pytest.raises(SignalsAppError, match="a worker finds a signal by its name"):
        batch(on_done="done")  # type: ignore[arg-type]
    with pytest.raises(SignalsAppError, match="batch\\(\\) itself passes 'signal'"):
        batch(on_done=done, signal=1)
    with pytest.raises(PayloadError, match=r"batch\(\) cannot receive .*\.done: .*lock"):
        batch(on_done=done, lock=threading.Lock())
    assert not Batch.objects.exists()


def test_a_signal_that_is_gone_fails_the_delivery_of_its_callback(told: Told) -> None:
    with batch(on_done=done) as one:
        pass
    Batch.objects.filter(pk=one.id).update(signal="shop.signals.gone")
    Delivery.objects.update(max_attempts=1)
    run_deliveries()
    assert Delivery.objects.get().state == State.FAILED
    assert "There is no signal shop.signals.gone in this process" in Attempt.objects.get().message


# emission_settled


@pytest.mark.parametrize("is_within", [False, True], ids=["autocommit", "transaction"])
@pytest.mark.parametrize("is_bulk", [False, True], ids=["", "bulk"])
def test_a_send_is_settled_once_all_its_deliveries_have_ended(settled: Told, is_within: bool, is_bulk: bool) -> None:
    thing = Thing.objects.create(name="a")
    atomic = transaction.atomic() if is_within else nullcontext()
    with listening(step, first, second), atomic, bulk() if is_bulk else nullcontext():
        step.send(Thing, thing=thing)
    emission = Delivery.objects.values_list("emission", flat=True).distinct().get()
    end_next()
    assert callbacks() == 0
    end_next()
    run_deliveries()
    result = BatchResult(id=Batch.objects.get().id, successful=2)
    sent = {"emission": emission, "sent": f"{__name__}.step", "arguments": {"thing": thing}}
    assert settled == [{"sender": Thing, **sent, "batch": result}]


def test_outside_of_a_transaction_a_send_that_still_calls_receivers_is_not_settled(settled: Told) -> None:
    def runs_the_first(**kwargs: Any) -> None:
        run_deliveries()
        assert not settled

    with listening(step, first, runs_the_first, second):
        step.send(None)
    run_deliveries()
    assert results(settled) == [(2, 0, 0)]


def test_the_last_receiver_may_decline(settled: Told, made: Make) -> None:
    declines = made(first.func, key="declines", when=lambda **kwargs: False)
    with listening(step, first, declines):
        step.send(None)
        with transaction.atomic():
            step.send(None)
    with listening(step, declines):
        step.send(None)
    run_deliveries()
    assert results(settled) == [(1, 0, 0), (1, 0, 0)]


def test_a_queued_receiver_of_it_runs_once_and_is_not_followed_itself() -> None:
    with listening(emission_settled, second, sender=Thing), listening(step, first):
        step.send(Thing)
        step.send(None)  # nobody listens for this sender
        calls = run_waiting()
    assert [call.sender for call in calls if call.receiver == "second"] == [Thing]
    assert Batch.objects.count() == 1


def test_a_block_waits_for_the_sends_in_it_and_what_follows_them(told: Told, settled: Told) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
        step.send(None)
    run_deliveries()
    assert results(settled) == [(2, 0, 0)] * 2
    assert results(told) == [(4, 0, 0)]


# what nobody would go on with


def test_a_send_whose_receiver_raised_is_closed_by_the_upkeep(settled: Told) -> None:
    def raises(**kwargs: Any) -> None:
        raise LookupError

    with listening(step, first, raises, second), pytest.raises(LookupError):
        step.send(None)
    run_deliveries()
    ledger.mend_batches()
    assert callbacks() == 0
    write("UPDATE signals_app_batch SET created_at = {earlier}", ago=batches.SEND_AFTER + 1)
    ledger.mend_batches()
    run_deliveries()
    assert results(settled) == [(1, 0, 0)]


def test_a_block_that_died_is_abandoned_after_a_day_and_one_that_ends_after_all_counts(told: Told) -> None:
    with listening(step, first), batch(on_done=done), batch(on_done=inner_done) as one:
        step.send(None)
        ledger.mend_batches()
        assert not Batch.objects.get(pk=one.id).abandoned
        write("UPDATE signals_app_batch SET created_at = {earlier}", ago=batches.ABANDONED_AFTER + 1)
        ledger.mend_batches()
        assert Batch.objects.get(pk=one.id).abandoned
    run_deliveries()
    assert results(told) == [(1, 0, 0)] * 2


@pytest.mark.parametrize("left", [0, 1])
def test_members_that_somebody_removed_are_not_waited_for(told: Told, left: int) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
    removed = Delivery.objects.order_by("id").values_list("id", flat=True)[left:]
    Delivery.objects.filter(pk__in=list(removed)).delete()
    assert (ledger.mend_batches(), ledger.mend_batches()) == (1, 0)
    run_deliveries()
    assert results(told) == [(left, 0, 0)]


@pytest.mark.parametrize("first_to_end", [0, 1], ids=["the other first", "the watched first"])
def test_the_last_two_members_may_end_at_the_same_moment(told: Told, first_to_end: int) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
    both = claim()
    assert list(Delivery.objects.order_by("id").values_list("watched", flat=True)) == [False, True]
    with transaction.atomic():
        assert ledger.succeed(both[first_to_end], ran=0)
        thread = beside(lambda: ledger.succeed(both[1 - first_to_end], ran=0))
        wait_for_a_waiting_one()
    thread.join()
    run_deliveries()
    assert results(told) == [(2, 0, 0)]


def test_the_last_two_blocks_within_one_may_end_at_the_same_moment(told: Told) -> None:
    with batch(on_done=done):
        for _ in range(2):
            with batch(on_done=inner_done):
                pass
    both = claim()
    with transaction.atomic():
        assert ledger.succeed(both[0], ran=0)
        thread = beside(lambda: ledger.succeed(both[1], ran=0))
        wait_for_a_waiting_one()
    thread.join()
    run_deliveries()
    assert results(told) == [(0, 0, 0)]


def test_the_block_and_its_last_member_may_end_at_the_same_moment(told: Told) -> None:
    with listening(step, first), batch(on_done=done) as one:
        step.send(None)
        (claimed,) = claim()
        with transaction.atomic():
            ledger.succeed(claimed, ran=0)
            thread = beside(lambda: ledger.close_batch(one.id))
            wait_for_a_waiting_one()
        thread.join()
    run_deliveries()
    assert results(told) == [(1, 0, 0)]


def test_members_are_kept_until_they_are_counted_and_a_batch_as_long_as_its_members(told: Told) -> None:
    def age() -> None:
        write("UPDATE {table} SET finished_at = {earlier} WHERE finished_at IS NOT NULL", ago=1_000 * 86_400)
        write("UPDATE signals_app_batch SET settled_at = {earlier} WHERE settled_at IS NOT NULL", ago=1_000 * 86_400)
        prune_all()

    with listening(step, first, second), batch(on_done=done):
        with batch(on_done=inner_done):
            step.send(None)
        with batch(on_done=inner_done):
            pass
    end_next()
    age()
    assert (Delivery.objects.count(), Batch.objects.count()) == (3, 3)
    run_deliveries()
    age()
    age()
    assert (Delivery.objects.count(), Batch.objects.count()) == (0, 0)
    assert results(told)[-1] == (2, 0, 0)


def test_a_row_whose_batch_is_nonsense_is_set_aside_and_the_batch_goes_on(told: Told) -> None:
    with listening(step, first, second), batch(on_done=done):
        step.send(None)
    if connection.vendor == "sqlite":  # stores anything
        write("UPDATE {table} SET batch = 'nonsense' WHERE receiver = %(key)s", key=second.key)
    else:
        write("UPDATE {table} SET batch = -5 WHERE receiver = %(key)s", key=second.key)
    run_deliveries()
    ledger.mend_batches()
    run_deliveries()
    assert results(told) == [(1, 0, 0)]
    assert Delivery.objects.get(receiver=second.key).state in FINAL_STATES


def test_the_end_of_a_member_costs_the_same_however_many_there_are_and_no_more_than_without_a_batch() -> None:
    def steps_of_an_end(members: int, *, is_batch: bool = True) -> int:
        with listening(step, first), batch(on_done=done) if is_batch else nullcontext():
            send_each(step, None, ({"number": number} for number in range(members)))
        (claimed,) = claim(limit=1)
        took = steps_of(lambda: ledger.succeed(claimed, ran=0))
        Delivery.objects.all().delete()
        return took

    alone, few, many = steps_of_an_end(1, is_batch=False), steps_of_an_end(100), steps_of_an_end(3_000)
    assert many < 1.5 * few + 200
    assert few < 1.5 * alone + 200
