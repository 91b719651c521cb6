"""A delivery for a program to read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from signals_app.masking import masked, masked_text
from signals_app.models import Attempt, Delivery, Pause, PauseKind, State
from signals_app.operations.durations import ran, waited
from signals_app.operations.readable import process_name, readable_name, readable_payload, trace_id

_TEXTS = ("state", "receiver", "signal", "queue", "priority", "attempts", "max_attempts", "losses")
_MOMENTS = ("enqueued_at", "due_at", "started_at", "finished_at", "lease_until")


def facts_of(delivery: Delivery, pauses: list[Pause], *, now: datetime) -> dict[str, Any]:
    """Return what there is to know of a delivery, but its payload and attempts; durations are in seconds."""
    return {
        "id": delivery.pk,
        "emission": str(delivery.emission),
        "trace_id": trace_id(delivery.trace),
        **{name: getattr(delivery, name) for name in _TEXTS},
        "sender": readable_name(delivery.sender),
        "sent_by": delivery.sent_by,
        "sent_from": readable_name(delivery.sent_from),
        "depth": delivery.depth,
        "context": readable_payload(delivery.context, indent=None),
        **{name: _iso(getattr(delivery, name)) for name in _MOMENTS},
        "waited": _seconds(waited(delivery, now)),
        "ran": _seconds(ran(delivery, now)),
        "progress": [delivery.progress_done, delivery.progress_total],
        "process": process_name(delivery.owner),
        "unroutable": delivery.unroutable,
        "paused": is_paused(delivery, pauses),
    }


def payload_of(delivery: Delivery) -> Any:
    """Return the payload with its secrets masked; as text, where it is no JSON."""
    try:
        return masked(json.loads(delivery.payload))
    except (ValueError, RecursionError):
        return masked_text(delivery.payload)


def attempt_facts(attempt: Attempt) -> dict[str, Any]:
    """Return what there is to know of an attempt that ended badly, with secrets masked."""
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "process": process_name(attempt.owner),
        "started_at": _iso(attempt.started_at),
        "finished_at": _iso(attempt.finished_at),
        "error_class": attempt.error_class,
        "message": masked_text(attempt.message),
        "traceback": masked_text(attempt.traceback),
    }


def is_paused(delivery: Delivery, pauses: list[Pause]) -> bool:
    """Tell whether a delivery waits for the end of a pause."""
    names = {(PauseKind.QUEUE.value, delivery.queue), (PauseKind.RECEIVER.value, delivery.receiver)}
    return delivery.state == State.READY and any((pause.kind, pause.name) in names for pause in pauses)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
