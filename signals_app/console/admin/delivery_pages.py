"""What the page of one delivery and the page of one emission show, each in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.formatting import moment, readable_payload, until, written
from signals_app.console.operations import OPERATIONS, PAUSE_PERMISSION
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, PauseKind, State
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line

SHOWN_ATTEMPTS = 25  # of one delivery, the newest; each may have a traceback of 20,000 characters
SHOWN_SIBLINGS = 100  # deliveries of one emission, the first
SHOWN_IN_LANES = 1_000  # attempts of a whole emission, the newest
WIDTH = 1000  # units of the lanes' pictures
LEAST = 4.0  # units that a step is wide, so that it is seen


def delivery_page(delivery: Delivery, user: Any, *, site: str, now: datetime) -> dict[str, Any]:
    """Return what the page of a delivery in an ``AdminSite`` shows to a user: four queries."""
    alias = delivery._state.db
    newest = list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[: SHOWN_ATTEMPTS + 1])
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk).defer("payload")
    siblings = list(others.order_by("pk")[: SHOWN_SIBLINGS + 1])
    stops = ((PauseKind.RECEIVER, delivery.receiver), (PauseKind.QUEUE, delivery.queue))
    pauses = [one for one in ledger.pauses() if (one.kind, one.name) in stops]
    conditions = {name: one.condition("") for name, one in OPERATIONS.items()}
    possible: Any = Delivery.objects.using(alias).filter(pk=delivery.pk).values(**conditions).first()
    offered = [one for name, one in OPERATIONS.items() if possible and possible[name]]
    return {
        "is_final": delivery.state in FINAL_STATES,
        "badges": formatting.state_badges(delivery),
        "progress": formatting.progress_bar(delivery),
        "pauses": pauses,
        "operations": [one for one in offered if user.has_perm(one.permission)],
        "can_pause": user.has_perm(PAUSE_PERMISSION),
        "now": now,
        "waited": written(formatting.waited(delivery, now)),
        "ran": written(formatting.ran(delivery, now)),
        "place": formatting.place(site, delivery.sent_from),
        "paused": {one.kind for one in pauses},
        "trace": (trace := formatting.trace_id(delivery.trace)),
        "trace_url": formatting.trace_url(trace),
        "context": readable_payload(delivery.context, indent=None),
        "runs": list(runs_of(delivery, newest[SHOWN_ATTEMPTS - 1 :: -1], now)),
        "older_runs": len(newest) > SHOWN_ATTEMPTS,
        "payload": readable_payload(delivery.payload),
        "siblings": [
            {
                "delivery": one,
                "badge": formatting.state_badge(one),
                "waited": written(formatting.waited(one, now)),
                "ran": written(formatting.ran(one, now)),
            }
            for one in siblings[:SHOWN_SIBLINGS]
        ],
        "more_siblings": len(siblings) > SHOWN_SIBLINGS,
    }


def runs_of(delivery: Delivery, attempts: Iterable[Attempt], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the executions in order: its failed attempts, and the one that runs or succeeded, which has no row."""
    number = 0
    for one in attempts:
        number = max(number, one.number)
        yield {
            "key": str(one.pk),
            "number": one.number,
            "process": formatting.process_name(one.owner),
            "error_class": one_line(one.error_class),
            "message": masked_text(one.message),
            "traceback": masked_text(one.traceback),
            **_executed(formatting.kind_and_word(Outcome, one.outcome), one.started_at, one.finished_at),
        }
    if formatting.has_run(delivery) and (delivery.state == State.RUNNING or number != delivery.attempts):
        end = now if delivery.state == State.RUNNING else delivery.finished_at or now
        yield {
            "key": "last",
            "number": delivery.attempts,
            "process": formatting.process_name(delivery.owner),
            **_executed(formatting.kind_and_word(State, delivery.state), delivery.started_at, end),
        }


def _executed(ended: tuple[str, str], start: datetime | None, end: datetime) -> dict[str, Any]:
    return {
        "kind": ended[0],
        "badge": formatting.badge(*ended),
        "start": start or end,
        "started": moment(start),
        "end": end,
        "ran": written(end - start if start else None),
    }


def emission_page(emission: UUID, rows: QuerySet[Delivery], *, site: str, now: datetime) -> dict[str, Any]:
    """Return what the page of an emission in an ``AdminSite`` shows: four queries.

    Raises Http404 where no delivery has that emission.
    """
    found = list(rows.filter(emission=emission).order_by("pk")[: SHOWN_SIBLINGS + 1])
    if not found:
        raise Http404(_("No delivery has that emission."))
    shown = found[:SHOWN_SIBLINGS]
    first = shown[0]
    start = min(one.enqueued_at for one in shown)
    end = max(one.finished_at or now if one.state in FINAL_STATES else now for one in shown)
    attempts: dict[int, list[Attempt]] = {one.pk: [] for one in shown}
    newest = Attempt.objects.using(first._state.db).filter(delivery__in=shown).order_by("-pk")[:SHOWN_IN_LANES]
    for attempt in reversed(newest):
        attempts[attempt.delivery_id].append(attempt)
    payloads: dict[str, list[str]] = {}  # to whom each went: drop and snapshot make payloads of one send differ
    for one in shown:
        payloads.setdefault(one.payload, []).append(one_line(one.receiver))
    history = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Delivery), object_id__in=[str(one.pk) for one in shown]
    )
    return {
        "emission": emission,
        "first": first,
        "place": formatting.place(site, first.sent_from),
        "lanes": [
            {
                "delivery": one,
                "badge": formatting.state_badge(one),
                "progress": formatting.progress_bar(one),
                "due": until(one.due_at, now) if one.state == State.READY else "",
                "steps": [_placed(step, start, end) for step in _steps(one, attempts[one.pk], now)],
            }
            for one in shown
        ],
        "payloads": [(readable_payload(payload), names) for payload, names in payloads.items()],
        "history": history.select_related("user").order_by("-action_time")[:SHOWN_SIBLINGS],
        "took": written(end - start),
        "is_cut": len(found) > SHOWN_SIBLINGS,
        "is_final": all(one.state in FINAL_STATES for one in shown),
    }


def _steps(delivery: Delivery, attempts: Iterable[Attempt], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield waits and executions in the order in which they came."""
    last = delivery.enqueued_at
    for run in runs_of(delivery, attempts, now):
        if run["start"] > last:
            yield {"kind": "wait", "start": last, "end": run["start"]}
        yield run
        last = run["end"]
    end = {"READY": now, "CANCELLED": delivery.finished_at or now}.get(delivery.state, last)
    if end > last:
        yield {"kind": "wait", "start": last, "end": end}


def _placed(step: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    """Place a step on the axis that all lanes share."""
    scale = WIDTH / max((end - start).total_seconds(), 0.001)
    took = step["end"] - step["start"]
    x = min(max(0.0, (step["start"] - start).total_seconds() * scale), WIDTH - LEAST)
    width = min(max(LEAST, took.total_seconds() * scale), WIDTH - x)
    return {**step, "took": written(took), "x": round(x, 2), "width": round(width, 2)}
