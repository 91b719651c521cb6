"""Queued receivers of every temper. A test hands off to one by calling it, as a signal would: ``hand_off(work)``."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from django.db import connection

from signals_app.backoff import fixed
from signals_app.dispatcher import QueuedReceiver, current_delivery, queued, queued_receiver
from signals_app.exceptions import PermanentFailure, RetryAfter
from signals_app.models import Delivery
from tests.testapp.models import Effect
from tests.testapp.signals import plain


def enqueue(receiver: QueuedReceiver, **arguments: Any) -> Delivery:
    """Hand off to one receiver, whatever it is connected to."""
    delivery = receiver(signal=plain, sender=None, **arguments)
    assert isinstance(delivery, Delivery)
    return delivery


def leave_effect(label: str, detail: str = "") -> None:
    """Write down that a receiver ran here."""
    delivery = current_delivery()
    Effect.objects.create(
        label=label, delivery_id=delivery.id, attempt=delivery.attempt, pid=os.getpid(), detail=detail
    )


async def leave_effect_async(label: str) -> None:
    """Write down that a coroutine ran here."""
    delivery = current_delivery()
    await Effect.objects.acreate(label=label, delivery_id=delivery.id, attempt=delivery.attempt, pid=os.getpid())


@queued_receiver(plain)
def work(sender: object, label: str = "work", **kwargs: Any) -> str:
    leave_effect(label)
    return label


@queued
def tells_connection(sender: object, **kwargs: Any) -> None:
    """Leave what is another number for each new connection."""
    leave_effect("connection", detail=str(connection.close_at))


@queued(delay=1)
def delayed_work(sender: object, **kwargs: Any) -> None:
    leave_effect("delayed")


@queued(atomic=True)
def atomic_work(sender: object, label: str = "atomic", seconds: float = 0, **kwargs: Any) -> None:
    leave_effect(label)
    time.sleep(seconds)


@queued
async def async_work(sender: object, label: str = "async", seconds: float = 0, **kwargs: Any) -> None:
    await asyncio.sleep(seconds)
    delivery = current_delivery()
    await Effect.objects.acreate(label=label, delivery_id=delivery.id, attempt=delivery.attempt, pid=os.getpid())


@queued(atomic=True)
async def async_atomic_work(sender: object, fail: bool = False, **kwargs: Any) -> None:
    await Effect.objects.acreate(label="async atomic", delivery_id=current_delivery().id, pid=os.getpid())
    if fail:
        raise PermanentFailure("not after all")


def label_of(label: str = "one", **arguments: Any) -> str:
    return label


@queued(lane=label_of)
def in_lane(sender: object, label: str = "one", fail: bool = False, **kwargs: Any) -> None:
    """Leave the effect in its turn; with ``fail``, at the second attempt."""
    if fail and current_delivery().attempt == 1:
        raise RetryAfter(0.2, "not yet")
    leave_effect(label)


@queued(lane=label_of, on_failure="block", max_attempts=1)
def blocks_its_lane(sender: object, label: str = "one", fail: bool = False, **kwargs: Any) -> None:
    if fail:
        raise ValueError("told to fail")
    leave_effect(label)


@queued(concurrency=2)
def two_at_a_time(sender: object, **kwargs: Any) -> None:
    leave_effect("two at a time")


@queued
def nothing(sender: object, **kwargs: Any) -> None:
    """Does nothing at all."""


@queued(max_attempts=3, backoff=fixed(0.2))
def fails(sender: object, **kwargs: Any) -> None:
    raise ValueError(f"it went wrong at attempt {current_delivery().attempt}")


@queued(max_attempts=3, backoff=fixed(0.2))
def fails_once(sender: object, **kwargs: Any) -> None:
    if current_delivery().attempt == 1:
        raise ValueError("not yet")
    leave_effect("fails_once")


@queued(atomic=True, max_attempts=2, backoff=fixed(0.5))
def atomic_fails_once(sender: object, **kwargs: Any) -> None:
    leave_effect("atomic_fails_once")
    if current_delivery().attempt == 1:
        raise ValueError("not yet")


@queued(max_attempts=5)
def gives_up(sender: object, **kwargs: Any) -> None:
    raise PermanentFailure("the customer is gone")


@queued(max_attempts=5)
def asks_for_later(sender: object, seconds: float = 0.2, **kwargs: Any) -> None:
    if current_delivery().attempt == 1:
        raise RetryAfter(seconds, "the service asked for a pause")
    leave_effect("asks_for_later")


@queued(expires=60)
def soon_or_never(sender: object, **kwargs: Any) -> None:
    leave_effect("soon_or_never")


@queued(rate="20/s", burst=5)
def limited(sender: object, **kwargs: Any) -> None:
    leave_effect("limited")


@queued(rate="10/m")
def ten_a_minute(sender: object, **kwargs: Any) -> None:
    leave_effect("ten a minute")


@queued(rate="60/h", burst=2, rate_key="customer", expires=150)
def an_hour_by_customer(sender: object, customer: str | None = None, **kwargs: Any) -> None:
    leave_effect(str(customer))


@queued(timeout=0.5, max_attempts=1)
def sleeps(sender: object, seconds: float = 5, **kwargs: Any) -> None:
    time.sleep(seconds)


@queued(timeout=0.5, max_attempts=1)
async def async_sleeps(sender: object, seconds: float = 5, **kwargs: Any) -> None:
    await asyncio.sleep(seconds)


@queued(timeout=0.3, max_attempts=1)
def cannot_be_interrupted(sender: object, **kwargs: Any) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


@queued(timeout=30)
def long_work(sender: object, seconds: float = 3, **kwargs: Any) -> None:
    leave_effect("long_work begins")
    time.sleep(seconds)
    leave_effect("long_work")


@queued
def counts(sender: object, steps: int = 5, hold: float = 0.3, **kwargs: Any) -> None:
    for done in range(1, steps + 1):
        time.sleep(hold)
        current_delivery().progress(done, steps)


@queued(max_attempts=3, backoff=fixed(0))
def kills_its_worker(sender: object, times: int = 99, **kwargs: Any) -> None:
    if current_delivery().attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    leave_effect("kills_its_worker")


@queued(max_attempts=1)
def exits(sender: object, error: str = "SystemExit", **kwargs: Any) -> None:
    raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt, "GeneratorExit": GeneratorExit}[error](3)


@queued
def sends_on(sender: object, **kwargs: Any) -> None:
    plain.send(sender=None, label="sent on")


@queued(queue="elsewhere")
def in_another_queue(sender: object, **kwargs: Any) -> None:
    leave_effect("in_another_queue")


@queued(timeout=30)
def waits_for_file(sender: object, path: str = "", **kwargs: Any) -> None:
    while not Path(path).exists():
        time.sleep(0.05)
