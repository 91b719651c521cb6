"""Everything the page of one delivery shows, gathered in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.admin.attempts import runs_of
from signals_app.console.formatting import NONE, moment, readable_name, readable_payload, until, written
from signals_app.console.operations import OPERATIONS, PAUSE_PERMISSION
from signals_app.models import FINAL_STATES, Delivery, Pause, PauseKind, State
from signals_app.redaction.logs import one_line

SHOWN_ATTEMPTS = 25  # the newest; each may have a traceback of 20,000 characters
SHOWN_SIBLINGS = 100


def page_of(delivery: Delivery, request: HttpRequest, *, site: str, now: datetime) -> dict[str, Any]:
    """Return the page of a delivery for whoever asks, in an ``AdminSite``: three queries."""
    alias = delivery._state.db
    newest = list(delivery.failed_attempts.using(alias).order_by("-number", "-pk")[: SHOWN_ATTEMPTS + 1])
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk).defer("payload")
    siblings = list(others.order_by("pk")[: SHOWN_SIBLINGS + 1])
    stops = ((PauseKind.RECEIVER, delivery.receiver), (PauseKind.QUEUE, delivery.queue))
    pauses = [one for one in ledger.pauses() if (one.kind, one.name) in stops]
    actions = [one for one in OPERATIONS.values() if one.can_change(delivery) and request.user.has_perm(one.permission)]
    return {
        "is_final": delivery.state in FINAL_STATES,
        "badge": formatting.state_badge(delivery),
        "unroutable": formatting.unroutable_badge() if delivery.unroutable else "",
        "progress": formatting.progress_bar(delivery),
        "pauses": pauses,
        "actions": actions,
        "can_pause": request.user.has_perm(PAUSE_PERMISSION),
        "facts": (
            ("timing", _("Timing"), _timing(delivery, now)),
            ("origin", _("What was sent"), _origin(delivery, pauses, site)),
            ("hold", _("Who holds it"), _hold(delivery, now)),
        ),
        "runs": runs_of(delivery, newest[:SHOWN_ATTEMPTS], now),
        "older_runs": len(newest) > SHOWN_ATTEMPTS,
        "payload": readable_payload(delivery.payload),
        "siblings": [_sibling(one, now) for one in siblings[:SHOWN_SIBLINGS]],
        "more_siblings": len(siblings) > SHOWN_SIBLINGS,
    }


def _fact(label: str, value: object, note: str = "", **pausable: Any) -> dict[str, Any]:
    return {"label": label, "value": value or NONE, "note": note, **pausable}


def _timing(delivery: Delivery, now: datetime) -> list[dict[str, Any]]:
    return [
        _fact(_("Enqueued"), moment(delivery.enqueued_at)),
        _fact(_("Due"), moment(delivery.due_at), until(delivery.due_at, now) if delivery.state == State.READY else ""),
        _fact(_("Started"), moment(delivery.started_at)),
        _fact(_("Finished"), moment(delivery.finished_at)),
        _fact(_("Waited"), written(formatting.waited(delivery, now))),
        _fact(_("Ran"), written(formatting.ran(delivery, now))),
        _fact(_("Attempts"), f"{delivery.attempts}/{delivery.max_attempts}"),
    ]


def _origin(delivery: Delivery, pauses: Sequence[Pause], site: str) -> list[dict[str, Any]]:
    def pausable(label: str, kind: PauseKind, name: str) -> dict[str, Any]:
        return _fact(label, name, pausable=kind, is_paused=any(one.kind == kind for one in pauses))

    deep = _("%(depth)s deliveries deep") % {"depth": delivery.depth} if delivery.depth else ""
    emission = formatting.address(site, "emission", delivery.emission)
    facts = [
        _fact(_("Signal"), one_line(delivery.signal)),
        _fact(_("Sender"), readable_name(delivery.sender)),
        _fact(_("Sent by"), one_line(delivery.sent_by)),
        _fact(_("Sent from"), formatting.place(site, delivery.sent_from), deep),
        pausable(_("Receiver"), PauseKind.RECEIVER, delivery.receiver),
        pausable(_("Queue"), PauseKind.QUEUE, delivery.queue),
        _fact(_("Priority"), str(delivery.priority)),
        _fact(_("Emission"), format_html('<a href="{}">{}</a>', emission, delivery.emission)),
    ]
    if trace := formatting.trace_id(delivery.trace):
        url = formatting.trace_url(trace)
        facts.append(_fact(_("Trace"), format_html('<a href="{}">{}</a>', url, trace) if url else trace))
    if given := readable_payload(delivery.context, indent=None):
        facts.append(_fact(_("Context"), given))
    return facts


def _hold(delivery: Delivery, now: datetime) -> list[dict[str, Any]]:
    lease = delivery.lease_until
    label = _("Held by") if delivery.state == State.RUNNING else _("Last held by")
    return [
        _fact(label, formatting.process_name(delivery.owner), one_line(delivery.owner)),
        _fact(_("Token"), str(delivery.token)),
        _fact(_("Lease"), moment(lease), until(lease, now) if lease else ""),
    ]


def _sibling(delivery: Delivery, now: datetime) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "name": formatting.name(delivery.receiver),
        "badge": formatting.state_badge(delivery),
        "waited": written(formatting.waited(delivery, now)),
        "ran": written(formatting.ran(delivery, now)),
    }
