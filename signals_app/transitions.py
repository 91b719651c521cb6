"""Each step of a delivery is told here: one line of log that has its facts as fields too, and the app's own signals."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum, auto
from typing import Any

from django.dispatch import Signal

from signals_app import signals, tallies, tracing
from signals_app.ledger import BadEnd, ClaimedDelivery
from signals_app.lineage import ending_children
from signals_app.logs import get_logger
from signals_app.models import Delivery, Measure, Outcome, State

logger = get_logger("signals_app.deliveries")


class Event(StrEnum):
    """What happened to a delivery: the field ``event`` of a line."""

    HANDED_OFF = auto()
    STARTED = auto()
    SUCCEEDED = auto()
    ATTEMPT_FAILED = auto()
    FAILED = auto()
    LOST = auto()
    CANCELLED = auto()
    STALE = auto()
    UNROUTABLE = auto()
    OPERATED = auto()


_ATTEMPT = "attempt %(attempt)d of %(max_attempts)d"


def handed_off(delivery: Delivery) -> None:
    """Tell that a sender wrote a delivery, in a transaction that may still be rolled back."""
    _log(logging.DEBUG, Event.HANDED_OFF, delivery, "is handed off to the queue %(queue)s.")


def started(claimed: ClaimedDelivery, *, receiver: object, wait: float) -> None:
    """Tell that the receiver is about to run, so many seconds after its delivery was due."""
    _log(logging.DEBUG, Event.STARTED, claimed, f"starts {_ATTEMPT} after a wait of %(wait).3f s.", wait=wait)
    tallies.count(Measure.WAIT, claimed, seconds=wait)
    _send(signals.delivery_started, receiver, delivery=claimed)


def succeeded(claimed: ClaimedDelivery, *, receiver: object, seconds: float) -> None:
    """Tell that SUCCESSFUL is on the record."""
    _log(logging.INFO, Event.SUCCEEDED, claimed, f"succeeded at {_ATTEMPT} after %(duration).3f s.", duration=seconds)
    tallies.count(Measure.RUN, claimed, detail=State.SUCCESSFUL, seconds=seconds)
    _send(signals.delivery_succeeded, receiver, delivery=claimed, seconds=seconds)


def ended_badly(claimed: ClaimedDelivery, end: BadEnd, *, receiver: object, error: BaseException | None = None) -> None:
    """Tell of a bad end that is on the record; ``error`` is what the receiver raised, None for a lost attempt."""
    is_final = end.state == State.FAILED
    is_lost = end.outcome == Outcome.LOST
    with _only_telling():
        _log(
            logging.ERROR if is_final else logging.WARNING,
            Event.LOST if is_lost else Event.FAILED if is_final else Event.ATTEMPT_FAILED,
            claimed,
            f"ended {_ATTEMPT} with %(outcome)s (%(error)s) after %(duration).3f s and "
            + ("is FAILED." if is_final else "runs again in %(delay).1f s."),
            exception=error,
            outcome=end.outcome.value,
            error=end.error_class,
            duration=end.ran,
            state=end.state.value,
            delay=end.delay,
        )
    _count_bad_end(claimed, end)
    if error is not None:
        tracing.note_bad_end(end)
    for signal in (signals.delivery_attempt_failed, *([signals.delivery_failed] if is_final else [])):
        _send(signal, receiver, delivery=claimed, outcome=end.outcome, exception=error)


def cancelled(claimed: ClaimedDelivery, *, seconds: float, reason: str) -> None:
    """Tell that a delivery was cancelled because an object of its payload is gone."""
    text = f"is CANCELLED at {_ATTEMPT} after %(duration).3f s: %(reason)s"
    _log(logging.INFO, Event.CANCELLED, claimed, text, duration=seconds, reason=reason)
    tallies.count(Measure.RUN, claimed, detail=Outcome.SKIPPED, seconds=seconds)


def taken_over(claimed: ClaimedDelivery, *, seconds: float) -> None:
    """Tell that an attempt ended after another claim had taken its delivery over."""
    text = f"was taken over; its {_ATTEMPT} ended after %(duration).3f s and does not count."
    _log(logging.WARNING, Event.STALE, claimed, text, duration=seconds)
    tallies.count(Measure.RUN, claimed, detail=Outcome.STALE, seconds=seconds)


def unroutable(claimed: ClaimedDelivery) -> None:
    """Tell that a delivery went back to its queue because this process does not know its receiver."""
    _log(logging.WARNING, Event.UNROUTABLE, claimed, "waits: this worker does not know its receiver.")


def operated(delivery: Delivery, *, operation: str, said: str, by: str) -> None:
    """Tell that an operator changed a delivery; ``said`` is what the admin's history says of it."""
    text = "was changed by %(by)s: %(said)s"
    _log(logging.INFO, Event.OPERATED, delivery, text, operation=operation, said=said, by=by)


def _count_bad_end(claimed: ClaimedDelivery, end: BadEnd) -> None:
    if end.outcome == Outcome.LOST:
        tallies.count(Measure.LOSS, claimed, detail=end.error_class)
    else:
        tallies.count(Measure.RUN, claimed, detail=end.outcome, seconds=end.ran)
    if end.state == State.FAILED:
        tallies.count(Measure.FAILURE, claimed)


def _send(signal: Signal, receiver: object, **facts: Any) -> None:
    with _only_telling():
        signal.send_robust(sender=receiver, **facts)


@contextmanager
def _only_telling() -> Iterator[None]:
    """Keep a worker from what listeners and handlers of its log do: exit, fork, or stumble over an error's own text."""
    try:
        with ending_children():
            yield
    except BaseException as error:
        with suppress(BaseException):
            logger.error("What listens to deliveries ended with %s.", type(error).__qualname__, exc_info=error)


def _log(
    level: int,
    event: Event,
    one: Delivery | ClaimedDelivery,
    text: str,
    *,
    exception: BaseException | None = None,
    **facts: Any,
) -> None:
    """Write one line. ``text`` goes on from the delivery's name, and takes any field as ``%(field)s``."""
    if not logger.isEnabledFor(level):
        return
    fields = {
        "event": event.value,
        "delivery": one.id,
        "emission": str(one.emission),
        "signal": one.signal,
        "receiver": one.receiver,
        "queue": one.queue,
        **facts,
    }
    if isinstance(one, ClaimedDelivery):
        fields |= {"attempt": one.attempt, "max_attempts": one.max_attempts}
    line = f"Delivery %(delivery)d (%(receiver)s, emission %(emission)s) {text}"
    logger.log(level, line, fields, exc_info=exception, extra=fields)
