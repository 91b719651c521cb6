"""The OpenTelemetry trace of a delivery: it goes on in the worker from the span that was active at the send.

Needs the extra ``signals_app[opentelemetry]``. Without it, and where nobody traces, this costs next to nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from signals_app.ledger import BadEnd, ClaimedDelivery
from signals_app.models import Outcome

try:
    from opentelemetry import trace as otel
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    _is_installed = True
except ImportError:
    _is_installed = False


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
        return nullcontext()  # nobody traces here
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
        record_exception=False,  # what ends an attempt is noted below
        set_status_on_exception=False,
    )


def note_bad_end(end: BadEnd) -> None:
    """Let the active span say how its attempt ended. A retry that the receiver asked for is no error."""
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
    """Export this process's spans, before it ends: it was forked, and runs no exit functions of its parent."""
    flush = getattr(otel.get_tracer_provider(), "force_flush", None) if _is_installed else None
    if flush is not None:
        flush()
