"""The lab's receivers: the same work as plain, async and queued receivers."""

import pytest

from receivers import lab
from sigdemo.lab.kinds import Kind, Way
from sigdemo.lab.lanes import async_signal, queued, signal
from sigdemo.lab.models import LabLane, LabSpan
from signals_app.models import Attempt, Delivery, State
from signals_app.worker import loop
from tests.sigdemo.lab.runs import planned


def lane(way: Way, *, kind: Kind = Kind.WAIT, fan_out: int = 3) -> LabLane:
    return LabLane.objects.select_related("run").get(run=planned(way, kind=kind, fan_out=fan_out))


def seats(one: LabLane) -> list[tuple[int, int, str]]:
    return list(one.spans.order_by("seat", "attempt").values_list("seat", "attempt", "outcome"))


@pytest.mark.django_db
def test_a_plain_receiver_works_in_the_send() -> None:
    one = lane(Way.SIGNAL)
    signal(one)

    assert seats(one) == [(1, 1, "done"), (2, 1, "done"), (3, 1, "done")]


@pytest.mark.django_db(transaction=True)
def test_async_receivers_work_beside_each_other() -> None:
    one = lane(Way.ASYNC_SIGNAL)
    async_signal(one)

    spans = list(one.spans.all())
    assert len(spans) == 3
    last_begin = max(span.started_at for span in spans)
    first_end = min(span.started_at.timestamp() + (span.seconds or 0) for span in spans)
    assert last_begin.timestamp() < first_end


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_queued_receiver_leaves_a_delivery_for_each_of_the_fan_out() -> None:
    one = lane(Way.QUEUED)
    queued(one)

    assert not LabSpan.objects.exists()
    deliveries = Delivery.objects.order_by("id")
    assert [lab.seat_of(delivery.receiver) for delivery in deliveries] == [1, 2, 3]
    assert len({delivery.emission for delivery in deliveries}) == 1
    assert {delivery.priority for delivery in deliveries} == {-10}

    loop.drain("sigdemo")
    assert seats(one) == [(1, 1, "done"), (2, 1, "done"), (3, 1, "done")]
    for span, delivery in zip(one.spans.order_by("seat"), deliveries, strict=True):
        assert span.enqueued_at == delivery.enqueued_at <= span.started_at


@pytest.mark.django_db(transaction=True)
def test_what_fails_once_is_done_at_the_second_attempt() -> None:
    one = lane(Way.QUEUED, kind=Kind.FAILS_ONCE, fan_out=1)
    queued(one)
    loop.drain("sigdemo")
    Delivery.objects.update(due_at=Delivery.objects.get().enqueued_at)
    loop.drain("sigdemo")

    assert seats(one) == [(1, 1, "failed"), (1, 2, "done")]
    assert Delivery.objects.get().state == State.SUCCESSFUL
    assert Attempt.objects.get().message == "Attempt 1 failed, as it was told to."


@pytest.mark.django_db(transaction=True)
def test_work_of_a_run_that_was_pruned_is_cancelled() -> None:
    one = lane(Way.QUEUED, fan_out=1)
    queued(one)
    one.run.delete()
    loop.drain("sigdemo")

    assert Delivery.objects.get().state == State.CANCELLED


def test_every_seat_has_a_receiver_of_its_own() -> None:
    assert [lab.seat_of(lab.key_of(seat)) for seat in range(1, 9)] == list(range(1, 9))
