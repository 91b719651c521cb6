"""Each step of a delivery: logged, signalled, counted and traced.

One function for each step comes first; the four ways in which it is told follow.
"""

from __future__ import annotations

import logging
import math
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Literal

from django.db import Error, connections
from django.dispatch import Signal

from signals_app import ledger, signals
from signals_app.ledger import ClaimedDelivery, Count, Failure, TallyKey
from signals_app.models import Delivery, Measure, Outcome, State
from signals_app.processes.tree import ForkGuard
from signals_app.redaction.logs import get_logger, one_line

try:
    from opentelemetry import trace as otel
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    _is_installed = True
except ImportError:
    _is_installed = False

logger = get_logger("signals_app.deliveries")
counting_logger = get_logger("signals_app.monitoring")


LONGEST_SAID = 200  # characters of an error's message in a line

# what happened to a delivery: the field "event" of a line
Event = Literal[
    "enqueued",
    "started",
    "succeeded",
    "attempt_failed",
    "failed",
    "lost",
    "cancelled",
    "merged",
    "deferred",
    "stale",
    "unroutable",
    "operated",
]

_ENDED = {
    Outcome.ERROR: "failed",
    Outcome.TIMEOUT: "timed out",
    Outcome.LOST: "was lost",
    Outcome.RETRY_AFTER: "asked for another attempt",
}


def enqueued(delivery: Delivery) -> None:
    """Tell that a sender wrote a delivery, in a transaction that may still be rolled back."""
    _log(logging.DEBUG, "enqueued", delivery, "is enqueued in %(queue)s")


def started(claimed: ClaimedDelivery, *, receiver: object, wait: float) -> None:
    """Tell that the receiver is about to run, so many seconds after its delivery was due."""
    _log(logging.DEBUG, "started", claimed, f"starts after a wait of {_time(wait)}", wait=wait)
    count(Measure.WAIT, claimed, seconds=wait)
    _send(signals.delivery_started, receiver, delivery=claimed)


def succeeded(claimed: ClaimedDelivery, *, receiver: object, seconds: float) -> None:
    """Tell that a delivery is recorded as SUCCESSFUL."""
    _log(logging.INFO, "succeeded", claimed, f"succeeded{_at(claimed)}, {_time(seconds)}", duration=seconds)
    count(Measure.RUN, claimed, detail=State.SUCCESSFUL, seconds=seconds)
    _send(signals.delivery_succeeded, receiver, delivery=claimed, seconds=seconds)


def failed(claimed: ClaimedDelivery, end: Failure, *, receiver: object, error: BaseException | None = None) -> None:
    """Tell of a failed attempt that is recorded; ``error`` is what the receiver raised, None for a lost attempt."""
    is_final = end.state == State.FAILED
    is_lost = end.outcome == Outcome.LOST
    with _only_telling():
        _log(
            logging.ERROR if is_final else logging.WARNING,
            "lost" if is_lost else "failed" if is_final else "attempt_failed",
            claimed,
            f"{_ENDED[end.outcome]}{_at(claimed, first=True)}, {_time(end.ran)}: %(reason)s; "
            + ("marked as FAILED" if is_final else f"retrying in {_time(end.delay)}"),
            exception=error,
            outcome=end.outcome.value,
            error=end.error_class,
            reason=_reason(end),
            duration=end.ran,
            state=end.state.value,
            delay=end.delay,
        )
    if is_lost:
        count(Measure.LOSS, claimed, detail=end.error_class)
    else:
        count(Measure.RUN, claimed, detail=end.outcome, seconds=end.ran)
    if is_final:
        count(Measure.FAILURE, claimed)
    if error is not None:
        mark_span(end)
    for signal in (signals.delivery_attempt_failed, *([signals.delivery_failed] if is_final else [])):
        _send(signal, receiver, delivery=claimed, outcome=end.outcome, exception=error)


def cancelled(claimed: ClaimedDelivery, *, outcome: Outcome, seconds: float, reason: str) -> None:
    """Tell that a delivery was cancelled because an object of its payload is gone, or because it has expired."""
    text = f"is CANCELLED, {_time(seconds)}: %(reason)s"
    _log(logging.INFO, "cancelled", claimed, text, duration=seconds, reason=reason)
    count(Measure.RUN, claimed, detail=outcome, seconds=seconds)


def deferred(claimed: ClaimedDelivery, *, seconds: float, delay: float, reason: str) -> None:
    """Tell that a receiver put its delivery off, which is no attempt; ``delay`` is for how many seconds."""
    text = f"is put off, {_time(seconds)}: %(reason)s; runs again in {_time(delay)}"
    _log(logging.INFO, "deferred", claimed, text, duration=seconds, delay=delay, reason=one_line(reason.rstrip(".")))
    count(Measure.RUN, claimed, detail="DEFERRED", seconds=seconds)


def merged(claimed: ClaimedDelivery, *, number: int, runs: bool) -> None:
    """Tell that so many deliveries were merged: into this one, which runs, or with it into a newer one, which waits."""
    said = "runs in the place of %(merged)d merged into it" if runs else "is one of %(merged)d merged into a newer one"
    _log(logging.INFO, "merged", claimed, said, merged=number)
    count(Measure.MERGED, claimed, times=number)


def stale(claimed: ClaimedDelivery, *, seconds: float) -> None:
    """Tell that an attempt ended after its delivery was cancelled, or another claim had taken it over."""
    text = f"was cancelled or taken over, and this attempt does not count, {_time(seconds)}"
    _log(logging.WARNING, "stale", claimed, text, duration=seconds)
    count(Measure.RUN, claimed, detail=Outcome.STALE, seconds=seconds)


def unroutable(claimed: ClaimedDelivery) -> None:
    """Tell that a delivery went back to its queue, since this process does not know its receiver."""
    _log(logging.WARNING, "unroutable", claimed, "waits: this worker does not know its receiver")


def operated(delivery: Delivery, *, operation: str, said: str, by: str) -> None:
    """Tell that an operator changed a delivery; ``said`` is what the admin's history says of it."""
    text = "was changed by %(by)s: %(said)s"
    _log(logging.INFO, "operated", delivery, text, operation=operation, said=said, by=by)


# The log


def _log(
    level: int,
    event: Event,
    one: Delivery | ClaimedDelivery,
    text: str,
    *,
    exception: BaseException | None = None,
    **facts: Any,
) -> None:
    """Write one line. ``text`` follows the delivery's name, and may contain any field as ``%(field)s``."""
    if not logger.isEnabledFor(level):
        return
    fields = {
        "event": event,
        "delivery": one.id,
        "emission": str(one.emission),
        "signal": one.signal,
        "receiver": one.receiver,
        "queue": one.queue,
        **facts,
    }
    if isinstance(one, ClaimedDelivery):
        fields |= {"attempt": one.attempt, "max_attempts": one.max_attempts}
    logger.log(level, f"%(receiver)s #%(delivery)d {text}", fields, exc_info=exception, extra=fields)


def _at(claimed: ClaimedDelivery, *, first: bool = False) -> str:
    """Return which attempt it is; nothing of the first one, unless it is asked for."""
    return f" at attempt {claimed.attempt} of {claimed.max_attempts}" if first or claimed.attempt > 1 else ""


def _reason(end: Failure) -> str:
    """Return an error's class and the first line of its message, as they are recorded: secrets masked."""
    said = end.message.strip().partition("\n")[0][:LONGEST_SAID].rstrip(".")
    return one_line(f"{end.error_class.removeprefix('builtins.')}: {said}")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


# The signals


def _send(signal: Signal, receiver: object, **facts: Any) -> None:
    if signal.receivers:
        with _only_telling():
            signal.send_robust(sender=receiver, **facts)


@contextmanager
def _only_telling() -> Iterator[None]:
    """Protect a worker from its listeners and log handlers: they may exit, fork, or fail at an error's own text."""
    try:
        with ForkGuard():
            yield
    except BaseException as error:
        with suppress(BaseException):
            logger.error("What listens to deliveries ended with %s.", type(error).__qualname__, exc_info=error)


# The counts, for metrics and charts: kept in memory and written to the database now and then

# upper bounds, in seconds, of the buckets that waits and runs are sorted into
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, math.inf)
_NAMES = tuple(f"{bound:g}" for bound in BOUNDS)

EVERY = 1.0  # seconds between two writes of a worker's thread

_counted: defaultdict[tuple[Measure, str, str, str, str], Count] = defaultdict(Count)
_lock = threading.Lock()  # the heartbeat counts too, when it ends its process
_writer: threading.Thread | None = None
_ending = threading.Event()


def count(
    measure: Measure, claimed: ClaimedDelivery, *, detail: str = "", seconds: float | None = None, times: int = 1
) -> None:
    """Count something, once as a rule; what took ``seconds`` is counted in the bucket that holds so many."""
    bound = "" if seconds is None else _NAMES[bisect_left(BOUNDS, seconds)]
    with _lock:
        one = _counted[measure, claimed.queue, claimed.receiver, detail, bound]
        one.count += times
        one.seconds += seconds or 0.0


def write(*, beside: bool = False) -> bool:
    """Add what was counted to the database. False where that fails: then it is kept for the next time.

    ``beside`` a receiver in another thread it waits for no lock: that receiver may have it.
    """
    with _lock:
        taken = dict(_counted)
        _counted.clear()
    try:
        with ledger.short_lock_timeout() if beside and taken else nullcontext():
            ledger.add_tallies(
                {
                    TallyKey(measure=measure, queue=queue, receiver=receiver, detail=detail, bound=bound): one
                    for (measure, queue, receiver, detail, bound), one in taken.items()
                }
            )
    except Error as error:
        counting_logger.debug("The counts of this process are not written yet: %s", error)
        with _lock:
            for key, one in taken.items():
                _counted[key].count += one.count
                _counted[key].seconds += one.seconds
        return False
    return True


def write_after_drain() -> None:
    """Write what was counted, unless a thread does."""
    if _writer is None or not _writer.is_alive():
        write()


def write_in_background(**kwargs: object) -> None:
    """Have a thread of this process write once a second until ``write_last()``; Django-Q's post_spawn calls it."""
    global _writer
    _writer = threading.Thread(target=_keep_writing, name="counts", daemon=True)
    _writer.start()


def write_last() -> None:
    """Have that thread write once more, and wait for its end."""
    if _writer is not None:
        _ending.set()
        _writer.join()


def _keep_writing() -> None:
    ended = False
    while not ended:
        ended = _ending.wait(EVERY)
        if not _counted or not write(beside=True):
            connections.close_all()  # this thread's own
    connections.close_all()


# The trace: each attempt is a span, below that of its sender

_NO_SPAN = nullcontext()


def traceparent() -> str:
    """Return the W3C traceparent of the active span, or "" where there is none."""
    if not _is_installed or otel.get_current_span() is otel.INVALID_SPAN:
        return ""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def attempt_span(claimed: ClaimedDelivery) -> AbstractContextManager[object]:
    """Make the block a span of the delivery's trace, or the first span of a new one."""
    if not _is_installed or (not claimed.trace and isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider)):
        return _NO_SPAN  # nobody traces here
    return otel.get_tracer("signals_app").start_as_current_span(
        f"process {claimed.receiver}",
        context=TraceContextTextMapPropagator().extract({"traceparent": claimed.trace}) if claimed.trace else None,
        kind=otel.SpanKind.CONSUMER,
        attributes={
            "messaging.system": "signals_app",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": claimed.queue,
            "messaging.message.id": str(claimed.id),
            "messaging.message.conversation_id": str(claimed.emission),
            "signals_app.signal": claimed.signal,
            "signals_app.receiver": claimed.receiver,
            "signals_app.attempt": claimed.attempt,
        },
        record_exception=False,  # mark_span() does both
        set_status_on_exception=False,
    )


def mark_span(end: Failure) -> None:
    """Note in the active span how its attempt failed. A retry that the receiver asked for is no error."""
    if not _is_installed:
        return
    span = otel.get_current_span()
    span.set_attribute("signals_app.outcome", end.outcome.value)
    if end.outcome == Outcome.RETRY_AFTER:
        return
    span.set_attribute("error.type", end.error_class)
    span.set_status(otel.Status(otel.StatusCode.ERROR, end.error_class))
    error = {"type": end.error_class, "message": end.message, "stacktrace": end.traceback}  # secrets are masked in them
    span.add_event("exception", {f"exception.{name}": text for name, text in error.items()})


def export() -> None:
    """Export the spans of this process before it ends: a forked process runs no exit functions of its parent."""
    flush = getattr(otel.get_tracer_provider(), "force_flush", None) if _is_installed else None
    if flush is not None:
        flush()
