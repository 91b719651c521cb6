"""The delivery that is running, as its receiver sees it, and how many may follow from one another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import override_settings

from signals_app.conf import conf
from signals_app.dispatcher import current_delivery, queued
from signals_app.dispatcher.current import CurrentDelivery, running
from signals_app.exceptions import ChainTooLong, SignalsAppError
from signals_app.models import Delivery, State
from signals_app.testing import run_deliveries
from signals_app.worker.loop import drain
from tests.signals_app.listeners import Make, listening
from tests.testapp.models import Thing
from tests.testapp.receivers import enqueue

seen: list[dict[str, Any]] = []


@queued(max_attempts=3)
def looks(sender: object, **kwargs: Any) -> None:
    delivery = current_delivery()
    delivery.progress(delivery.attempt, 2)
    names = ("id", "emission", "attempt", "max_attempts", "idempotency_key")
    seen.append({name: getattr(delivery, name) for name in names})
    if delivery.attempt < 2:
        raise ValueError("once more")


def some_delivery() -> CurrentDelivery:
    return CurrentDelivery(id=7, emission=UUID(int=1), attempt=1, max_attempts=5)


def test_a_delivery_is_current_in_its_task_while_it_runs_and_the_one_before_it_afterwards() -> None:
    async def receive(delivery: CurrentDelivery) -> bool:
        with running(delivery):
            await asyncio.sleep(0)
            return current_delivery() is delivery

    async def both() -> list[bool]:
        return list(await asyncio.gather(receive(some_delivery()), receive(some_delivery())))

    with running(outer := some_delivery()):
        assert asyncio.run(both()) == [True, True]
        with pytest.raises(ZeroDivisionError), running(some_delivery()):
            raise ZeroDivisionError
        assert current_delivery() is outer
    with pytest.raises(SignalsAppError) as caught:
        current_delivery()
    assert str(caught.value) == (
        "No delivery is running here; current_delivery() answers inside a queued receiver only, and in no thread that "
        "it starts: give it to the thread."
    )


def test_a_receiver_in_a_worker_sees_its_own_record_and_the_same_key_at_each_attempt() -> None:
    seen.clear()
    delivery = enqueue(looks)
    drain(conf.queue)
    Delivery.objects.filter(pk=delivery.pk, state=State.READY).update(due_at=delivery.enqueued_at)
    drain(conf.queue)
    key = f"{delivery.emission}.{delivery.id}"
    same = {"id": delivery.id, "emission": delivery.emission, "max_attempts": 3, "idempotency_key": key}
    assert seen == [{**same, "attempt": 1}, {**same, "attempt": 2}]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress_done, delivery.progress_total) == (State.SUCCESSFUL, 2, 2)


def test_progress_costs_the_receiver_no_query_and_takes_any_number_up_to_its_total(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    delivery = some_delivery()
    assert delivery.steps == (0, 0)
    total: Any = Fraction(1000)  # which no database takes
    with django_assert_num_queries(0):
        delivery.progress(1000, total)
    assert (delivery.steps, {*map(type, delivery.steps)}) == ((1000, 1000), {int})
    for done, most in ((-1, 5), (6, 5), (1, 0), (1, 2**63)):
        with pytest.raises(ValueError, match="done lies between 0 and total") as caught:
            delivery.progress(done, most)
        assert str(caught.value) == f"progress({done}, {most}): done lies between 0 and total, total below 2 ** 63."
    assert delivery.steps == (1000, 1000)


pytestmark = pytest.mark.django_db

left, right = Signal(), Signal()


def touch(sender: object, instance: Thing, **kwargs: Any) -> None:
    instance.save()


def go_right(sender: object, **kwargs: Any) -> None:
    right.send(sender=None)


def go_left(sender: object, **kwargs: Any) -> None:
    left.send_robust(sender=None)


def test_a_receiver_that_saves_its_own_instance_is_stopped_at_the_twentieth(
    made: Make,
) -> None:
    with listening(post_save, made(touch, key="touch"), sender=Thing):
        Thing.objects.create(name="lamp")
        run_deliveries()
    *others, last = Delivery.objects.order_by("pk")
    assert [one.depth for one in (*others, last)] == [*range(21)]
    assert {one.state for one in others} == {State.SUCCESSFUL}
    end = last.failed_attempts.get()
    assert (last.state, end.error_class) == (State.FAILED, "signals_app.exceptions.ChainTooLong")
    assert end.message == (
        "touch cannot receive django.db.models.signals.post_save: 21 deliveries lead to this one, each sent by the "
        'receiver of the one before, and SIGNALS_APP["MAX_DEPTH"] allows 20: touch → touch. Send only where '
        "something changed, with when=... for instance, or raise the limit."
    )


@override_settings(SIGNALS_APP={"MAX_DEPTH": 3})
def test_a_circle_of_several_is_shown_whole_and_send_robust_returns_the_error(
    made: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(left, made(go_right, key="go right")), listening(right, made(go_left, key="go left")):
        left.send(sender=None)
        run_deliveries()
    assert list(Delivery.objects.order_by("pk").values_list("depth", "state")) == [
        (depth, State.SUCCESSFUL) for depth in range(4)
    ]
    assert 'SIGNALS_APP["MAX_DEPTH"] allows 3: go right → go left → go right. ' in caplog.text


@override_settings(SIGNALS_APP={"IMMEDIATE": True, "MAX_DEPTH": 2})
def test_what_runs_at_once_is_bounded_too(made: Make) -> None:
    with (
        listening(post_save, made(touch, key="touch"), sender=Thing),
        pytest.raises(ChainTooLong, match=r"^touch cannot receive django\.db\.models\.signals\.post_save: 3 deliv"),
    ):
        Thing.objects.create(name="lamp")
