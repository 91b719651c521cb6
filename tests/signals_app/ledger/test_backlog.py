"""What waits, as those see it who watch."""

from datetime import timedelta

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger.stats import _LONGEST_DUE, _QUEUES, _STANDING
from signals_app.models import Delivery, State
from tests.query_plan import query_plan
from tests.testapp.receivers import delayed_work, enqueue, in_another_queue, nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_queues_with_work_are_those_in_which_anything_is_ready() -> None:
    assert ledger.queues_with_work() == []
    enqueue(nothing)
    enqueue(delayed_work)
    enqueue(in_another_queue)
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(queue="done", state=State.SUCCESSFUL)
    assert ledger.queues_with_work() == ["elsewhere", "sigdemo"]


def test_the_oldest_wait_is_since_the_earliest_due_time_in_any_band_of_priority() -> None:
    assert ledger.oldest_waits() == {}
    enqueue(delayed_work)
    assert ledger.oldest_waits() == {conf.queue: 0}
    for seconds, priority in ((100, 5), (200, -5), (50, 0)):
        one = enqueue(nothing)
        Delivery.objects.filter(pk=one.pk).update(due_at=one.due_at - timedelta(seconds=seconds), priority=priority)
    other = enqueue(in_another_queue)
    Delivery.objects.filter(pk=other.pk).update(due_at=other.due_at - timedelta(seconds=1_000))
    waits = ledger.oldest_waits()
    assert waits.keys() == {conf.queue, "elsewhere"}
    assert 200 <= waits[conf.queue] < 230
    assert 1_000 <= waits["elsewhere"] < 1_030


@pytest.mark.parametrize("look", [_QUEUES, _LONGEST_DUE, _STANDING])
def test_a_look_reads_no_finished_delivery(look: str) -> None:
    for _ in range(50):
        enqueue(nothing)
    plan = query_plan(look, queue=conf.queue)
    assert "signals_app_claim" in plan
    assert "SCAN d\n" not in plan
    assert "Seq Scan" not in plan


def test_what_is_not_done_is_numbered_by_state_queue_and_receiver() -> None:
    for _ in range(3):
        enqueue(nothing)
    enqueue(delayed_work)
    enqueue(in_another_queue)
    ledger.claim(conf.queue, owner="", limit=1, lease=30)
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(unroutable=True)
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(state=State.SUCCESSFUL, finished_at=timezone.now())
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(state=State.FAILED, finished_at=timezone.now())
    found = {(one.state, one.queue, one.receiver): (one.count, one.due, one.unroutable) for one in ledger.standing()}
    assert found == {
        (State.READY, "sigdemo", nothing.key): (3, 3, 1),
        (State.RUNNING, "sigdemo", nothing.key): (1, 0, 0),
        (State.FAILED, "sigdemo", nothing.key): (1, 0, 0),
        (State.READY, "sigdemo", delayed_work.key): (1, 0, 0),
        (State.READY, "elsewhere", in_another_queue.key): (1, 1, 0),
    }
