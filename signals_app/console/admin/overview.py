"""The overview: whether work flows, at a glance; every figure links to the list that it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from signals_app.console import formatting
from signals_app.console.admin.actions import operator_of
from signals_app.console.admin.pages import LIVE, PageAdmin, page_entry
from signals_app.console.dashboard import FINAL, overview
from signals_app.console.operations import PAUSE_PERMISSION, pause, resume
from signals_app.exceptions import OperationRefused
from signals_app.ledger import Stats
from signals_app.models import Outcome, PauseKind, State

ENTRY = page_entry("Overview", gettext_lazy("overview"))
PAUSE_NAME = "signals_app_overview_pause"
HEIGHT = 100  # units of the chart's picture; a minute is ten wide


class OverviewAdmin(PageAdmin):
    template = "admin/signals_app/overview.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/overview.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        found = overview()
        peak = max(minute["total"] for minute in found["hour"])
        return {
            **found,
            "now": timezone.now(),
            "cards": cards(found["figures"], self.admin_site.name),
            "chart": list(chart(found["hour"], peak)),
            "peak": peak,
            "busy": [minute for minute in reversed(found["hour"]) if minute["total"]],
            "states": [(state.lower(), state.label) for state in FINAL],
            "can_pause": request.user.has_perm(PAUSE_PERMISSION),
            "can_retry": request.user.has_perm("signals_app.retry_delivery"),
        }

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls(), path("pause/", self.admin_site.admin_view(self.pause_view), name=PAUSE_NAME)]

    @method_decorator(require_POST)
    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Pause or resume what was named, and go back to the page that asked for it."""
        if not (self.has_view_permission(request) and request.user.has_perm(PAUSE_PERMISSION)):
            raise PermissionDenied
        kind, name = request.POST.get("kind", ""), request.POST.get("name", "")
        do = {"pause": pause, "resume": resume}.get(request.POST.get("do", ""))
        if do is None or kind not in PauseKind.values or "\0" in name:  # which PostgreSQL cannot look for
            raise BadRequest("A pause needs kind=QUEUE or kind=RECEIVER, a name, and do=pause or do=resume.")
        try:
            changed = do(PauseKind(kind), name, by=operator_of(request))
        except OperationRefused as refused:
            messages.error(request, str(refused))
        else:
            words = {"kind": PauseKind(kind).label, "name": name}
            said = _("The %(kind)s %(name)s is paused.") if do is pause else _("The %(kind)s %(name)s is resumed.")
            left = _("The %(kind)s %(name)s was so already.")
            messages.success(request, said % words) if changed else messages.warning(request, left % words)
        back = request.POST.get("back", "")
        if not url_has_allowed_host_and_scheme(
            back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            back = formatting.address(self.admin_site.name, "overview_changelist")
        return HttpResponseRedirect(back)


def cards(figures: Stats, site: str) -> list[dict[str, Any]]:
    """Return the cards; the number on each is that of the rows in its list. ``kind`` names its icon and colours."""

    def card(kind: str, label: str, value: object, model: str = "delivery", **query: str) -> dict[str, Any]:
        url = f"{formatting.address(site, f'{model}_changelist')}?{urlencode(query)}" if query else ""
        return {"kind": kind, "label": label, "value": value, "url": url}

    successful, failed, lost = State.SUCCESSFUL.value, State.FAILED.value, Outcome.LOST.value
    return [
        card("ready", _("waiting"), figures.total("waiting"), state=State.READY.value),
        card("ready", _("oldest wait"), formatting.written(figures.oldest_wait or None)),
        card("running", _("running"), figures.total("running"), state=State.RUNNING.value),
        card("running", _("running for over a minute"), figures.total("long_running"), long="1"),
        card("successful", _("succeeded, last hour"), figures.succeeded, state=successful, ended="hour"),
        card("failed", _("failed, last hour"), figures.failed, state=failed, ended="hour"),
        card("lost", _("attempts lost, last hour"), figures.lost, model="attempt", outcome=lost, ended="hour"),
        card("unroutable", _("unroutable"), figures.total("unroutable"), unroutable="1"),
    ]


def chart(hour: Sequence[dict[str, Any]], peak: int) -> Iterator[dict[str, Any]]:
    """Return the rectangles of the bars, a minute ten units wide, the tallest ``HEIGHT`` high."""
    for number, minute in enumerate(hour):
        top = float(HEIGHT)
        for kind in (state.lower() for state in FINAL):
            if minute[kind]:
                height = max(1.0, HEIGHT * minute[kind] / peak)
                top -= height
                yield {"kind": kind, "x": number * 10, "y": round(top, 2), "height": round(height, 2)}
