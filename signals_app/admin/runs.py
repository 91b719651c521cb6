"""The executions of a delivery: those that ended badly, and the one that runs or came last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.safestring import SafeString

from signals_app.admin import badges, durations
from signals_app.logs import one_line
from signals_app.masking import masked_text
from signals_app.models import Attempt, Delivery, State
from signals_app.operations.readable import process_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution: a bad end, or the attempt that runs or succeeded, which leaves no row of its own.

    ``key`` tells it from the others of its delivery.
    """

    key: str
    number: int
    badge: str | SafeString
    process: str
    started: str | SafeString
    ran: str
    error_class: str = ""
    message: str = ""
    traceback: str = ""


def runs_of(delivery: Delivery, newest: list[Attempt], now: datetime) -> list[Run]:
    """Return the executions in order, the last one from the delivery itself where it has not ended badly."""
    runs = [_run(attempt) for attempt in reversed(newest)]
    ended_badly = any(attempt.number == delivery.attempts for attempt in newest)
    if durations.has_run(delivery) and (delivery.state == State.RUNNING or not ended_badly):
        runs.append(_last_run(delivery, now))
    return runs


def _run(attempt: Attempt) -> Run:
    return Run(
        key=str(attempt.pk),
        number=attempt.number,
        badge=badges.outcome_badge(attempt),
        process=process_name(attempt.owner),
        started=durations.moment(attempt.started_at),
        ran=durations.written(time_of(attempt)),
        error_class=one_line(attempt.error_class),
        message=masked_text(attempt.message),
        traceback=masked_text(attempt.traceback),
    )


def time_of(attempt: Attempt) -> timedelta | None:
    """Return how long an attempt took; None where its start is not known."""
    return None if attempt.started_at is None else attempt.finished_at - attempt.started_at


def _last_run(delivery: Delivery, now: datetime) -> Run:
    return Run(
        key="last",
        number=delivery.attempts,
        badge=badges.state_badge(delivery),
        process=process_name(delivery.owner),
        started=durations.moment(delivery.started_at),
        ran=durations.written(durations.ran(delivery, now)),
    )
