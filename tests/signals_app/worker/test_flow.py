"""Options of one receiver, or of one delivery, that meet: merging, lanes, rates and batches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.dispatcher import batch, queued
from signals_app.models import Batch, Delivery, State
from tests.signals_app.dispatcher.test_batches import done
from tests.signals_app.ledger.acts import claim, put
from tests.signals_app.threads import at_the_same_time, beside, wait_for_a_waiting_one
from tests.signals_app.worker.test_rates import pass_time, work
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue, label_of, leave_effect, two_at_a_time

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@queued(coalesce=label_of, rate="10/m")
def merged_and_limited(sender: object, label: str = "one", **kwargs: object) -> None:
    leave_effect(label)


def test_keys_that_are_sent_again_and_again_keep_their_turns_by_the_rate() -> None:
    for _ in range(20):  # a minute
        for label in ("one", "other"):
            enqueue(merged_and_limited, label=label)
        work()
        pass_time(3)
    began = list(Effect.objects.order_by("pk").values_list("label", flat=True))
    assert len(began) >= 10  # and more on a slow machine, whose own time passes as well
    assert min(began.count("one"), began.count("other")) >= 4
    assert Delivery.objects.filter(state=State.READY).count() <= 2


def test_what_is_not_due_takes_no_free_place_of_a_lane_from_what_is() -> None:
    for _ in range(3):
        enqueue(two_at_a_time)
    put(two_at_a_time, due_at=timezone.now() + timedelta(hours=1))
    last = enqueue(two_at_a_time).id
    running, other, *rest = claim()
    assert all(ledger.begin_in_lane(one, slots=2) for one in (running, other))
    for one in rest:
        assert not ledger.begin_in_lane(one, slots=2)
        ledger.park_behind([one], slots=2)
    assert ledger.succeed(running, ran=1)
    (third,) = claim()
    assert ledger.begin_in_lane(third, slots=2)
    assert ledger.succeed(other, ran=1)
    assert [one.id for one in claim()] == [last]


@pytest.mark.database("postgresql")
def test_two_members_of_a_batch_may_end_at_the_same_moment_in_one_lane() -> None:
    with batch(on_done=done):
        for _ in range(2):
            enqueue(two_at_a_time)
    other, watched = claim()
    assert all(ledger.begin_in_lane(one, slots=2) for one in (other, watched))
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=other.id)  # as its end does first
        thread = beside(lambda: ledger.succeed(watched, ran=1))
        wait_for_a_waiting_one()
        assert ledger.succeed(other, ran=1)
    thread.join()
    assert Batch.objects.get().successful == 2


@pytest.mark.database("postgresql")
def test_who_ends_the_watched_member_waits_for_no_other_that_somebody_has_locked() -> None:
    with batch(on_done=done):
        for _ in range(3):
            enqueue(two_at_a_time)
    free, locked, watched = claim()
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=locked.id)  # as an operator who cancels both
        at_the_same_time(lambda: ledger.succeed(watched, ran=1))
        ledger.cancel([locked.id, watched.id])
    assert ledger.succeed(free, ran=1)
    done_with = Batch.objects.get()
    assert (done_with.successful, done_with.cancelled) == (2, 1)


@queued(lane=label_of, rate="10/m")
def in_lane_and_limited(sender: object, label: str = "one", **kwargs: object) -> None:
    leave_effect(label)


def test_what_waits_for_its_turn_keeps_its_place_in_an_ordered_lane_and_no_slot() -> None:
    sent = [enqueue(in_lane_and_limited).id for _ in range(3)]
    for begun in range(1, 4):
        assert work() == 1
        assert not Delivery.objects.filter(state=State.RUNNING).exists()
        assert list(Effect.objects.order_by("pk").values_list("delivery_id", flat=True)) == sent[:begun]
        pass_time(6)
    assert Delivery.objects.filter(state=State.SUCCESSFUL).count() == 3


@queued(lane=label_of, rate="10/m", concurrency=1, rate_key=label_of)
def one_at_a_time_and_limited(sender: object, label: str = "one", **kwargs: object) -> None:
    leave_effect(label)


def test_a_turn_that_is_cancelled_gives_no_second_one_by_a_retry() -> None:
    sent = [enqueue(one_at_a_time_and_limited).id for _ in range(6)]
    assert work() == 1
    ledger.cancel(sent[1:])
    ledger.retry(sent[1:], attempts=1)
    assert work() <= 1  # one may be early by a turn
    assert work() == 0
    for _ in range(5):
        pass_time(6)
        assert work() <= 1
    assert Effect.objects.count() == 6


@queued(coalesce=label_of, lane=label_of)
def merged_in_lane(sender: object, label: str = "one", **kwargs: object) -> None:
    leave_effect(label)


def test_of_a_lane_and_a_key_one_runs_and_the_newest_follows() -> None:
    first = enqueue(merged_in_lane).id
    (running,) = claim("a")
    newest, _ = ledger.coalesce(running, lease=30)
    assert newest
    assert ledger.begin_in_lane(newest, slots=0)
    others = [enqueue(merged_in_lane).id for _ in range(3)]
    assert work() == 0
    assert list(Delivery.objects.filter(state=State.READY, behind=True).values_list("id", flat=True)) == others[-1:]
    assert ledger.succeed(newest, ran=1)
    assert work() == 1
    assert set(Delivery.objects.filter(state=State.SUCCESSFUL).values_list("id", flat=True)) == {first, others[-1]}


def test_of_a_lane_and_a_key_the_one_that_began_is_charged_when_its_worker_dies() -> None:
    sent = [enqueue(merged_in_lane).id for _ in range(3)]
    bystander = enqueue(two_at_a_time).id
    claimed, *_ = claim("dead")
    newest, merged = ledger.coalesce(claimed, lease=30)
    assert newest
    assert (newest.id, merged) == (sent[-1], 2)
    assert ledger.begin_in_lane(newest, slots=0)
    recovered = ledger.recover_lost(claimed.queue, is_dead=lambda owner: True, run_of=lambda owner: claimed.id)
    assert ([one.claimed.id for one in recovered.lost], recovered.returned) == (sent[-1:], 1)
    assert work() == 2
    assert {bystander, sent[-1]} == set(Delivery.objects.filter(state=State.SUCCESSFUL).values_list("id", flat=True))


def test_a_batch_whose_members_are_merged_in_a_lane_is_done_with_the_last() -> None:
    with batch(on_done=done):
        for label in ("one", "one", "other"):
            enqueue(merged_in_lane, label=label)
    work()
    settled = Batch.objects.get()
    assert (settled.successful, settled.merged) == (2, 1)
    assert Delivery.objects.filter(receiver=ledger.CALLBACK).count() == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("slot", -1), ("slot", 32767), ("concurrency", -1), ("concurrency", 32767), ("batch", -1), ("merged_into", -1)],
)
def test_nonsense_in_one_row_keeps_no_other_of_its_lane_from_running(column: str, value: int) -> None:
    put(merged_in_lane, **{column: value})
    enqueue(merged_in_lane, label="other")
    enqueue(two_at_a_time)
    put(two_at_a_time, **{column: value})
    work()
    ended = (State.SUCCESSFUL, State.FAILED)
    assert Delivery.objects.filter(state__in=ended).count() == 4


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("column", ["slot", "concurrency", "batch", "bucket", "lane", "coalesce_key", "merged_into"])
@pytest.mark.parametrize("value", ["nonsense", b"\xff"])
def test_what_only_sqlite_stores_keeps_no_other_from_running(column: str, value: str | bytes) -> None:
    for receiver in (merged_in_lane, two_at_a_time):
        one, _ = enqueue(receiver), enqueue(receiver, label="other")
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE signals_app_delivery SET {column} = %s WHERE id = %s", [value, one.id])
    work()
    assert not Delivery.objects.filter(state__in=(State.READY, State.RUNNING)).exists()
