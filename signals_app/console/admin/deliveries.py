"""The list of deliveries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from signals_app.console import formatting
from signals_app.console.admin.actions import OperationForm, ask_or_do, of_list
from signals_app.console.admin.changelist import RecordAdmin, column
from signals_app.console.admin.delivery_page import page_of
from signals_app.console.admin.emission import show_emission
from signals_app.console.admin.filters import OF_DELIVERIES
from signals_app.console.admin.pages import LIVE
from signals_app.console.operations import OPERATIONS
from signals_app.console.queries import DELIVERY_HELP, NEWEST_OF_FEW, find_deliveries
from signals_app.models import FINAL_STATES, Delivery, State
from signals_app.redaction.logs import one_line


class DeliveryAdmin(RecordAdmin):
    """The list and the page of deliveries."""

    list_display = ("number", "standing", "by_receiver", "by_signal", "by_queue", "tries", "waited", "ran", "finished")
    list_display_links = ("number", "by_receiver")
    list_filter = OF_DELIVERIES
    search_fields = ("id", "emission", "receiver", "sender")  # see find
    search_help_text = DELIVERY_HELP
    find = staticmethod(find_deliveries)
    sortable_by = ("number",)  # any other order would have to sort the whole table
    unlisted = ("payload", "sender", "sent_by", "sent_from", "emission")
    actions = tuple(map(of_list, OPERATIONS.values()))
    action_form = OperationForm

    # the columns
    by_receiver = column(_("receiver"), lambda delivery: formatting.name(delivery.receiver), is_labelled=False)
    by_signal = column(_("signal"), lambda delivery: formatting.name(delivery.signal), is_labelled=False)
    by_queue = column(_("queue"), lambda delivery: one_line(delivery.queue))
    tries = column(_("attempts"), lambda delivery: f"{delivery.attempts}/{delivery.max_attempts}")
    ran = column(_("ran"), lambda delivery: formatting.written(formatting.ran(delivery, timezone.now())))
    finished = column(_("finished"), lambda delivery: formatting.moment(delivery.finished_at))

    @admin.display(description=_("delivery"), ordering="pk")
    def number(self, delivery: Delivery) -> str:
        return f"#{delivery.pk}"

    @admin.display(description=_("state"))
    def standing(self, delivery: Delivery) -> SafeString:
        marks = (
            formatting.state_badge(delivery),
            formatting.unroutable_badge() if delivery.unroutable else "",
            formatting.progress_bar(delivery) if delivery.state == State.RUNNING else "",
        )
        return format_html("{} {} {}", *marks)

    @admin.display(description=_("waited"))
    def waited(self, delivery: Delivery) -> SafeString:
        """How long it waited once it was due; when it is due, where that lies ahead."""
        now = timezone.now()
        if delivery.state == State.READY and delivery.due_at > now:
            return formatting.cell(gettext("Due"), formatting.until(delivery.due_at, now))
        return formatting.cell(gettext("Waited"), formatting.written(formatting.waited(delivery, now)))

    def get_urls(self) -> list[URLPattern]:
        """Add the address where an operation is done to one delivery, and the page of an emission."""
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
        indexed = state in (State.READY, State.RUNNING) or not given.isdisjoint({"unroutable", "long"})
        return (NEWEST_OF_FEW,) if indexed else self.ordering

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the actions that the user may do; from version 6.1 on Django says for which of its pages."""
        where = () if action_location is None else (action_location,)
        found: dict[str, Any] = super().get_actions(request, *where)
        refused = {one.name for one in OPERATIONS.values() if not request.user.has_perm(one.permission)}
        return {name: one for name, one in found.items() if name not in refused}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if "matching" in request.POST:  # as if every row of every page were ticked, for Django
            posted = request.POST.copy()
            posted["select_across"] = "1"
            posted.setlist(ACTION_CHECKBOX_NAME, ["0"])
            request.POST = posted  # type: ignore[assignment]
        return super().changelist_view(request, extra_context)

    @method_decorator(require_safe)
    def emission_view(self, request: HttpRequest, emission: UUID) -> HttpResponse:
        """Show one ``send()`` and what became of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return show_emission(self, request, emission)

    @method_decorator(require_POST)
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do to one delivery what the list does to many, and go back to its page."""
        operation = OPERATIONS.get(name)
        delivery = self.get_object(request, unquote(object_id))
        if operation is None or delivery is None:
            raise Http404(gettext("There is no such delivery, or nothing of that name can be done to it."))
        if not (self.has_view_permission(request, delivery) and request.user.has_perm(operation.permission)):
            raise PermissionDenied
        request.current_app = self.admin_site.name  # {% url %} reads it
        address = formatting.address(self.admin_site.name, "delivery_change", delivery.pk)
        preserved: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        back = add_preserved_filters(preserved, address)
        rows = self.get_queryset(request).filter(pk=delivery.pk)
        return ask_or_do(self, request, rows, operation, back=back, about=str(delivery))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the delivery's page in place of a form."""
        if (delivery := kwargs.get("obj")) is not None:
            context["page"] = page_of(delivery, request, site=self.admin_site.name, now=timezone.now())
            context["media"] += forms.Media(js=(LIVE,))
        return super().render_change_form(request, context, *args, **kwargs)
