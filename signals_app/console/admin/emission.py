"""All deliveries of one emission, in lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from signals_app.console import formatting
from signals_app.console.admin.pages import LIVE, crumbs
from signals_app.console.formatting import readable_name, readable_payload
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.redaction import masked_text
from signals_app.redaction.records import one_line

SHOWN = 100  # deliveries, the first
SHOWN_ATTEMPTS = 1_000  # of all of them, the newest
WIDTH = 1000  # units of the pictures
LEAST = 4.0  # units that a segment is wide, so that it is seen

Moments = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A span in the life of a delivery: a wait, or an attempt. ``kind`` names its icon and its colours."""

    kind: str
    label: str
    start: datetime
    end: datetime
    error: str = ""
    message: str = ""
    traceback: str = ""
    x: float = 0.0
    width: float = LEAST

    @property
    def took(self) -> str:
        """How long it lasted."""
        return formatting.written(max(self.end - self.start, timedelta()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One delivery and its steps; ``due`` says when its next attempt may begin, where one waits."""

    delivery: Delivery
    badge: SafeString
    progress: str | SafeString
    due: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionPage:
    """The page's content. ``payloads`` are the texts that differ, with the receivers that got each."""

    emission: UUID
    first: Delivery
    place: str | SafeString
    sender: str
    lanes: Sequence[Lane]
    payloads: Sequence[tuple[str, Sequence[str]]]
    history: Sequence[LogEntry]
    took: str
    is_cut: bool
    is_final: bool


def page_of_emission(emission: UUID, rows: QuerySet[Delivery], *, site: str, now: datetime) -> EmissionPage | None:
    """Return the page of an emission for an ``AdminSite``, None where no delivery has it: four queries."""
    found = list(rows.filter(emission=emission).order_by("pk")[: SHOWN + 1])
    if not found:
        return None
    shown = found[:SHOWN]
    ends = _attempts(shown)
    spans = {one.pk: list(_spans(one, ends.get(one.pk, []), now)) for one in shown}
    start = min(one.enqueued_at for one in shown)
    end = max([now if _goes_on(one) else one.finished_at or now for one in shown])
    return EmissionPage(
        emission=emission,
        first=shown[0],
        place=formatting.place(site, shown[0].sent_from),
        sender=readable_name(shown[0].sender),
        lanes=[_lane(one, spans[one.pk], (start, end), now) for one in shown],
        payloads=list(_payloads(shown)),
        history=_history(shown),
        took=formatting.written(end - start),
        is_cut=len(found) > SHOWN,
        is_final=not any(_goes_on(one) for one in shown),
    )


def _goes_on(delivery: Delivery) -> bool:
    return delivery.state in (State.READY, State.RUNNING)


def _attempts(deliveries: Sequence[Delivery]) -> dict[int, list[Attempt]]:
    newest = (
        Attempt.objects.using(deliveries[0]._state.db).filter(delivery__in=deliveries).order_by("-pk")[:SHOWN_ATTEMPTS]
    )
    found: dict[int, list[Attempt]] = {}
    for attempt in reversed(newest):
        found.setdefault(attempt.delivery_id, []).append(attempt)
    return found


def _spans(delivery: Delivery, ends: Sequence[Attempt], now: datetime) -> Iterator[Step]:
    """Yield waits and attempts in the order in which they came."""
    last = delivery.enqueued_at
    for attempt in ends:
        began = attempt.started_at or attempt.finished_at
        yield from _wait(last, began)
        kind, word = formatting.kind_and_word(Outcome, attempt.outcome)
        yield Step(
            kind=kind,
            label=f"{attempt.number}: {word}",
            start=began,
            end=attempt.finished_at,
            error=one_line(attempt.error_class),
            message=masked_text(attempt.message),
            traceback=masked_text(attempt.traceback),
        )
        last = attempt.finished_at
    state = delivery.state
    if delivery.started_at and state in (State.RUNNING, State.SUCCESSFUL):
        kind, word = formatting.kind_and_word(State, state)
        yield from _wait(last, delivery.started_at)
        yield Step(
            kind=kind,
            label=f"{delivery.attempts}: {word}",
            start=delivery.started_at,
            end=delivery.finished_at or now,
        )
    elif state == State.READY:
        yield from _wait(last, now)
    elif state == State.CANCELLED:
        yield from _wait(last, delivery.finished_at or now)


def _wait(since: datetime, until: datetime) -> Iterator[Step]:
    if until > since:
        yield Step(kind="wait", label="", start=since, end=until)


def _lane(delivery: Delivery, steps: Sequence[Step], whole: Moments, now: datetime) -> Lane:
    return Lane(
        delivery=delivery,
        badge=formatting.state_badge(delivery),
        progress=formatting.progress_bar(delivery),
        due=formatting.until(delivery.due_at, now) if delivery.state == State.READY else "",
        steps=list(_placed(steps, whole)),
    )


def _placed(steps: Sequence[Step], whole: Moments) -> Iterator[Step]:
    """Put each step where it belongs on the axis that all lanes share."""
    start, end = whole
    scale = WIDTH / max((end - start).total_seconds(), 0.001)
    for step in steps:
        x = min(max(0.0, (step.start - start).total_seconds() * scale), WIDTH - LEAST)
        width = max(LEAST, (step.end - step.start).total_seconds() * scale)
        yield replace(step, x=round(x, 2), width=round(min(width, WIDTH - x), 2))


def _payloads(deliveries: Sequence[Delivery]) -> Iterator[tuple[str, list[str]]]:
    """Yield each text that travelled, and to whom: ``drop`` and ``snapshot`` make payloads of one send differ."""
    receivers: dict[str, list[str]] = {}
    for delivery in deliveries:
        receivers.setdefault(delivery.payload, []).append(one_line(delivery.receiver))
    for payload, names in receivers.items():
        yield readable_payload(payload), names


def _history(deliveries: Sequence[Delivery]) -> list[LogEntry]:
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Delivery), object_id__in=[str(one.pk) for one in deliveries]
    )
    return list(entries.select_related("user").order_by("-action_time")[:SHOWN])


STYLES = ("signals_app/admin.css", "signals_app/overview.css", "signals_app/emission.css")


def show_emission(of: ModelAdmin[Delivery], request: HttpRequest, emission: UUID) -> HttpResponse:
    """Answer with the page. Raises Http404 where no delivery has that emission."""
    page = page_of_emission(emission, of.get_queryset(request), site=of.admin_site.name, now=timezone.now())
    if page is None:
        raise Http404(_("No delivery has that emission."))
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "title": _("Emission"),
        "page": page,
        "media": forms.Media(css={"all": STYLES}, js=(LIVE,)),
    }
    return TemplateResponse(request, "admin/signals_app/emission.html", context)
