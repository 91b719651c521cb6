"""The lab's queued receivers; those that work in the request are tested with it."""

import pytest

from sigdemo.lab.kinds import Kind, Way
from sigdemo.lab.lanes import queued
from sigdemo.lab.models import LabLane, LabSpan
from sigdemo.lab.spans import seat_of
from signals_app.models import Attempt, Delivery, State
from signals_app.worker import loop
from tests.sigdemo.lab.runs import planned


def sent(*, kind: Kind = Kind.WAIT, fan_out: int = 3) -> LabLane:
    one = LabLane.objects.select_related("run").get(run=planned(Way.QUEUED, kind=kind, fan_out=fan_out))
    queued(one)
    return one


def seats(one: LabLane) -> list[tuple[int, int, str]]:
    return list(one.spans.order_by("seat", "attempt").values_list("seat", "attempt", "outcome"))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_queued_receiver_leaves_a_delivery_for_each_of_the_fan_out() -> None:
    one = sent()
    assert not LabSpan.objects.exists()
    deliveries = Delivery.objects.order_by("id")
    assert [seat_of(delivery.receiver) for delivery in deliveries] == [1, 2, 3]
    assert len({delivery.emission for delivery in deliveries}) == 1
    assert {delivery.priority for delivery in deliveries} == {-10}
    loop.drain("sigdemo")
    assert seats(one) == [(1, 1, "done"), (2, 1, "done"), (3, 1, "done")]
    for span, delivery in zip(one.spans.order_by("seat"), deliveries, strict=True):
        assert span.enqueued_at == delivery.enqueued_at <= span.started_at


@pytest.mark.django_db(transaction=True)
def test_what_fails_once_is_done_at_the_second_attempt() -> None:
    one = sent(kind=Kind.FAILS_ONCE, fan_out=1)
    loop.drain("sigdemo")
    Delivery.objects.update(due_at=Delivery.objects.get().enqueued_at)
    loop.drain("sigdemo")
    assert seats(one) == [(1, 1, "failed"), (1, 2, "done")]
    assert Delivery.objects.get().state == State.SUCCESSFUL
    assert Attempt.objects.get().message == "Attempt 1 failed, as it was told to."
