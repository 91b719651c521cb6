"""The delivery that is running, as its receiver sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest

from signals_app.conf import conf
from signals_app.dispatcher import current_delivery, queued
from signals_app.dispatcher.context import CurrentDelivery, running
from signals_app.exceptions import SignalsAppError
from signals_app.models import Delivery, State
from signals_app.worker.loop import drain
from tests.testapp.receivers import enqueue

seen: list[dict[str, Any]] = []


@queued(max_attempts=3)
def looks(sender: object, **kwargs: Any) -> None:
    delivery = current_delivery()
    names = ("id", "emission", "attempt", "max_attempts", "idempotency_key")
    seen.append({name: getattr(delivery, name) for name in names})
    if delivery.attempt < 2:
        raise ValueError("once more")


@queued
def advances(sender: object, steps: int, **kwargs: Any) -> None:
    for done in range(1, steps + 1):
        current_delivery().progress(done, steps)


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
        with pytest.raises(ValueError, match="went wrong"), running(inner):  # noqa: PT012 - the first line is looked at
            assert current_delivery() is inner
            raise ValueError("went wrong")
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


def test_the_idempotency_key_belongs_to_one_delivery() -> None:
    emission = uuid4()
    keys = [
        CurrentDelivery(id=number, emission=emission, attempt=attempt, max_attempts=5).idempotency_key
        for number, attempt in ((1, 1), (1, 2), (2, 1))
    ]

    assert keys == [f"{emission}.1", f"{emission}.1", f"{emission}.2"]


@pytest.mark.database
@pytest.mark.django_db
def test_a_receiver_in_a_worker_sees_its_own_record_at_each_attempt() -> None:
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


@pytest.mark.database
@pytest.mark.django_db
def test_the_last_progress_is_on_the_record_of_a_success() -> None:
    delivery = enqueue(advances, steps=1000)

    drain(conf.queue)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress_done, delivery.progress_total) == (State.SUCCESSFUL, 1000, 1000)


@pytest.mark.django_db
def test_progress_costs_the_receiver_no_query(django_assert_num_queries: Callable[[int], Any]) -> None:
    delivery = some_delivery()
    with django_assert_num_queries(0):
        for done in range(1001):
            delivery.progress(done, 1000)

    assert delivery.steps == (1000, 1000)


def test_nothing_is_done_before_progress_is_reported() -> None:
    assert some_delivery().steps == (0, 0)


@pytest.mark.parametrize(("done", "total"), [(-1, 5), (6, 5), (1, 0), (1, 2**63)])
def test_progress_beyond_its_total_is_an_error(done: int, total: int) -> None:
    delivery = some_delivery()
    with pytest.raises(ValueError, match="done lies between 0 and total") as caught:
        delivery.progress(done, total)

    assert str(caught.value) == f"progress({done}, {total}): done lies between 0 and total, total below 2 ** 63."
    assert delivery.steps == (0, 0)


def test_numbers_that_no_database_takes_are_progress_too() -> None:
    delivery = CurrentDelivery(id=1, emission=uuid4(), attempt=1, max_attempts=1)
    delivery.progress(Fraction(1), Fraction(2))  # type: ignore[arg-type]
    assert (delivery.steps, {*map(type, delivery.steps)}) == ((1, 2), {int})
