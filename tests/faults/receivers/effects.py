"""Receivers whose effect is a row: keys that begin with ``exactly_once.`` promise one for each success."""

import time
from typing import Any

from signals_app.backoff import fixed
from signals_app.dispatcher import queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect


@queued(key="exactly_once.effect", atomic=True, max_attempts=50, backoff=fixed(0.1), timeout=30)
def effect(sender: object, before: float = 0, after: float = 0, **kwargs: Any) -> None:
    """Sleep, leave the effect, and sleep again before it commits."""
    journal.attempt()
    time.sleep(before)
    leave_effect("effect")
    time.sleep(after)


# so long that the drain in which it failed is over by then, on a slow machine too
@queued(key="exactly_once.fails_at_first", atomic=True, max_attempts=50, backoff=fixed(1), timeout=30)
def fails_at_first(sender: object, failures: int = 1, seconds: float = 0, **kwargs: Any) -> None:
    """Leave the effect, and fail after it for the first ``failures`` attempts."""
    delivery = journal.attempt()
    leave_effect("fails_at_first")
    time.sleep(seconds)
    if delivery.attempt <= failures:
        raise ValueError(f"attempt {delivery.attempt} was told to fail")
