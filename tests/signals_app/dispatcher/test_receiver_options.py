"""What each option does, given to the receiver or set for the project."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone

from signals_app.backoff import fixed
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.exceptions import PayloadError, ReceiverError
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.signals_app.listeners import first, listening, run_waiting, written
from tests.testapp.models import Effect, Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()
asked: list[dict[str, Any]] = []

Make = Callable[..., QueuedReceiver]


def plain(sender: object, **kwargs: Any) -> None: ...


def writes_and_fails(sender: object, **kwargs: Any) -> None:
    Effect.objects.create(label="written")
    raise ValueError("after all")


def sleeps(sender: object, **kwargs: Any) -> None:
    time.sleep(5)


def if_large(size: int = 0, **arguments: Any) -> bool:
    asked.append(arguments)
    return size > 10


def complains(**arguments: Any) -> bool:
    raise LookupError("no such size")


@pytest.fixture(params=["given", "set"])
def with_options(request: pytest.FixtureRequest, made: Make, settings: LazySettings) -> Make:
    """Make a receiver whose options are given to it, and another time the project's defaults."""

    def make(func: Callable[..., Any], **options: Any) -> QueuedReceiver:
        if request.param == "given":
            return made(func, key="with options", **options)
        settings.SIGNALS_APP = {name.upper(): value for name, value in options.items()}
        return made(func, key="with options")

    return make


def enqueue(receiver: QueuedReceiver, **arguments: Any) -> Delivery:
    with listening(announced, receiver):
        announced.send(sender=None, **arguments)
    return written()[-1]


def run(queue: str = "") -> Delivery:
    """Run what waits and return the delivery as it is afterwards."""
    run_waiting(queue)
    return written()[-1]


def test_key_is_the_receivers_name_on_the_record(made: Make) -> None:
    assert enqueue(made(plain)).receiver == f"{__name__}.plain"
    assert enqueue(made(plain, key="orders.plain")).receiver == "orders.plain"


def test_a_worker_finds_the_receiver_by_its_key(made: Make) -> None:
    enqueue(made(first.func, key="renamed"))

    assert [call.receiver for call in run_waiting()] == ["first"]


def test_queue_decides_whose_workers_run_it(with_options: Make) -> None:
    assert enqueue(with_options(plain, queue="mail")).queue == "mail"
    assert run(queue="another").state == State.READY
    assert run(queue="mail").state == State.SUCCESSFUL


def test_priority_decides_who_goes_first(with_options: Make, made: Make) -> None:
    with listening(announced, made(first.func, key="usual", priority=4)):
        announced.send(sender=None)
    assert enqueue(with_options(first.func, priority=5), urgent=True).priority == 5

    assert [call.arguments for call in run_waiting()] == [{"urgent": True}, {}]


def test_max_attempts_decides_when_it_is_over(with_options: Make) -> None:
    assert enqueue(with_options(writes_and_fails, max_attempts=1)).max_attempts == 1
    assert run().state == State.FAILED


def test_backoff_decides_when_it_runs_again(with_options: Make) -> None:
    enqueue(with_options(writes_and_fails, backoff=fixed(1000)))
    delivery = run()

    assert delivery.state == State.READY
    assert 990 < (delivery.due_at - timezone.now()).total_seconds() <= 1000


def test_timeout_ends_an_attempt(with_options: Make) -> None:
    enqueue(with_options(sleeps, timeout=0.05))
    run()

    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.message) == (
        Outcome.TIMEOUT,
        "The receiver ran longer than its timeout of 0.05 s.",
    )


def test_delay_in_seconds_puts_the_first_attempt_off(with_options: Make) -> None:
    delivery = enqueue(with_options(plain, delay=90.5))

    assert delivery.due_at - delivery.enqueued_at == timedelta(seconds=90.5)
    assert run().state == State.READY


def test_delay_as_a_timedelta_puts_the_first_attempt_off(made: Make) -> None:
    delivery = enqueue(made(plain, key="later", delay=timedelta(hours=1)))

    assert delivery.due_at - delivery.enqueued_at == timedelta(hours=1)
    assert run().state == State.READY


def test_when_says_no_and_nothing_is_left(with_options: Make) -> None:
    with listening(announced, with_options(plain, when=if_large)):
        responses = announced.send(sender=None, size=3)

    assert [response for _, response in responses] == [None]
    assert written() == []


def test_when_says_yes_having_seen_what_the_receiver_would_get(with_options: Make) -> None:
    asked.clear()
    request = HttpRequest()
    enqueue(with_options(plain, when=if_large, drop=("request",)), size=30, request=request)

    assert asked == [{"signal": announced, "sender": None, "request": request}]
    assert len(written()) == 1


def test_when_raises_into_the_send(made: Make) -> None:
    with pytest.raises(LookupError, match="no such size"):
        enqueue(made(plain, key="complaining", when=complains))
    assert written() == []


def test_drop_leaves_arguments_behind(with_options: Make) -> None:
    enqueue(with_options(first.func, drop=("request", "never sent")), request=HttpRequest(), kept=1)

    assert [call.arguments for call in run_waiting()] == [{"kept": 1}]


def test_without_drop_a_request_is_refused_with_the_cure(made: Make) -> None:
    with pytest.raises(PayloadError, match=r"request \(django.http.request.HttpRequest\) .* Add drop=\('request',\)"):
        enqueue(made(plain, key="requests"), request=HttpRequest())


def test_snapshot_brings_an_instance_as_it_was(with_options: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    enqueue(with_options(first.func, snapshot=("thing",)), thing=thing)
    Thing.objects.filter(pk=thing.pk).update(name="chair")

    (call,) = run_waiting()
    assert (call.arguments["thing"], call.arguments["thing"].name) == (thing, "lamp")


def test_without_snapshot_an_instance_comes_as_it_is_now(made: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    enqueue(made(first.func, key="fresh"), thing=thing)
    Thing.objects.filter(pk=thing.pk).update(name="chair")

    assert [call.arguments["thing"].name for call in run_waiting()] == ["chair"]


@pytest.mark.parametrize(("missing", "state"), [("skip", State.CANCELLED), ("fail", State.READY)])
def test_missing_decides_what_becomes_of_work_on_a_deleted_object(
    missing: str, state: State, with_options: Make
) -> None:
    thing = Thing.objects.create(name="lamp")
    enqueue(with_options(plain, missing=missing, backoff=fixed(60)), thing=thing)
    thing.delete()

    assert run().state == state
    assert list(Attempt.objects.values_list("error_class", flat=True)) == ["signals_app.exceptions.MissingObject"]


@pytest.mark.parametrize(("atomic", "effects"), [(True, 0), (False, 1)])
def test_atomic_takes_the_writes_of_a_failed_attempt_back(atomic: bool, effects: int, with_options: Make) -> None:
    enqueue(with_options(writes_and_fails, atomic=atomic, max_attempts=1))

    assert run().state == State.FAILED
    assert Effect.objects.count() == effects


def test_the_projects_default_of_the_moment_of_the_send_is_on_the_record(made: Make, settings: LazySettings) -> None:
    receiver = made(plain, key="of its time")
    for attempts in (2, 3):
        settings.SIGNALS_APP = {"MAX_ATTEMPTS": attempts, "QUEUE": f"queue {attempts}"}
        assert (enqueue(receiver).max_attempts, written()[-1].queue) == (attempts, f"queue {attempts}")


def test_an_option_that_does_not_exist_leaves_no_receiver_behind(made: Make) -> None:
    with pytest.raises(ReceiverError, match="Unknown option 'retry'; a queued receiver takes key, queue, priority"):
        made(plain, key="with a typo", retry=3)
    assert registry.get("with a typo") is None
