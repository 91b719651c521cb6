"""What only the sender knows: that this send may wait, goes first, or belongs to another cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from signals_app.conf import Defaults
from signals_app.dispatcher.current import Having
from signals_app.dispatcher.options import ReceiverOptions
from signals_app.exceptions import ReceiverError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a block says of the sends in it; None leaves it to the receiver. ``delay`` is in seconds."""

    delay: float | None = None
    at: datetime | None = None
    priority: int | None = None
    queue: str | None = None

    def delay_of(self, receiver: str, options: ReceiverOptions, *, quiet: float = 0.0) -> float:
        """Return in how many seconds a delivery is due, ``quiet`` at least.

        Raises ReceiverError where it would have expired by then.
        """
        delay = options.delay if self.delay is None else self.delay
        if self.at is not None:
            delay = max(0.0, (self.at - timezone.now()).total_seconds())
        delay = max(delay, quiet)
        if self is not _NOTHING and 0 < options.expires <= delay:
            raise ReceiverError(
                f"{receiver} has expires={options.expires:g}, and sending() puts it off for {delay:g} s, so it would "
                "never run. Put it off for less."
            )
        return delay


_NOTHING = Sending()
_sending: ContextVar[Sending] = ContextVar("signals_app_sending", default=_NOTHING)
current_sending = _sending.get


def sending(
    *,
    delay: float | timedelta | None = None,
    at: datetime | None = None,
    priority: int | None = None,
    queue: str | None = None,
) -> AbstractContextManager[None]:
    """Have what is sent within the block be due later, or at a time, and go with another priority or to another queue.

    It takes the place of the receivers' own options; a block within it says the rest. ``delay`` is in seconds. What is
    sent by receivers that run in a worker is not of the block. Raises ValueError for what the options do not take, for
    ``delay`` together with ``at``, and for a time without a zone under ``USE_TZ``.
    """
    if isinstance(delay, timedelta):
        delay = delay.total_seconds()
    for name, value in (("delay", delay), ("priority", priority), ("queue", queue)):
        setting: Any = vars(Defaults)[name]
        if value is not None and not setting.accepts(value):
            raise ValueError(f"sending({name}={value!r}): {name} is {setting.takes}.")
    if delay is not None and at is not None:
        raise ValueError("sending() takes a delay or a time, at=..., not both.")
    if at is not None and not isinstance(at, datetime):
        raise ValueError(f"sending(at={at!r}): at is a datetime.")
    if at is not None and timezone.is_aware(at) != settings.USE_TZ:
        cure = "Give it a time zone, as timezone.make_aware() does" if settings.USE_TZ else "Take its time zone off"
        raise ValueError(f"sending(at={at!r}): this project has USE_TZ={settings.USE_TZ}. {cure}.")
    given: dict[str, Any] = {"delay": delay, "at": at, "priority": priority, "queue": queue}
    if delay is not None or at is not None:  # either takes the place of both
        outer = replace(current_sending(), delay=None, at=None)
    else:
        outer = current_sending()
    return Having(_sending, replace(outer, **{name: value for name, value in given.items() if value is not None}))
