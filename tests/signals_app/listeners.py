"""Queued receivers that note what a worker passes them, and how a test connects them and runs what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.dispatch import Signal

from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, queued
from signals_app.models import Delivery
from signals_app.worker.loop import drain

# what the fixtures are: ``made``, ``doing`` and ``failing``
Make = Callable[..., QueuedReceiver]
Doing = Callable[..., Delivery]
Failing = Callable[..., list[Exception]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One execution of a receiver here, as a worker called it."""

    receiver: str
    signal: Signal | None
    sender: object
    arguments: dict[str, Any]


_calls: list[Call] = []


def _note(receiver: str, signal: Signal | None, sender: object, arguments: dict[str, Any]) -> None:
    _calls.append(Call(receiver=receiver, signal=signal, sender=sender, arguments=arguments))


@queued
def first(sender: object, signal: Signal | None, **arguments: Any) -> str:
    """Note the call."""
    _note("first", signal, sender, arguments)
    return "first is done"


@queued
def second(sender: object, signal: Signal | None, **arguments: Any) -> str:
    """Note the call."""
    _note("second", signal, sender, arguments)
    return "second is done"


@queued
async def asynchronous(sender: object, signal: Signal | None, **arguments: Any) -> str:
    """Note the call."""
    _note("asynchronous", signal, sender, arguments)
    return "asynchronous is done"


@contextmanager
def listening(signal: Signal, *receivers: Any, **options: Any) -> Iterator[None]:
    """Connect receivers to a signal while the block runs; ``options`` are those of ``Signal.connect``."""
    for receiver in receivers:
        signal.connect(receiver, **options)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(receiver, sender=options.get("sender"), dispatch_uid=options.get("dispatch_uid"))


def run_waiting(queue: str = "") -> list[Call]:
    """Do what a worker does on a hint, in this process, and return the calls of the receivers in this module."""
    _calls.clear()
    drain(queue or conf.queue)
    return list(_calls)


def run(delivery: Delivery) -> Delivery:
    """Drain the queue of a delivery once, in this process, and return the delivery as it stands then."""
    drain(delivery.queue)
    delivery.refresh_from_db()
    return delivery


def written() -> list[Delivery]:
    """Return every delivery on the record, in the order of their hand-off."""
    return list(Delivery.objects.order_by("id"))
