"""Queued receivers that last for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from signals_app.dispatcher import QueuedReceiver, queued, registry


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
