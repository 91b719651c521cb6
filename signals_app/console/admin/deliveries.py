"""Deliveries in the admin: the list, and the operations from it and from a delivery's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.admin.delivery_pages import delivery_page, emission_page, objects_in
from signals_app.console.admin.filters import OF_DELIVERIES
from signals_app.console.admin.lists import RecordAdmin, column
from signals_app.console.admin.pages import LIVE
from signals_app.console.operations import OPERATIONS, Operation, Operator, perform
from signals_app.console.queries import DELIVERY_HELP, NEWEST_OF_FEW, find_deliveries, last_errors
from signals_app.exceptions import OperationRefused
from signals_app.models import FINAL_STATES, Delivery, State
from signals_app.redaction.logs import one_line

NAMED = 10  # deliveries that a question lists
AT_ONCE = 5_000  # deliveries that one request changes, so that it ends
EMISSION_STYLES = ("signals_app/admin.css", "signals_app/overview.css", "signals_app/emission.css")


class Matching(forms.CheckboxInput):
    """A box with words of its own: not every theme writes the labels of an action's form."""

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        words = _("on all that match the filter")
        return format_html('<label class="signals-matching">{} {}</label>', super().render(*args, **kwargs), words)


class OperationForm(ActionForm):
    """Django's choice of an action, with one that needs no ticks, nor the script that counts them."""

    matching = forms.BooleanField(label="", required=False, widget=Matching)


def _action(operation: Operation) -> Callable[[DeliveryAdmin, HttpRequest, QuerySet[Delivery]], HttpResponse]:
    """Return an operation as Django's lists take it; done, it leads back to the same filtered list."""

    def act(of: DeliveryAdmin, request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse:
        return of.ask_or_do(request, rows, operation, back=request.get_full_path())

    act.__name__ = operation.name
    return admin.action(act, description=operation.of_many)


class DeliveryAdmin(RecordAdmin):
    list_display = (
        *("number", "standing", "by_receiver", "by_signal", "by_queue", "tries", "last_error", "took", "finished"),
    )
    list_display_links = ("number", "by_receiver")
    list_filter = OF_DELIVERIES
    search_fields = ("id", "emission", "receiver", "sender")  # see find
    search_help_text = DELIVERY_HELP
    find = staticmethod(find_deliveries)
    sortable_by = ("number",)  # any other order would have to sort the whole table
    unlisted = ("payload", "result", "sender", "sent_by", "sent_from", "emission")
    actions = tuple(map(_action, OPERATIONS.values()))
    action_form = OperationForm

    # the columns
    by_receiver = column(_("receiver"), lambda delivery: formatting.name(delivery.receiver), is_labelled=False)
    by_signal = column(_("signal"), lambda delivery: formatting.name(delivery.signal), is_labelled=False)
    by_queue = column(_("queue"), lambda delivery: one_line(delivery.queue))
    tries = column(_("attempts"), lambda delivery: f"{delivery.attempts}/{delivery.max_attempts}")
    last_error = column(_("error"), lambda delivery: formatting.name(delivery.last_error) or formatting.NONE)
    finished = column(_("finished"), lambda delivery: formatting.moment(delivery.finished_at))

    @admin.display(description=_("delivery"), ordering="pk")
    def number(self, delivery: Delivery) -> str:
        return f"#{delivery.pk}"

    @admin.display(description=_("state"))
    def standing(self, delivery: Any) -> SafeString:
        progress = formatting.progress_bar(delivery) if delivery.state == State.RUNNING else ""
        return format_html("{} {}", delivery.standing, progress)

    @admin.display(description=_("waited, ran"))
    def took(self, delivery: Delivery) -> SafeString:
        now = timezone.now()
        spans = ((_("Waited"), formatting.waited(delivery, now)), (_("Ran"), formatting.ran(delivery, now)))
        known = ((formatting.cell(label, formatting.written(span)),) for label, span in spans if span is not None)
        return format_html_join("", "<div>{}</div>", known) or formatting.cell(_("Waited"), formatting.NONE)

    def look_beside(self, rows: list[Any]) -> None:
        pauses, now, errors = ledger.pauses(), timezone.now(), last_errors(rows, ledger.connection().alias)
        for one in rows:
            one.last_error = errors.get(one.pk, "")
            one.standing = formatting.standing_badge(one, pauses, now)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        operate, emission = "<path:object_id>/operate/<str:name>/", "emission/<uuid:emission>/"
        return [
            path(operate, view(self.operate_view), name="signals_app_delivery_operate"),
            path(emission, view(self.emission_view), name="signals_app_emission"),
            *super().get_urls(),
        ]

    def get_ordering(self, request: HttpRequest) -> tuple[str | Combinable, ...]:
        """Return newest first, and what ended last first where only that is shown: so an index has the order."""
        state, given = request.GET.get("state"), request.GET.keys()
        if state in FINAL_STATES or not given.isdisjoint({"ended", "finished_at__gte", "finished_at__lt"}):
            return ("-finished_at",)
        indexed = state in (State.READY, State.RUNNING) or not given.isdisjoint(
            {"waiting", "unroutable", "blocking", "long"}
        )
        return (NEWEST_OF_FEW,) if indexed else self.ordering

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the actions that the user may do; from version 6.1 on Django says for which of its pages."""
        found: dict[str, Any] = super().get_actions(request, *filter(None, [action_location]))
        refused = {one.name for one in OPERATIONS.values() if not request.user.has_perm(one.permission)}
        return {name: one for name, one in found.items() if name not in refused}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if "matching" in request.POST:  # as if every row of every page were ticked, for Django
            posted = request.POST.copy()
            posted["select_across"] = "1"
            posted.setlist(ACTION_CHECKBOX_NAME, ["0"])
            request.POST = posted  # type: ignore[assignment]
        return super().changelist_view(request, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (delivery := kwargs.get("obj")) is not None:
            context["page"] = delivery_page(delivery, request.user, site=self.admin_site.name, now=timezone.now())
            context["objects"] = objects_in(delivery.payload, request, self.admin_site)
            context["media"] += forms.Media(js=(LIVE,))
        return super().render_change_form(request, context, *args, **kwargs)

    @method_decorator(require_safe)
    def emission_view(self, request: HttpRequest, emission: UUID) -> HttpResponse:
        """Show one ``send()`` and what became of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows, site = self.get_queryset(request), self.admin_site.name
        page = emission_page(emission, rows, site=site, now=timezone.now())
        media = forms.Media(css={"all": EMISSION_STYLES}, js=(LIVE,))
        return self.show(request, "admin/signals_app/emission.html", title=gettext("Emission"), page=page, media=media)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do to one delivery what the list does to many, and go back to its page."""
        operation = OPERATIONS.get(name)
        delivery = self.get_object(request, unquote(object_id))
        if operation is None or delivery is None:
            raise Http404(gettext("There is no such delivery, or no such operation."))
        if not (self.has_view_permission(request, delivery) and request.user.has_perm(operation.permission)):
            raise PermissionDenied
        address = formatting.address(self.admin_site.name, "delivery_change", delivery.pk)
        preserved: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        rows = self.get_queryset(request).filter(pk=delivery.pk)
        back = add_preserved_filters(preserved, address)
        if request.method != "POST":
            return self.lead_back(request, back)
        return self.ask_or_do(request, rows, operation, back=back, about=str(delivery))

    def ask_or_do(
        self, request: HttpRequest, rows: QuerySet[Delivery], operation: Operation, *, back: str, about: str = ""
    ) -> HttpResponse:
        """Ask for the target, then for confirmation; with both, do it and go ``back``."""
        to = request.POST.get("to", "")
        asked: dict[str, Any] = {"title": operation.label(), "target": operation.target}
        if to or operation.target is None:
            try:
                operation = operation.aimed_at(to)
            except OperationRefused as refused:
                messages.error(request, str(refused))
                return HttpResponseRedirect(back)
            if "confirmed" in request.POST:
                try:
                    self._do(request, rows, operation)
                except OperationalError as error:  # SQLite's write lock may be that of what is to be cancelled
                    text = gettext("The database is busy (%(error)s), so not all of it was done. Try again in a while.")
                    messages.error(request, text % {"error": error})
                return HttpResponseRedirect(back)
            asked = self._question(rows, operation)
        return self.show(
            request,
            "admin/signals_app/confirm.html",
            about=about,
            back=back,
            action=request.POST.get("action", ""),
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            across=request.POST.get("select_across", "0"),
            **asked,
        )

    def _question(self, rows: QuerySet[Delivery], operation: Operation) -> dict[str, Any]:
        """Return what the page asks and which deliveries it names, where the target is chosen."""
        found = rows.filter(operation.condition(operation.to))
        possible = found.order_by().count()
        words = {"count": possible, "to": operation.to}
        site, pauses, now = self.admin_site.name, ledger.pauses(), timezone.now()
        badge = formatting.standing_badge
        return {
            "title": operation.question % words if possible else operation.label(),
            "consequence": operation.consequence % words,
            "button": operation.button % words,
            "is_dangerous": operation.is_dangerous,
            "only": operation.only,
            "named": [
                (formatting.link_to(site, one.pk, f"#{one.pk}"), one_line(one.receiver), badge(one, pauses, now))
                for one in found[:NAMED]
            ],
            "more": max(0, possible - NAMED),
            "to": operation.to,
            "count": rows.order_by().count(),
            "possible": possible,
            "at_once": AT_ONCE,
        }

    def _do(self, request: HttpRequest, rows: QuerySet[Delivery], operation: Operation) -> None:
        ids = list(rows.values_list("pk", flat=True)[: AT_ONCE + 1])
        if ids:
            result = perform(operation, ids[:AT_ONCE], by=Operator.of(request.user))
            level = messages.WARNING if result.refused else messages.SUCCESS
            self.message_user(request, " ".join(result.sentences()), level)
        if len(ids) > AT_ONCE:
            left = ngettext(
                "Only the newest %(count)d was taken; do it again for the rest.",
                "Only the newest %(count)d were taken; do it again for the rest.",
                AT_ONCE,
            )
            self.message_user(request, left % {"count": AT_ONCE}, messages.WARNING)
