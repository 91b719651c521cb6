"""All deliveries of one emission, in lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from signals_app.console import formatting
from signals_app.console.admin.pages import LIVE, crumbs
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, State
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line

SHOWN = 100  # deliveries, the first
SHOWN_ATTEMPTS = 1_000  # of all of them, the newest
WIDTH = 1000  # units of the pictures
LEAST = 4.0  # units that a step is wide, so that it is seen
STYLES = ("signals_app/admin.css", "signals_app/overview.css", "signals_app/emission.css")


def show_emission(of: ModelAdmin[Delivery], request: HttpRequest, emission: UUID) -> HttpResponse:
    """Answer with the page. Raises Http404 where no delivery has that emission."""
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "title": _("Emission"),
        "page": page_of_emission(emission, of.get_queryset(request), site=of.admin_site.name, now=timezone.now()),
        "media": forms.Media(css={"all": STYLES}, js=(LIVE,)),
    }
    return TemplateResponse(request, "admin/signals_app/emission.html", context)


def page_of_emission(emission: UUID, rows: QuerySet[Delivery], *, site: str, now: datetime) -> dict[str, Any]:
    """Return the page of an emission for an ``AdminSite``: four queries. Raises Http404 where no delivery has it."""
    found = list(rows.filter(emission=emission).order_by("pk")[: SHOWN + 1])
    if not found:
        raise Http404(_("No delivery has that emission."))
    shown = found[:SHOWN]
    first = shown[0]
    is_final = all(one.state in FINAL_STATES for one in shown)
    start = min(one.enqueued_at for one in shown)
    end = max(one.finished_at or now if one.state in FINAL_STATES else now for one in shown)
    attempts: dict[int, list[Attempt]] = {one.pk: [] for one in shown}
    for attempt in reversed(
        Attempt.objects.using(first._state.db).filter(delivery__in=shown).order_by("-pk")[:SHOWN_ATTEMPTS]
    ):
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
        "sender": formatting.readable_name(first.sender),
        "lanes": [
            {
                "delivery": one,
                "badge": formatting.state_badge(one),
                "progress": formatting.progress_bar(one),
                "due": formatting.until(one.due_at, now) if one.state == State.READY else "",
                "steps": [_placed(step, start, end) for step in _steps(one, attempts[one.pk], now)],
            }
            for one in shown
        ],
        "payloads": [(formatting.readable_payload(payload), names) for payload, names in payloads.items()],
        "history": history.select_related("user").order_by("-action_time")[:SHOWN],
        "took": formatting.written(end - start),
        "is_cut": len(found) > SHOWN,
        "is_final": is_final,
    }


def _steps(delivery: Delivery, attempts: Sequence[Attempt], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield waits and attempts in the order in which they came; ``kind`` names an icon and colours."""
    last = delivery.enqueued_at

    def wait(until: datetime) -> Iterator[dict[str, Any]]:
        if until > last:
            yield {"kind": "wait", "start": last, "end": until}

    for attempt in attempts:
        began = attempt.started_at or attempt.finished_at
        yield from wait(began)
        kind, word = formatting.kind_and_word(Outcome, attempt.outcome)
        yield {
            "kind": kind,
            "label": f"{attempt.number}: {word}",
            "start": began,
            "end": attempt.finished_at,
            "error": one_line(attempt.error_class),
            "message": masked_text(attempt.message),
            "traceback": masked_text(attempt.traceback),
        }
        last = attempt.finished_at
    if delivery.started_at and delivery.state in (State.RUNNING, State.SUCCESSFUL):
        yield from wait(delivery.started_at)
        kind, word = formatting.kind_and_word(State, delivery.state)
        label, end = f"{delivery.attempts}: {word}", delivery.finished_at or now
        yield {"kind": kind, "label": label, "start": delivery.started_at, "end": end}
    elif delivery.state == State.READY:
        yield from wait(now)
    elif delivery.state == State.CANCELLED:
        yield from wait(delivery.finished_at or now)


def _placed(step: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    """Put a step where it belongs on the axis that all lanes share."""
    scale = WIDTH / max((end - start).total_seconds(), 0.001)
    took = step["end"] - step["start"]
    x = min(max(0.0, (step["start"] - start).total_seconds() * scale), WIDTH - LEAST)
    width = min(max(LEAST, took.total_seconds() * scale), WIDTH - x)
    words = formatting.written(max(took, timedelta()))
    return {**step, "took": words, "x": round(x, 2), "width": round(width, 2)}
