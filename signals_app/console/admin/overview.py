"""The overview: whether work flows, at a glance; every figure links to the list that it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from django.views.generic import RedirectView

from signals_app.console import formatting
from signals_app.console.admin.pages import LIVE, PageAdmin, ReadOnlyAdmin, page_entry
from signals_app.console.charts import charts
from signals_app.console.dashboard import PATIENCE, Condition, condition, overview
from signals_app.console.operations import LONGEST_REASON, PAUSE_PERMISSION, RETRY, Operator, set_paused
from signals_app.console.queries import Waiting
from signals_app.exceptions import OperationRefused
from signals_app.ledger import QueueStats, Stats
from signals_app.models import Outcome, PauseKind, State
from signals_app.redaction.logs import one_line

_alarm: ContextVar[str] = ContextVar("signals_app.alarm", default="")


def _title() -> str:
    # the admin's menu is in the order of names: a space makes it the first, and no browser shows it
    return f" {_('Overview')}{_alarm.get()}"


ENTRY = page_entry("Overview", lazy(_title, str)())
ICONS = {
    Condition.HEALTHY: "successful",
    Condition.BACKLOG: "ready",
    Condition.FAILING: "failed",
    Condition.STOPPED: "lost",
}


class PauseForm(forms.Form):
    """Why something is paused and until when; both are optional."""

    reason = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=LONGEST_REASON)
    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class OverviewAdmin(PageAdmin):
    template = "admin/signals_app/overview.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/overview.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        found = overview()
        site = self.admin_site.name
        return {
            **found,
            "now": timezone.now(),
            "icon": ICONS[found["condition"]],
            "patience": PATIENCE,
            "cards": cards(found["figures"], site),
            "queues": [(queue, list(counts(queue, site)), runs) for queue, runs in found["queues"]],
            "sums": [(label, found["figures"].total(name)) for name, label in COUNTS.items()],
            "charts": charts(request.GET.get("span", ""), request.GET.get("receiver", ""), site),
            "can_pause": request.user.has_perm(PAUSE_PERMISSION),
            "can_retry": request.user.has_perm(RETRY.permission),
        }

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Return what the user may do here, and have the admin's index, which asks for it, say what is wrong."""
        perms, known = super().get_model_perms(request), vars(request)
        if "signals_alarm" not in known:
            is_index = getattr(request.resolver_match, "url_name", "") in ("index", "app_list")
            now = condition() if is_index and perms["view"] else None
            is_alarm = now in (Condition.FAILING, Condition.STOPPED)
            known["signals_alarm"] = f" \N{WARNING SIGN} {now.label}" if now and is_alarm else ""
        _alarm.set(known["signals_alarm"])
        return perms

    def get_urls(self) -> list[URLPattern]:
        pause = path("pause/", self.admin_site.admin_view(self.pause_view), name="signals_app_overview_pause")
        return [*super().get_urls(), pause]

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Pause or resume what was named, and go back to the page that asked for it."""
        if not (self.has_view_permission(request) and request.user.has_perm(PAUSE_PERMISSION)):
            raise PermissionDenied
        if request.method != "POST":
            return self.lead_back(request, formatting.address(self.admin_site.name, "overview_changelist"))
        kind, name, do, back = (request.POST.get(field, "") for field in ("kind", "name", "do", "back"))
        # a NUL is no text for PostgreSQL
        if do not in ("ask", "pause", "resume") or kind not in PauseKind.values or "\0" in name:
            raise BadRequest(
                "A pause needs a kind, QUEUE, RECEIVER or SCHEDULE, a name, and do=ask, do=pause or do=resume."
            )
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
            back = formatting.address(self.admin_site.name, "overview_changelist")
        form = PauseForm(request.POST if do == "pause" else None)
        if do == "resume" or form.is_valid():
            try:
                given = form.cleaned_data if do == "pause" else {}
                changed, said = set_paused(PauseKind(kind), name, do == "pause", by=Operator.of(request.user), **given)
                self.message_user(request, said, messages.SUCCESS if changed else messages.WARNING)
                return HttpResponseRedirect(back)
            except OperationRefused as refused:
                form.add_error(None, str(refused))
        what = f"{PauseKind(kind).label} {one_line(name)}"
        title = _("Pause the %(what)s?") % {"what": what}
        asked = {"title": title, "what": what, "form": form, "kind": kind, "name": name, "back": back}
        return self.show(request, "admin/signals_app/pause.html", **asked)


class ClusterAdmin(ReadOnlyAdmin):
    """The address that clusters had before they moved into the overview."""

    def get_urls(self) -> list[URLPattern]:
        return [path("", RedirectView.as_view(url="../overview/"), name="signals_app_clusterstat_changelist")]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


def listed(site: str, model: str = "delivery", **query: str) -> str:
    return f"{formatting.address(site, f'{model}_changelist')}?{urlencode(query)}"


def cards(figures: Stats, site: str) -> list[dict[str, Any]]:
    """Return the cards; the number on each is that of the rows in its list. ``kind`` names its icon and colours."""

    def card(kind: str, label: str, value: object, model: str = "delivery", **query: str) -> dict[str, Any]:
        return {"kind": kind, "label": label, "value": value, "url": listed(site, model, **query) if query else ""}

    retrying = figures.total("retrying")
    successful, failed, lost = State.SUCCESSFUL.value, State.FAILED.value, Outcome.LOST.value
    return [
        card("ready", _("waiting"), figures.total("waiting"), state=State.READY.value),
        card("failing" if retrying else "retry-after", _("failing now, to be retried"), retrying, waiting="retrying"),
        card("ready", _("oldest wait"), formatting.written(figures.oldest_wait or None)),
        card("running", _("running"), figures.total("running"), state=State.RUNNING.value),
        card("running", _("running for over a minute"), figures.total("long_running"), long="1"),
        card("successful", _("succeeded, last hour"), figures.succeeded, state=successful, ended="hour"),
        card("failed", _("failed, last hour"), figures.failed, state=failed, ended="hour"),
        card("lost", _("attempts lost, last hour"), figures.lost, model="attempt", outcome=lost, ended="hour"),
    ]


COUNTS = {
    "waiting": gettext_lazy("Waiting"),
    **{one.value: capfirst(one.label) for one in Waiting},
    "running": gettext_lazy("Running"),
}


def counts(queue: QueueStats, site: str) -> Iterator[tuple[Any, int, str]]:
    """Yield the numbers of a queue: label, number, and the address of the list that has so many rows."""
    for name, label in COUNTS.items():
        of_state = {"waiting": State.READY, "running": State.RUNNING}.get(name)
        query = {"state": of_state.value} if of_state else {"waiting": name}
        yield label, getattr(queue, name), listed(site, queue=queue.name, **query)
