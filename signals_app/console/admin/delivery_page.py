"""Everything the page of one delivery shows, gathered in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.admin.attempts import Run, runs_of
from signals_app.console.formatting import process_name, readable_name, readable_payload, trace_id, trace_url
from signals_app.console.operations import OPERATIONS, PAUSE_PERMISSION, Operation
from signals_app.models import FINAL_STATES, Delivery, Pause, PauseKind, State
from signals_app.redaction.records import one_line

SHOWN_ATTEMPTS = 25  # the newest; each may have a traceback of 20,000 characters
SHOWN_SIBLINGS = 100

Text = str | SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of a table of facts; ``pausable`` is of what kind its value is, where it can be paused."""

    label: str
    value: Text
    note: str = ""
    pausable: PauseKind | None = None
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another delivery of the same emission."""

    delivery: Delivery
    name: Text
    badge: Text
    waited: str
    ran: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """The page's parts, in its order."""

    is_final: bool
    badge: Text
    unroutable: Text
    progress: Text
    pauses: Sequence[Pause]
    actions: Sequence[Operation]
    can_pause: bool
    timing: Sequence[Fact]
    origin: Sequence[Fact]
    hold: Sequence[Fact]
    runs: Sequence[Run]
    older_runs: bool
    payload: str
    siblings: Sequence[Sibling]
    more_siblings: bool


def page_of(delivery: Delivery, request: HttpRequest, *, site: str, now: datetime) -> DeliveryPage:
    """Return the page of a delivery for whoever asks, in an ``AdminSite``: three queries."""
    alias = delivery._state.db
    newest = list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[: SHOWN_ATTEMPTS + 1])
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk).defer("payload")
    siblings = list(others.order_by("pk")[: SHOWN_SIBLINGS + 1])
    pauses = _pauses(delivery)
    return DeliveryPage(
        is_final=delivery.state in FINAL_STATES,
        badge=formatting.state_badge(delivery),
        unroutable=formatting.unroutable_badge() if delivery.unroutable else "",
        progress=formatting.progress_bar(delivery),
        pauses=pauses,
        actions=_actions(delivery, request),
        can_pause=request.user.has_perm(PAUSE_PERMISSION),
        timing=_timing(delivery, now),
        origin=_origin(delivery, pauses, site),
        hold=_hold(delivery, now),
        runs=runs_of(delivery, newest[:SHOWN_ATTEMPTS], now),
        older_runs=len(newest) > SHOWN_ATTEMPTS,
        payload=readable_payload(delivery.payload),
        siblings=[_sibling(one, now) for one in siblings[:SHOWN_SIBLINGS]],
        more_siblings=len(siblings) > SHOWN_SIBLINGS,
    )


def _actions(delivery: Delivery, request: HttpRequest) -> list[Operation]:
    possible = (one for one in OPERATIONS.values() if one.can_change(delivery))
    return [one for one in possible if request.user.has_perm(one.permission)]


def _pauses(delivery: Delivery) -> list[Pause]:
    stops = ((PauseKind.RECEIVER, delivery.receiver), (PauseKind.QUEUE, delivery.queue))
    return [one for one in ledger.pauses() if (one.kind, one.name) in stops]


def _timing(delivery: Delivery, now: datetime) -> list[Fact]:
    due_note = formatting.until(delivery.due_at, now) if delivery.state == State.READY else ""
    return [
        Fact(label=_("Enqueued"), value=formatting.moment(delivery.enqueued_at)),
        Fact(label=_("Due"), value=formatting.moment(delivery.due_at), note=due_note),
        Fact(label=_("Started"), value=formatting.moment(delivery.started_at)),
        Fact(label=_("Finished"), value=formatting.moment(delivery.finished_at)),
        Fact(label=_("Waited"), value=formatting.written(formatting.waited(delivery, now))),
        Fact(label=_("Ran"), value=formatting.written(formatting.ran(delivery, now))),
        Fact(label=_("Attempts"), value=f"{delivery.attempts}/{delivery.max_attempts}"),
    ]


def _origin(delivery: Delivery, pauses: Sequence[Pause], site: str) -> list[Fact]:
    def pausable(label: str, kind: PauseKind, name: str) -> Fact:
        return Fact(label=label, value=name, pausable=kind, is_paused=any(one.kind == kind for one in pauses))

    return [
        Fact(label=_("Signal"), value=one_line(delivery.signal)),
        Fact(label=_("Sender"), value=readable_name(delivery.sender) or formatting.NONE),
        Fact(label=_("Sent by"), value=one_line(delivery.sent_by) or formatting.NONE),
        Fact(
            label=_("Sent from"),
            value=formatting.place(site, delivery.sent_from) or formatting.NONE,
            note=_deep(delivery),
        ),
        pausable(_("Receiver"), PauseKind.RECEIVER, delivery.receiver),
        pausable(_("Queue"), PauseKind.QUEUE, delivery.queue),
        Fact(label=_("Priority"), value=str(delivery.priority)),
        Fact(label=_("Emission"), value=formatting.emission_link(site, delivery.emission)),
        *_trace(delivery),
        *_context(delivery),
    ]


def _deep(delivery: Delivery) -> str:
    return _("%(depth)s deliveries deep") % {"depth": delivery.depth} if delivery.depth else ""


def _trace(delivery: Delivery) -> list[Fact]:
    trace = trace_id(delivery.trace)
    if not trace:
        return []
    url = trace_url(trace)
    return [Fact(label=_("Trace"), value=format_html('<a href="{}">{}</a>', url, trace) if url else trace)]


def _context(delivery: Delivery) -> list[Fact]:
    given = readable_payload(delivery.context, indent=None)
    return [Fact(label=_("Context"), value=given)] if given else []


def _hold(delivery: Delivery, now: datetime) -> list[Fact]:
    lease = delivery.lease_until
    return [
        Fact(
            label=_("Held by") if delivery.state == State.RUNNING else _("Last held by"),
            value=process_name(delivery.owner) or formatting.NONE,
            note=one_line(delivery.owner),
        ),
        Fact(label=_("Token"), value=str(delivery.token)),
        Fact(label=_("Lease"), value=formatting.moment(lease), note=formatting.until(lease, now) if lease else ""),
    ]


def _sibling(delivery: Delivery, now: datetime) -> Sibling:
    return Sibling(
        delivery=delivery,
        name=formatting.name(delivery.receiver),
        badge=formatting.state_badge(delivery),
        waited=formatting.written(formatting.waited(delivery, now)),
        ran=formatting.written(formatting.ran(delivery, now)),
    )
