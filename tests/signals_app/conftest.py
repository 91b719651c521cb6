"""Queued receivers that last, or do something else, for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from signals_app.dispatcher import QueuedReceiver, queued, registry
from signals_app.models import Delivery
from tests.testapp.receivers import enqueue


@pytest.fixture
def made() -> Iterator[Callable[..., QueuedReceiver]]:
    """Return ``queued``; what it makes is forgotten after the test."""
    keys: list[str] = []

    def make(func: Callable[..., Any], **options: Any) -> QueuedReceiver:
        receiver = queued(func, **options)
        keys.append(receiver.key)
        return receiver

    yield make
    for key in keys:
        registry.forget(key)


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Delivery]:
    """Return a function that enqueues for a receiver which does something else in this test."""

    def enqueue_for(receiver: Any, func: Callable[..., object], **arguments: Any) -> Delivery:
        monkeypatch.setattr(receiver, "func", func)
        return enqueue(receiver, **arguments)

    return enqueue_for
