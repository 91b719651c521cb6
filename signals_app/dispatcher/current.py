"""The delivery whose receiver runs here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from signals_app.exceptions import SignalsAppError


@dataclass(kw_only=True, eq=False)
class CurrentDelivery:
    """What a receiver may know and report about the delivery it runs for."""

    id: int
    emission: UUID
    attempt: int  # from 1
    max_attempts: int
    depth: int = 0  # how many deliveries led to it, each sent by the receiver of the one before
    steps: tuple[int, int] = (0, 0)  # done, of so many
    result: str = ""  # what a task returned, as JSON

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
current_or_none = _current.get


def current_delivery() -> CurrentDelivery:
    """Return the delivery that the calling receiver runs for. Raises SignalsAppError outside of one."""
    delivery = current_or_none()
    if delivery is None:
        raise SignalsAppError(
            "No delivery is running here; current_delivery() answers inside a queued receiver only, and in no thread "
            "that it starts: give it to the thread."
        )
    return delivery


def running(delivery: CurrentDelivery) -> AbstractContextManager[None]:
    """Make a delivery the current one while the block runs."""
    return Having(_current, delivery)


class Having:
    """Gives a context variable a value for a block; a generator's context would take three times as long."""

    __slots__ = ("_mark", "_value", "_variable")

    def __init__(self, variable: ContextVar[Any], value: object) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._mark = self._variable.set(self._value)

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._mark)
