"""The delivery that is running, as its receiver sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from signals_app.conf import conf
from signals_app.dispatcher import current_delivery, queued
from signals_app.dispatcher.current import CurrentDelivery, running
from signals_app.exceptions import SignalsAppError
from signals_app.models import Delivery, State
from signals_app.worker.loop import drain
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


def test_outside_of_a_receiver_there_is_no_delivery() -> None:
    with pytest.raises(SignalsAppError) as caught:
        current_delivery()

    assert str(caught.value) == (
        "No delivery is running here; current_delivery() answers inside a queued receiver only, and in no thread that "
        "it starts: give it to the thread."
    )


def test_a_delivery_is_current_while_it_runs_and_the_one_before_it_afterwards() -> None:
    outer, inner = some_delivery(), some_delivery()
    with running(outer):
        with pytest.raises(ZeroDivisionError), running(inner):  # noqa: PT012 - the first line is looked at
            assert current_delivery() is inner
            raise ZeroDivisionError
        assert current_delivery() is outer
    with pytest.raises(SignalsAppError):
        current_delivery()


def test_deliveries_in_concurrent_tasks_do_not_see_each_other() -> None:
    async def receive(delivery: CurrentDelivery) -> bool:
        with running(delivery):
            await asyncio.sleep(0)
            return current_delivery() is delivery

    async def both() -> list[bool]:
        return list(await asyncio.gather(receive(some_delivery()), receive(some_delivery())))

    assert asyncio.run(both()) == [True, True]


@pytest.mark.django_db
def test_a_receiver_in_a_worker_sees_its_own_record_and_the_same_key_at_each_attempt() -> None:
    seen.clear()
    delivery = enqueue(looks)

    drain(conf.queue)
    Delivery.objects.filter(pk=delivery.pk, state=State.READY).update(due_at=delivery.enqueued_at)
    drain(conf.queue)

    same = {
        "id": delivery.id,
        "emission": delivery.emission,
        "max_attempts": 3,
        "idempotency_key": f"{delivery.emission}.{delivery.id}",
    }
    assert seen == [{**same, "attempt": 1}, {**same, "attempt": 2}]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress_done, delivery.progress_total) == (State.SUCCESSFUL, 2, 2)


@pytest.mark.django_db
def test_progress_costs_the_receiver_no_query_and_takes_any_number(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    delivery = some_delivery()
    assert delivery.steps == (0, 0)
    total: Any = Fraction(1000)  # which no database takes
    with django_assert_num_queries(0):
        delivery.progress(1000, total)

    assert (delivery.steps, {*map(type, delivery.steps)}) == ((1000, 1000), {int})


@pytest.mark.parametrize(("done", "total"), [(-1, 5), (6, 5), (1, 0), (1, 2**63)])
def test_progress_beyond_its_total_is_an_error(done: int, total: int) -> None:
    delivery = some_delivery()
    with pytest.raises(ValueError, match="done lies between 0 and total") as caught:
        delivery.progress(done, total)

    assert str(caught.value) == f"progress({done}, {total}): done lies between 0 and total, total below 2 ** 63."
    assert delivery.steps == (0, 0)
