"""The delivery that is running right now, as its receiver sees it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync

from signals_app.exceptions import SignalsAppError


class CurrentDelivery:
    """What a receiver may know of, and say about, the delivery it runs for."""

    def __init__(
        self,
        *,
        delivery_id: int,
        emission: UUID,
        attempt: int,
        max_attempts: int,
        depth: int = 0,
    ) -> None:
        """Take the delivery's id, its emission, the number of this attempt (from 1) and the most there may be.

        ``depth`` is how many deliveries led to it, each sent by the receiver of the one before.
        """
        self.id = delivery_id
        self.emission = emission
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.depth = depth
        self.steps = (0, 0)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this delivery and for no other. Give it to services that take such a key."""
        return f"{self.emission}.{self.id}"

    def progress(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` steps are finished. The heartbeat writes it down, each quarter of a second.

        On SQLite the progress of an ``atomic=True`` receiver shows at its end only: it holds the one write lock. Raises
        ValueError unless 0 <= done <= total < 2 ** 63.
        """
        if not 0 <= done <= total < 2**63:
            raise ValueError(f"progress({done!r}, {total!r}): done lies between 0 and total, total below 2 ** 63.")
        self.steps = (int(done), int(total))  # no database takes NumPy's


_current: ContextVar[CurrentDelivery | None] = ContextVar("signals_app_delivery", default=None)


def current_delivery() -> CurrentDelivery:
    """Return the delivery that the calling receiver runs for. Raises SignalsAppError outside of one."""
    delivery = current_or_none()
    if delivery is None:
        raise SignalsAppError(
            "No delivery is running here; current_delivery() answers inside a queued receiver only, and in no thread "
            "that it starts: give it to the thread."
        )
    return delivery


def current_or_none() -> CurrentDelivery | None:
    """Return the delivery whose receiver runs here, None outside of one."""
    return _current.get()


def awaited(value: Any) -> Any:
    """Return what a receiver returned, awaited where it has to be."""
    return async_to_sync(_await)(value) if inspect.isawaitable(value) else value


async def _await(value: Awaitable[Any]) -> Any:
    return await value


@contextmanager
def running(delivery: CurrentDelivery) -> Iterator[None]:
    """Make a delivery the current one while the block runs."""
    mark = _current.set(delivery)
    try:
        yield
    finally:
        _current.reset(mark)
