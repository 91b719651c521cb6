"""The list of deliveries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
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
from signals_app.console.admin.actions import ACTIONS, OperationForm, ask_or_do, everything_that_matches, of_list
from signals_app.console.admin.changelist import RecordAdmin
from signals_app.console.admin.delivery_page import page_of
from signals_app.console.admin.emission import show_emission
from signals_app.console.admin.filters import (
    AttemptsFilter,
    EndedFilter,
    LastErrorFilter,
    LongFilter,
    QueueFilter,
    ReceiverFilter,
    SignalFilter,
    StateFilter,
    UnroutableFilter,
)
from signals_app.console.admin.pages import LIVE
from signals_app.console.queries import DELIVERY_HELP, find_deliveries
from signals_app.models import FINAL_STATES, Delivery, State
from signals_app.redaction.records import one_line


class DeliveryColumns:
    """What a row says, for the admin of deliveries to inherit."""

    @admin.display(description=_("delivery"), ordering="pk")
    def number(self, delivery: Delivery) -> str:
        """The id."""
        return f"#{delivery.pk}"

    @admin.display(description=_("state"))
    def standing(self, delivery: Delivery) -> SafeString:
        """The state, and what matters about it now."""
        marks: list[str | SafeString] = [formatting.state_badge(delivery)]
        if delivery.unroutable:
            marks.append(formatting.unroutable_badge())
        if delivery.state == State.RUNNING:
            marks.append(formatting.progress_bar(delivery))
        return format_html("{} {} {}", *marks, *[""] * (3 - len(marks)))

    @admin.display(description=_("receiver"))
    def by_receiver(self, delivery: Delivery) -> str:
        """The receiver's key."""
        return formatting.name(delivery.receiver)

    @admin.display(description=_("signal"))
    def by_signal(self, delivery: Delivery) -> str:
        """The signal's name."""
        return formatting.name(delivery.signal)

    @admin.display(description=_("queue"))
    def by_queue(self, delivery: Delivery) -> SafeString:
        """The queue."""
        return formatting.cell(gettext("Queue"), one_line(delivery.queue))

    @admin.display(description=_("attempts"))
    def tries(self, delivery: Delivery) -> SafeString:
        """Attempts made, of those allowed."""
        return formatting.cell(gettext("Attempts"), f"{delivery.attempts}/{delivery.max_attempts}")

    @admin.display(description=_("waited"))
    def waited(self, delivery: Delivery) -> SafeString:
        """How long it waited once it was due; when it is due, where that lies ahead."""
        now = timezone.now()
        if delivery.state == State.READY and delivery.due_at > now:
            return formatting.cell(gettext("Due"), formatting.until(delivery.due_at, now))
        return formatting.cell(gettext("Waited"), formatting.written(formatting.waited(delivery, now)))

    @admin.display(description=_("ran"))
    def ran(self, delivery: Delivery) -> SafeString:
        """How long it ran or has been running."""
        return formatting.cell(gettext("Ran"), formatting.written(formatting.ran(delivery, timezone.now())))

    @admin.display(description=_("finished"))
    def finished(self, delivery: Delivery) -> SafeString:
        """When it reached its final state."""
        return formatting.cell(gettext("Finished"), formatting.moment(delivery.finished_at))


class DeliveryAdmin(DeliveryColumns, RecordAdmin):
    """The list and the page of deliveries."""

    list_display = ("number", "standing", "by_receiver", "by_signal", "by_queue", "tries", "waited", "ran", "finished")
    list_display_links = ("number", "by_receiver")
    list_filter = (
        StateFilter,
        ReceiverFilter,
        SignalFilter,
        QueueFilter,
        LastErrorFilter,
        AttemptsFilter,
        UnroutableFilter,
        LongFilter,
        EndedFilter,
    )
    search_fields = ("id", "emission", "receiver", "sender")  # see find
    search_help_text = DELIVERY_HELP
    date_hierarchy = "enqueued_at"
    sortable_by = ("number",)  # any other order would have to sort the whole table
    unlisted = ("payload", "sender", "sent_by", "sent_from", "emission")
    actions = tuple(of_list(action) for action in ACTIONS.values())
    action_form = OperationForm

    def get_urls(self) -> list[URLPattern]:
        """Add the address where an action is done to one delivery, and the page of an emission."""
        operate = path(
            "<path:object_id>/operate/<str:name>/",
            self.admin_site.admin_view(self.operate_view),
            name="signals_app_delivery_operate",
        )
        emission = path(
            "emission/<uuid:emission>/",
            self.admin_site.admin_view(self.emission_view),
            name="signals_app_emission",
        )
        return [operate, emission, *super().get_urls()]

    @method_decorator(require_safe)
    def emission_view(self, request: HttpRequest, emission: UUID) -> HttpResponse:
        """Show one ``send()`` and what became of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return show_emission(self, request, emission)

    def get_ordering(self, request: HttpRequest) -> tuple[str | Combinable, ...]:
        """Return newest first, and what ended last first where only that is shown: so an index has the order.

        Told to order by the key itself, SQLite walks the whole table along it to find the few that run or failed.
        """
        state = request.GET.get("state")
        if state in FINAL_STATES or "ended" in request.GET:
            return ("-finished_at",)
        indexed = state in (State.READY, State.RUNNING) or not request.GET.keys().isdisjoint({"unroutable", "long"})
        return ((F("pk") + 0).desc(),) if indexed else self.ordering

    @staticmethod
    def find(rows: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
        """Return the deliveries that match every word."""
        return find_deliveries(rows, text)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the actions that the user may do; from version 6.1 on Django says for which of its pages."""
        where = () if action_location is None else (action_location,)
        found: dict[str, Any] = super().get_actions(request, *where)
        return {name: one for name, one in found.items() if name not in ACTIONS or ACTIONS[name].is_allowed(request)}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; an action on all that match the filter needs no row that is ticked."""
        if request.method == "POST" and "matching" in request.POST:
            request.POST = everything_that_matches(request.POST)  # type: ignore[assignment]
        return super().changelist_view(request, extra_context)

    @method_decorator(require_POST)
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do to one delivery what the list does to many, and go back to its page."""
        action = ACTIONS.get(name)
        delivery = self.get_object(request, unquote(object_id))
        if action is None or delivery is None:
            raise Http404(gettext("There is no such delivery, or nothing of that name can be done to it."))
        if not (self.has_view_permission(request, delivery) and action.is_allowed(request)):
            raise PermissionDenied
        request.current_app = self.admin_site.name  # {% url %} reads it
        address = formatting.address(self.admin_site.name, "delivery_change", delivery.pk)
        preserved: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        back = add_preserved_filters(preserved, address)
        rows = self.get_queryset(request).filter(pk=delivery.pk)
        return ask_or_do(self, request, rows, action, back=back, about=str(delivery))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Delivery | None = None,
    ) -> HttpResponse:
        """Show the delivery's page in place of a form."""
        if obj is not None:
            context["page"] = page_of(obj, request, site=self.admin_site.name, now=timezone.now())
            context["media"] += forms.Media(js=(LIVE,))
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)
