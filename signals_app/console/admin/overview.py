"""The overview: whether work flows, at a glance; every figure links to the list that it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
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
from signals_app.console.dashboard import SHOWN, FailureGroup, Minute, Overview, Runs, overview
from signals_app.console.formatting import written
from signals_app.console.operations import PAUSE_PERMISSION, pause, resume
from signals_app.exceptions import OperationRefused
from signals_app.ledger import Figures, QueueFigures
from signals_app.models import Outcome, PauseKind, State

ENTRY = page_entry("Overview", gettext_lazy("overview"))
PAUSE_NAME = "signals_app_overview_pause"
MOST_QUEUES = 100  # that the page shows, those in which something has waited longest
HEIGHT = 100  # units of the chart's picture; a minute is ten wide


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One figure; ``kind`` names its icon and colours."""

    kind: str
    label: str
    value: object
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One rectangle of the chart."""

    kind: str
    x: int
    y: float
    height: float


class OverviewAdmin(PageAdmin):
    """The page."""

    template = "admin/signals_app/overview.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/overview.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the figures of this moment."""
        found = overview()
        peak = max(minute.total for minute in found.hour)
        of_queues = list(queues(found))
        longest = sorted(of_queues, key=lambda row: row[0].oldest_wait, reverse=True)[:MOST_QUEUES]
        return {
            "overview": found,
            "now": timezone.now(),
            "cards": list(cards(found.figures, self.admin_site.name)),
            "queues": sorted(longest, key=lambda row: row[0].name),
            "more_queues": len(of_queues) - len(longest),
            "receivers": list(receivers(found)),
            "chart": list(chart(found.hour, peak)),
            "peak": peak,
            "busy": [minute for minute in reversed(found.hour) if minute.total],
            "states": [(state.lower(), state.label) for state in SHOWN],
            "can_pause": request.user.has_perm(PAUSE_PERMISSION),
            "can_retry": request.user.has_perm("signals_app.retry_delivery"),
        }

    def get_urls(self) -> list[URLPattern]:
        """Add the address where queues and receivers are paused and resumed."""
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


def receivers(found: Overview) -> Iterator[tuple[Runs, FailureGroup | None, bool]]:
    """Return the receivers, the busiest first, with their last error and whether they are paused."""
    paused = {pause.name for pause in found.figures.pauses if pause.kind == PauseKind.RECEIVER}
    idle = paused - {runs.name for runs in found.runs.receivers}
    for runs in [*found.runs.receivers, *(Runs(name=name) for name in sorted(idle))]:
        last = next((group for group in found.failures if group.receiver == runs.name), None)
        yield runs, last, runs.name in paused


def queues(found: Overview) -> Iterator[tuple[QueueFigures, Runs | None]]:
    """Return the queues in which something waits, runs or ended, and those of living clusters."""
    waiting = {queue.name: queue for queue in found.figures.queues}
    served = {cluster.queue for cluster in found.clusters if cluster.is_alive}
    for name in sorted(waiting.keys() | served | found.runs.queues.keys()):
        yield waiting.get(name, QueueFigures(name=name)), found.runs.queues.get(name)


def cards(figures: Figures, site: str) -> Iterator[Card]:
    """Return the cards; the number on each is that of the rows in its list."""

    def deliveries_url(**query: str) -> str:
        return f"{formatting.address(site, 'delivery_changelist')}?{urlencode(query)}"

    ready, running = {"state": State.READY.value}, {"state": State.RUNNING.value}
    yield Card(kind="ready", label=_("waiting"), value=figures.total("waiting"), url=deliveries_url(**ready))
    yield Card(kind="ready", label=_("oldest wait"), value=_wait(figures.oldest_wait))
    yield Card(kind="running", label=_("running"), value=figures.total("running"), url=deliveries_url(**running))
    long_running = figures.total("long_running")
    yield Card(kind="running", label=_("running for over a minute"), value=long_running, url=deliveries_url(long="1"))
    for kind, label, state, count in (
        ("successful", _("succeeded, last hour"), State.SUCCESSFUL, figures.succeeded),
        ("failed", _("failed, last hour"), State.FAILED, figures.failed),
    ):
        url = deliveries_url(state=state.value, ended="hour")
        yield Card(kind=kind, label=label, value=count, url=url)
    attempts = formatting.address(site, "attempt_changelist")
    lost = urlencode({"outcome": Outcome.LOST.value, "ended": "hour"})
    yield Card(kind="lost", label=_("attempts lost, last hour"), value=figures.lost, url=f"{attempts}?{lost}")
    unroutable = deliveries_url(unroutable="1")
    yield Card(kind="unroutable", label=_("unroutable"), value=figures.total("unroutable"), url=unroutable)


def _wait(seconds: float) -> str:
    return written(timedelta(seconds=seconds) if seconds else None)


def chart(hour: Sequence[Minute], peak: int) -> Iterator[Part]:
    """Return the parts of the bars, a minute ten units wide, the tallest ``HEIGHT`` high."""
    for number, minute in enumerate(hour):
        top = float(HEIGHT)
        for state in SHOWN:
            count = getattr(minute, state.lower())
            if count:
                height = max(1.0, HEIGHT * count / peak)
                top -= height
                yield Part(kind=state.lower(), x=number * 10, y=round(top, 2), height=round(height, 2))
